# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""A whole session of measuring: which benchmarks, for how long, with what result."""

import contextlib
import datetime
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

from bench_report import document, machine, programs, rounds, system_calls, workloads
from bench_report.flags import FlagError
from bench_report.progress import Progress, duration

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
USUAL_SECONDS = 0.25  # per measurement
LEAST_SECONDS = 0.005


def measure(asked, arguments):
    """The report of what the flags ask for, as plain data."""
    check_known(asked.only, workloads.names())
    benchmarks = choose(asked.programs or build(), asked.only, asked.under)
    seconds = seconds_each(asked, len(benchmarks))
    progress = Progress(sys.stderr)
    begin, clock, load = datetime.datetime.now(), time.monotonic(), machine.Load()
    measured = rounds.Measurements(benchmarks, asked.rounds)
    try:
        rounds.measure_rounds(measured, seconds, progress)
        noise = load.finish()
        system_calls_each, remark = count_system_calls(measured, progress)
    finally:
        progress.clear()
    took = duration(time.monotonic() - clock)
    print(f"measured {len(benchmarks)} contenders, {asked.rounds} rounds, in {took}")
    facts = {
        "date": begin.strftime("%Y-%m-%d %H:%M"),
        "command": shlex.join(["tools/bench", *arguments]),
        "commands": [shlex.join(map(shown, b.command(seconds))) for b in benchmarks],
        "seconds_per_measurement": seconds,
        "took": took,
        "machine": machine.describe(str(ROOT)),
        "versions": machine.library_versions(),
        "noise": noise,
        "system_calls": remark,
    }
    return document.build(measured, system_calls_each, facts)


def matches(workload, asked):
    """Whether a workload is asked for: by its name, or by that of its group, W4 for W4-asleep."""
    return workload == asked or workload.startswith((asked + "-", asked + "/"))


def check_known(only, known):
    for name in only or ():
        if not any(matches(workload, name) for workload in known):
            raise FlagError(f"--only needs some of {', '.join(known)}; there is no {name}")


def build():
    """Builds the programs with the rivals, installing what is missing; returns their paths."""
    with tempfile.NamedTemporaryFile("r", prefix="zmqloop-bench.", suffix=".programs") as file:
        if subprocess.run([ROOT / "tools" / "build_rivals", file.name], check=False).returncode:
            raise programs.ProgramError("the benchmarks were not built, see above")
        return file.read().split("\n")[:-1]


def choose(paths, only, under=()):
    """The benchmarks of the programs that are asked for, by workload."""
    found = [b for path in paths for b in programs.list_benchmarks(path, under)]
    check_known(only, list(dict.fromkeys(b.workload for b in found)))
    if only:
        found = [b for b in found if any(matches(b.workload, name) for name in only)]
    if not found:
        raise programs.ProgramError("the programs have no benchmark named WORKLOAD/CONTENDER")
    order = workloads.order(b.workload for b in found)
    return sorted(found, key=lambda b: order.index(b.workload))


def seconds_each(asked, count):
    """How long one measurement takes for all to take what was asked for."""
    if asked.seconds is None:
        return USUAL_SECONDS
    seconds = rounds.seconds_per_measurement(asked.seconds, count, asked.rounds)
    if seconds < LEAST_SECONDS:
        least = rounds.total_seconds(LEAST_SECONDS, count, asked.rounds)
        raise FlagError(
            f"--seconds needs at least {least:.0f} for {count} measurements in each of "
            f"{asked.rounds} rounds"
        )
    return seconds


def count_system_calls(measured, progress):
    """(system calls per operation of each benchmark, a remark for the reader)."""
    if reason := system_calls.why_not():
        return {}, f"Here they could not be counted: {reason}."
    working = [b for b in measured.benchmarks if not measured.failures[b]]
    return system_calls.count(working, progress), ""


def shown(word):
    """A word of a command; a program is named from the top of the tree, if it was built there."""
    for folder in ("benchmarks/rivals", "benchmarks"):
        built = pathlib.Path("bazel-bin", folder, os.path.basename(word))
        with contextlib.suppress(OSError):
            if (ROOT / built).samefile(word):
                return str(built)
    return word
