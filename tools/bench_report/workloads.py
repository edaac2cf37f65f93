# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What each workload measures, in words, and in what its figure is told."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Measure:
    """How one figure is read from a benchmark's counters, and which way is better."""

    name: str  # "rate", "time", "bytes" or "part": decides the units it is shown in
    words: str
    read: object  # counters -> figure, or None where they do not hold it
    higher_is_better: bool = False


def _counter(name, scale=1.0):
    return lambda counters: counters[name] * scale if name in counters else None


def _time_per_operation(counters):
    rate = counters.get("items_per_second")
    return 1e9 / rate if rate else None


RATE = Measure("rate", "operations per second", _counter("items_per_second"), True)
TIME = Measure("time", "time per operation", _time_per_operation)
P50 = Measure("time", "median latency", _counter("p50_ns"))
CPU_TIME = Measure("time", "CPU time per operation, all threads", _counter("cpu_ns_per_op"))
BYTES = Measure("bytes", "memory", _counter("bytes"))
CPU_PART = Measure("part", "part of one CPU used", _counter("cpu_percent", 0.01))

EXTRAS = (  # shown where a benchmark reports them
    ("fairness", "fairness"),
    ("wake-ups per second", "wakeups_per_second"),
    ("part that is early", "early"),
)
PERCENTILES = (("p50", "p50_ns"), ("p99", "p99_ns"), ("p99.9", "p999_ns"))


@dataclasses.dataclass(frozen=True)
class Workload:
    """One question: the first part of the names of the benchmarks that answer it."""

    name: str
    words: str
    measure: Measure
    between_cores: bool = False  # whether how far the cores are apart decides what is measured


WORKLOADS = (
    Workload("W1", "One thread posts closures (24 bytes and a pointer) to one loop.", RATE, True),
    Workload("W1w", "The same, with at most 1,024 closures outstanding.", RATE, True),
    Workload("W2-2to1", "Two threads post to one loop.", RATE, True),
    Workload("W2-4to1", "Four threads post to one loop: more threads than cores here.", RATE, True),
    Workload("W3", "Two loops keep 256 closures in flight each way; hops.", RATE, True),
    Workload("W4", "One closure goes back and forth between two loops on two cores.", P50, True),
    Workload("W4-asleep", "The same, each loop asleep when the closure arrives.", P50, True),
    Workload("W4-onecore", "The same, both loops on one core.", P50),
    Workload("W5", "A callback posts itself to its own loop, again and again.", RATE),
    Workload("W6-arm-cancel", "A million timers armed and cancelled; per timer.", TIME),
    Workload("W6-fire", "200,000 timers armed and fired; per timer.", TIME),
    Workload("W6-lateness", "How late a timer of 1 ms fires.", P50),
    Workload("W7-pairs", "64 descriptor pairs pass bytes around.", RATE),
    Workload("W7-idle", "One descriptor is active among 10,000 idle ones; per event.", TIME),
    Workload("W8-inproc", "Messages from a PUSH to a PULL socket in a loop, inproc.", RATE),
    Workload("W8-tcp", "Messages from a PUSH to a PULL socket in a loop, tcp.", RATE),
    Workload("W8-idle", "One ZeroMQ socket is active among idle ones; per message.", TIME),
    Workload("W8-one", "One message at a time, sent and received in one thread.", TIME),
    Workload("W9-memory", "Memory of an idle loop with its thread.", BYTES),
    Workload("W9-start", "A loop's thread starts, runs and is joined.", P50),
    Workload("W9-idle", "CPU time that 64 idle loops use, all together.", CPU_PART),
    Workload("CPU", "CPU time per post of W1, poster and loop together.", CPU_TIME, True),
    Workload("scale-posts", "Each producer posts to all loops in turn, all in all.", RATE, True),
    Workload("scale-threads", "100,000 threads post once and end, 16 at a time; per thread.", TIME),
    Workload("scale-merge", "The loop takes posts, every next one from another lane.", TIME),
    Workload("scale-scan", "The loop takes one post while other lanes are idle.", P50),
    Workload("scale-memory", "Memory per pair of a posting thread and a loop.", BYTES),
    Workload("scale-timers", "Timers armed and cancelled beside others that are armed.", TIME),
    Workload("scale-fds", "One descriptor is active among ever more idle ones; per event.", TIME),
    Workload("scale-sockets", "One ZeroMQ socket is active among ever more idle ones.", TIME),
)


def names():
    return [workload.name for workload in WORKLOADS]


def base(name):
    """The workload's name without its place on its axes: W8-idle of W8-idle/idle:1000."""
    return name.split("/")[0]


def find(name, samples):
    """The workload of that name. Where it is not listed, or its samples lack what it is told by,
    they say what it is told by."""
    listed = next((w for w in WORKLOADS if w.name == base(name)), Workload(name, "", RATE))
    counters = next((sample for sample in samples if sample), {})
    measures = (listed.measure, P50, BYTES, RATE, CPU_TIME, CPU_PART)
    measure = next((m for m in measures if m.read(counters) is not None), listed.measure)
    return dataclasses.replace(listed, name=name, measure=measure)


def order(names_found):
    """The different ones among the names, in the order of WORKLOADS, then the others in theirs."""
    known = {name: index for index, name in enumerate(names())}
    return sorted(dict.fromkeys(names_found), key=lambda name: known.get(base(name), len(known)))
