# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""System calls per operation, counted by strace in runs of their own."""

import re
import shutil
import tempfile
import time

from bench_report import programs

WINDOWS = (0.02, 0.4)  # seconds measured in the short and in the long run
TOTAL = re.compile(rb"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", re.MULTILINE)


def why_not():
    """Why system calls cannot be counted on this machine; None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    try:
        programs.run(["strace", "-f", "-c", "-o", "/dev/null", "true"])
    except programs.ProgramError as error:
        return str(error)
    return None


def count(benchmarks, progress):
    """System calls per operation of each benchmark, as far as they can be counted.

    The long run minus the short one: what starting and ending cost falls out. strace slows every
    system call down; a program that makes fewer of them when it is slower is counted as such.
    """
    result = {}
    begin = time.monotonic()
    for index, benchmark in enumerate(benchmarks):
        past = time.monotonic() - begin
        left = past / index * (len(benchmarks) - index) if index else 2.0 * len(benchmarks)
        activity = f"counting system calls  {benchmark.name:<30}"
        progress.step(activity, index / len(benchmarks), left)
        try:
            (calls, operations), (more_calls, more_operations) = (
                _count_once(benchmark, seconds) for seconds in WINDOWS
            )
        except (programs.ProgramError, KeyError):
            continue  # a column stays empty; failures proper are reported by the rounds
        if more_operations > operations:
            result[benchmark] = max(0.0, (more_calls - calls) / (more_operations - operations))
    return result


def _count_once(benchmark, seconds):
    with tempfile.NamedTemporaryFile(prefix="zmqloop-bench.", suffix=".strace") as file:
        strace = ["strace", "-f", "-c", "-o", file.name]
        counters = programs.measure(benchmark, seconds, prefix=strace)
        return total_calls(file.read()), counters["ops"]


def total_calls(table):
    """The number of calls in the table that `strace -c` prints."""
    match = TOTAL.search(table)
    if match is None:
        raise programs.ProgramError("strace printed no total")
    return int(match.group(1))
