# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""tools/bench --compare: measures zmqloop beside its rivals and writes a report.

 flags         what the user asks for
 programs      the benchmark programs, and one measurement
 rounds        all contenders, round by round
 system_calls  counted by strace
 machine       what it was measured on
 spread        medians, ranges, intervals, ratios
 workloads     what is measured, in words
 goals         what the figures should be
 document      the report as plain data: report.json
 tables, words, units    its tables, sentences and figures as text
 page, charts, sweeps, svg, markdown    how it is shown
 gate_session  a comparison with an earlier commit instead
 baseline, builds    that commit, and the programs of both sides
 pairs         the rows that both sides have
 gate          the comparison as plain data, and its verdicts
 gate_text     how it is shown
 atomic_file, progress

Only the standard library is used. tests/tools/bench_report_test.py and baseline_test.py test it.
"""
