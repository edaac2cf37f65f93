# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""A whole comparison with a baseline: both sides built, paired, measured in turn."""

import datetime
import shlex
import sys
import time

from bench_report import (
    baseline, builds, gate, machine, pairs, programs, rounds, session, workloads,
)  # fmt: skip
from bench_report.progress import Progress, duration


def measure(asked, arguments):
    """(the comparison that the flags ask for, as plain data, whether Ctrl-C ended it early)."""
    session.check_known(asked.only, workloads.names())
    commit = baseline.resolve(asked.baseline)
    builds.install_packages()
    with baseline.scratch_folder() as folder:
        after = asked.programs or build_tree(folder)
        before = baseline.build(commit, asked.baseline, folder)
        compared, missing = pairs.choose(
            *(list_all(paths, asked.under) for paths in (before, after)), asked.only
        )
        seconds = session.seconds_each(asked, 2 * len(compared))
        begin, clock, load = datetime.datetime.now(), time.monotonic(), machine.Load()
        measured, interrupted = measure_in_turn(compared, asked.rounds, seconds)
        noise = load.finish()
    took = duration(time.monotonic() - clock)
    print(f"measured {len(compared)} rows of both sides, {measured.begun} rounds, in {took}")
    facts = {
        "date": begin.strftime("%Y-%m-%d %H:%M"),
        "command": shlex.join(["tools/bench", *arguments]),
        "baseline": {"revision": asked.baseline, "commit": commit},
        "seconds_per_measurement": seconds,
        "took": took,
        "machine": machine.describe(str(builds.ROOT)),
        "versions": machine.library_versions(),
        "noise": noise,
    }
    return gate.build(compared, missing, measured, facts), interrupted


def build_tree(folder):
    """Builds this tree as it is, its uncommitted changes included."""
    paths = builds.build()
    if paths is None:
        raise programs.ProgramError("this tree does not build, see above")
    return baseline.keep(paths, folder / "new")


def list_all(paths, under):
    return [benchmark for path in paths for benchmark in programs.list_benchmarks(path, under)]


def measure_in_turn(compared, count, seconds):
    """(the measurements, whether Ctrl-C ended them early). Each row's two sides follow each other
    immediately; the side that begins alternates from round to round."""
    benchmarks = [side for pair in compared for side in (pair.before, pair.after)]
    measured = rounds.Measurements(benchmarks, count)
    progress = Progress(sys.stderr)
    interrupted = False
    try:
        rounds.measure_rounds(measured, seconds, progress, rounds.alternating)
    except KeyboardInterrupt:
        if not any(sample for samples in measured.samples.values() for sample in samples):
            raise
        interrupted = True
    finally:
        progress.clear()
    return measured, interrupted
