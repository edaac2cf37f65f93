# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Measures all contenders, round by round, and shows how far it is."""

import random
import time

from bench_report import programs
from bench_report.progress import duration

# A measurement of s seconds takes about this many: the search for an iteration count, set-up, end.
OVERHEAD_FACTOR, OVERHEAD_SECONDS = 1.8, 0.05


class Measurements:
    """Per benchmark the counters of each round, None where it failed, and its failures."""

    def __init__(self, benchmarks, rounds):
        self.benchmarks = benchmarks
        self.rounds = rounds
        self.samples = {benchmark: [None] * rounds for benchmark in benchmarks}
        self.failures = {benchmark: [] for benchmark in benchmarks}
        self.hanging = set()
        self.begun = 0  # rounds

    def workloads(self):
        return list(dict.fromkeys(benchmark.workload for benchmark in self.benchmarks))

    def failed(self):
        """What failed: (benchmark, how often, why the first time)."""
        return [(b, len(whys), whys[0]) for b, whys in self.failures.items() if whys]

    def of_workload(self, name):
        return [benchmark for benchmark in self.benchmarks if benchmark.workload == name]


def total_seconds(each, count, rounds):
    """How long so many measurements take, about, if each measures for `each` seconds."""
    return rounds * count * (OVERHEAD_FACTOR * each + OVERHEAD_SECONDS)


def seconds_per_measurement(total, count, rounds):
    """How long each may measure so that all together take about `total`."""
    return (total / (rounds * count) - OVERHEAD_SECONDS) / OVERHEAD_FACTOR


class Clock:
    """Foretells how long the rest takes: as long as the same took last time."""

    def __init__(self, benchmarks, rounds, seconds):
        expected = OVERHEAD_FACTOR * seconds + OVERHEAD_SECONDS
        self._took = {benchmark: expected for benchmark in benchmarks}
        self._left = {benchmark: rounds for benchmark in benchmarks}

    def done(self, benchmark, took):
        self._took[benchmark] = took
        self._left[benchmark] -= 1

    def remaining(self):
        return sum(self._took[b] * left for b, left in self._left.items())


def shuffled(number):
    """Arranges the contenders of a round in an order that differs from round to round, and is the
    same in every run of the tool."""
    return random.Random(number).shuffle


def alternating(number):
    """Leaves the two contenders of a round as they are, and swaps them in the next."""
    return list.reverse if number % 2 else lambda contenders: None


def measure_rounds(result, seconds, progress, order=shuffled):
    """Fills in the result. In each round every workload comes once; its contenders follow each
    other immediately, each in a process of its own, as arranged by order(number of the round)."""
    clock = Clock(result.benchmarks, result.rounds, seconds)
    begin = time.monotonic()
    for number in range(result.rounds):
        result.begun = number + 1
        arrange = order(number)
        for workload in result.workloads():
            contenders = result.of_workload(workload)
            arrange(contenders)
            for benchmark in contenders:
                left, past = clock.remaining(), time.monotonic() - begin
                activity = f"round {number + 1} of {result.rounds}  {benchmark.name:<30}"
                progress.step(activity, past / (past + left), left)
                _measure_once(result, benchmark, number, seconds)
                clock.done(benchmark, time.monotonic() - begin - past)
        left = duration(clock.remaining())
        progress.milestone(f"round {number + 1} of {result.rounds} done, about {left} left")


def _measure_once(result, benchmark, number, seconds):
    if benchmark in result.hanging:
        return  # once is long enough
    try:
        result.samples[benchmark][number] = programs.measure(benchmark, seconds)
    except programs.ProgramError as error:
        result.failures[benchmark].append(str(error))
        if isinstance(error, programs.ProgramHangs):
            result.hanging.add(benchmark)
