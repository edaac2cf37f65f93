# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The tables of a report for documents in Markdown."""

import re

from bench_report import sweeps, tables, units, words


def render(report):
    """Goals, all contenders, and what they were measured on and with."""
    alone, swept = sweeps.split(report["workloads"])
    parts = [_facts(report), *_goals(report), *_matrix(alone)]
    parts += [_sweep(name, sections) for name, sections in swept.items()]
    return "\n\n".join([*parts, provenance(report)]) + "\n"


def table(columns, rows):
    """A table; the first row of dashes aligns everything to the left."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text):
    return re.sub(r"([\\|<>*`\[\]])", r"\\\1", str(text)).replace("\n", " ")


def _facts(report):
    facts = (
        f"{report['rounds']} interleaved rounds on {report['date']}, "
        f"{report['machine']['CPU']}, {report['machine']['cores']} cores "
        f"({report['machine']['machine']}). {words.noise(report)}"
    )
    return facts + (f" Goals: {words.score(report)}." if report["goals"] else "")


def _goals(report):
    if not report["goals"]:
        return
    columns = ["Workload", "zmqloop", "against", "", "zmqloop ÷ that (interval)", "goal", ""]
    rows = [
        [tables.workload_label(r["workload"]), r["ours"], r["against"], r["theirs"],
         f"{r['ratio']} {r['interval']}", r["limit"], r["verdict"]]
        for r in tables.goal_rows(report)
    ]
    yield table(columns, rows)
    yield from words.better_variants(report)


def _matrix(sections):
    if not sections:
        return
    columns, rows = tables.matrix(sections)
    yield table(
        ["Workload", *columns],
        [
            [tables.workload_label(section["name"]), *(cell[0] if cell else "" for cell in cells)]
            for section, cells in rows
        ],
    )


def _sweep(name, sections):
    contenders, rows = sweeps.rows(sections)
    columns = [name, *map(tables.contender_label, contenders)]
    return table(columns, [[place, *(cell for cell, _ in cells)] for place, cells in rows])


def provenance(report):
    """The command that made the report, and the versions it was made with."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    seconds = units.figure("time", report["seconds_per_measurement"] * 1e9)
    return (
        f"Made by `{report['command']}`, {seconds} per measurement. {report['machine']['kernel']}, "
        f"{report['machine']['compiler']}, {report['machine']['zmqloop']}; {versions}."
    )
