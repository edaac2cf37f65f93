# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""A comparison with a baseline as plain data: its report.json, and all that is shown."""

from bench_report import document, goals, pairs, spread, workloads

BELOW, ABOVE, NO_CLEAR_DIFFERENCE = "below", "above", "no clear difference"
JUDGED = (BELOW, ABOVE, NO_CLEAR_DIFFERENCE)


def build(compared, missing, measurements, facts):
    """`compared` and `missing` as pairs.choose() returns them; `facts`: when, where and how it was
    measured, among them `baseline`, and `noise`, the machine's other work."""
    rows = [_row(pair, measurements) for pair in compared]
    return {
        "format": document.FORMAT,
        **facts,
        "rounds": measurements.rounds,
        "noise": {**facts["noise"], **_distances(rows)},
        "rows": rows,
        "left_out": missing,
        "failures": [
            {"benchmark": f"{benchmark.name} of {side}", "rounds": count, "why": why}
            for benchmark, count, why in measurements.failed()
            for side in [_side(compared, benchmark)]
        ],
    }


def _row(pair, measurements):
    before, after = (measurements.samples[benchmark] for benchmark in (pair.before, pair.after))
    workload = workloads.find(pair.name, [*after, *before])
    row = {
        "name": pair.name,
        "words": workload.words,
        "measure": workload.measure.name,
        "measure_words": workload.measure.words,
        "higher_is_better": workload.measure.higher_is_better,
        "before": document.contender(pair.before, workload, before),
        "after": document.contender(pair.after, workload, after),
    }
    ratio = speed_ratio(row)
    return {**row, "ratio": ratio, "verdict": verdict(ratio)}


def speed_ratio(row):
    """After's speed over before's, of the rounds in which both were measured and the cores were
    about as far apart; a figure of which less is better is turned over."""
    before, after = _comparable(row["before"]), _comparable(row["after"])
    if not before or not after:
        return None
    ours, other = (after, before) if row["higher_is_better"] else (before, after)
    return document.compare(ours, other)


def _comparable(contender):
    """The contender with the rounds of which a ratio can be formed: not those that gave zero."""
    figure = contender["figure"]
    return figure and {**contender, "figure": {"rounds": [r or None for r in figure["rounds"]]}}


def verdict(ratio):
    """Where the interval of the ratio lies, as far as the rounds can tell."""
    if ratio is None:
        return goals.UNMEASURED
    if ratio["chance"] < spread.CONFIDENCE:
        return goals.TOO_FEW
    if ratio["sure_high"] < 1:
        return BELOW
    return ABOVE if ratio["sure_low"] > 1 else NO_CLEAR_DIFFERENCE


def passed(report):
    """Whether no row is below, and all could be measured."""
    return not report["failures"] and all(row["verdict"] != BELOW for row in report["rows"])


def _distances(rows):
    found = [row[side]["core_distance_ns"] for row in rows for side in ("before", "after")]
    ratios = [row["ratio"] or {} for row in rows]
    return {
        "core_distance_ns": spread.summarize([d for f in found if f for d in f["rounds"]]),
        "left_out": sum(ratio.get("left_out", 0) for ratio in ratios),
    }


def _side(compared, benchmark):
    return pairs.BEFORE if any(pair.before == benchmark for pair in compared) else pairs.AFTER
