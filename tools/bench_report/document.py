# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The report as plain data: what report.json holds, and all that tables and pictures show."""

from bench_report import goals, spread, workloads

FORMAT = 1
OURS = "zmqloop"
FLOOR = "floor-"
DISTANCES_ALIKE = 1.5  # core distances up to this factor apart are comparable
QUIET, NOISY = 0.05, 0.20  # a typical floor's spread up to which a run is quiet, above which noisy


def build(measurements, system_calls, facts):
    """`system_calls`: per benchmark, per operation; `facts`: when, where and how it was measured,
    among them `noise`, what else the machine did."""
    sections = [
        _section(name, measurements, system_calls)
        for name in workloads.order(measurements.workloads())
    ]
    by_name = {section["name"]: section for section in sections}
    judged = [judge(goal, by_name) for goal in goals.GOALS if goal.workload in by_name]
    return {
        "format": FORMAT,
        **facts,
        "rounds": measurements.rounds,
        "noise": {**facts["noise"], **_noise(sections)},
        "goals": judged,
        "workloads": sections,
        "failures": [
            {"benchmark": benchmark.name, "rounds": count, "why": why}
            for benchmark, count, why in measurements.failed()
        ],
    }


def _section(name, measurements, system_calls):
    samples = {b: measurements.samples[b] for b in measurements.of_workload(name)}
    workload = workloads.find(name, [sample for rounds in samples.values() for sample in rounds])
    measure = workload.measure
    contenders = [
        {
            **contender(benchmark, workload, rounds),
            "ratio": None,
            "system_calls_per_operation": system_calls.get(benchmark),
        }
        for benchmark, rounds in samples.items()
    ]
    contenders = [c for c in contenders if c["figure"]]
    contenders.sort(key=lambda c: c["figure"]["median"], reverse=measure.higher_is_better)
    ours = find(contenders, OURS)
    for other in contenders:
        if ours and other is not ours:
            other["ratio"] = compare(ours, other)
    return {
        "name": name,
        "words": workload.words,
        "measure": measure.name,
        "measure_words": measure.words,
        "higher_is_better": measure.higher_is_better,
        "is_latency": measure is workloads.P50,
        "contenders": contenders,
    }


def contender(benchmark, workload, samples):
    """One contender's figures, each with its rounds."""

    def counter(name):
        return spread.summarize([sample.get(name) if sample else None for sample in samples])

    percentiles = {label: counter(name) for label, name in workloads.PERCENTILES}
    return {
        "name": benchmark.contender,
        "benchmark": benchmark.full_name,
        "program": benchmark.program.rsplit("/", 1)[-1],
        "figure": spread.summarize([workload.measure.read(s) if s else None for s in samples]),
        "core_distance_ns": counter("core_distance_ns") if workload.between_cores else None,
        "percentiles": {label: found for label, found in percentiles.items() if found},
        "cpu_ns_per_operation": counter("cpu_ns_per_op"),
        "allocations_per_operation": counter("allocs_per_op"),
        "extras": {label: found for label, name in workloads.EXTRAS if (found := counter(name))},
    }


def compare(ours, other):
    """The ratio of two contenders, of the rounds in which the cores were about as far apart for the
    one as for the other; `left_out` counts the rest. A virtual machine's host moves its CPUs."""
    figures = ours["figure"]["rounds"], other["figure"]["rounds"]
    distances = [(c["core_distance_ns"] or {}).get("rounds") for c in (ours, other)]
    if None in distances:
        return spread.ratio(*figures)
    alike = [_alike(*pair) for pair in zip(*distances)]
    ours_alike = [figure if keep else None for figure, keep in zip(figures[0], alike)]
    ratio = spread.ratio(ours_alike, figures[1])
    return ratio and {**ratio, "left_out": alike.count(False)}


def _alike(one, other):
    if not one or not other:
        return True
    return max(one, other) <= DISTANCES_ALIKE * min(one, other)


def find(contenders, name):
    """The contender of that name; where there is none, the best of its variants, `libuv-inline` for
    `libuv`: the contenders stand best first. Ours has no variants: the default is promised."""
    exact = [c for c in contenders if c["name"] == name]
    return next(iter(exact or ([] if name == OURS else variants(contenders, name))), None)


def variants(contenders, name):
    """Other ways to use the same library, best first."""
    return [c for c in contenders if name and c["name"].startswith(name + "-")]


def better_variant(contenders, other):
    """The best variant of that contender, if it does better, with the ratio to it."""
    for variant in variants(contenders, other["name"]):
        if contenders.index(variant) < contenders.index(other):
            ratio = variant["ratio"]
            return {"name": variant["name"], "ratio": ratio["median"] if ratio else None}
    return None


def judge(goal, sections):
    """The goal with what was measured of it and a verdict; sections by their names."""
    elsewhere = sections.get(goal.elsewhere or goal.workload)
    ours = find(sections[goal.workload]["contenders"], OURS)
    other = find(elsewhere["contenders"], goal.against) if elsewhere else None
    ratio = None
    if ours and not goal.against:
        ratio = spread.confident_summary(ours["figure"]["rounds"])
    elif ours and other:
        ratio = compare(ours, other)
    return {
        "workload": goal.workload,
        "against": other["name"] if other else goal.against,
        "elsewhere": goal.elsewhere,
        "direction": goal.direction,
        "factor": goal.factor,
        "limit": goal.limit(),
        "ratio": ratio,
        "better_variant": better_variant(elsewhere["contenders"], other) if other else None,
        "verdict": goals.verdict(goal, ratio),
    }


def _noise(sections):
    """How much the floors, which do nothing but the bare mechanism, differed between rounds, and
    how far apart the cores were."""
    contenders = [c for section in sections for c in section["contenders"]]
    distances = [c["core_distance_ns"]["rounds"] for c in contenders if c["core_distance_ns"]]
    floors = [
        {
            "workload": section["name"],
            "contender": contender["name"],
            "spread": spread.relative_spread(contender["figure"]),
        }
        for section in sections
        for contender in section["contenders"]
        if contender["name"].startswith(FLOOR)
    ]
    typical = spread.summarize([floor["spread"] for floor in floors])
    level = "unknown"
    if typical:
        level = "quiet" if typical["median"] <= QUIET else "restless"
        level = "noisy" if typical["median"] > NOISY else level
    return {
        "floors": floors,
        "spread": typical["median"] if typical else None,
        "level": level,
        "core_distance_ns": spread.summarize([d for rounds in distances for d in rounds]),
        "left_out": sum((c["ratio"] or {}).get("left_out", 0) for c in contenders),
    }
