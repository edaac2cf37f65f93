# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The tables of a report as rows of plain text; page.py and markdown.py only dress them."""

from bench_report import document, units

NONE = "–"


def contender_label(name):
    """A contender's name as it is shown."""
    if name.startswith(document.FLOOR):
        return "floor: " + name[len(document.FLOOR) :].replace("-", " ")
    return name


def role(name):
    """What a contender is: ours, floor or rival."""
    if name == document.OURS or name.startswith(document.OURS + "-"):
        return "ours"
    return "floor" if name.startswith(document.FLOOR) else "rival"


def ratio(summary):
    """A ratio and the interval that holds it: "15.2 × (13.9–16.0)"."""
    return f"{units.factor(summary['median'])} × {interval(summary)}"


def interval(summary):
    return f"({units.factor(summary['sure_low'])}–{units.factor(summary['sure_high'])})"


def goal_rows(report):
    """Per goal: workload, words, our figure, the other's name and figure, ratio, goal, verdict."""
    sections = {section["name"]: section for section in report["workloads"]}
    for goal in report["goals"]:
        section = sections[goal["workload"]]
        measure, other = section["measure"], goal["against"]
        ours = document.find(section["contenders"], document.OURS)
        elsewhere = sections.get(goal["elsewhere"] or goal["workload"])
        theirs = document.find(elsewhere["contenders"], other) if elsewhere and other else None
        yield {
            "workload": goal["workload"],
            "words": section["words"],
            "measure": section["measure_words"],
            "ours": _median(measure, ours),
            "against": " ".join([contender_label(other) or "a fixed limit", *_axes(goal)]),
            "theirs": _median(measure, theirs),
            **_goal_ratio(goal, measure, bool(other)),
            "limit": goal["limit"] + (" ×" if other else ""),
            "verdict": goal["verdict"],
            "judged": goal,
        }


def _median(measure, contender):
    return units.figure(measure, contender["figure"]["median"]) if contender else NONE


def _axes(goal):
    """Where on its axes the other was measured, if elsewhere than ours."""
    return goal["elsewhere"].split("/")[1:]


def workload_label(name):
    """A workload's name and its place on its axes: "W8-idle, idle: 1000"."""
    return name.replace("/", ", ").replace(":", ": ")


def _goal_ratio(goal, measure, is_ratio):
    """The median ratio and its interval; with a fixed limit, our figure and its interval."""
    summary = goal["ratio"]
    if summary is None:
        return {"ratio": NONE, "interval": ""}
    if is_ratio:
        return {"ratio": units.factor(summary["median"]) + " ×", "interval": interval(summary)}
    shown, _, sure = units.with_range(
        measure, {**summary, "low": summary["sure_low"], "high": summary["sure_high"]}
    ).rpartition(" ")
    return {"ratio": shown, "interval": sure}


def families(sections):
    """The libraries compared, ours first, then the floor, then the others by their names; a
    variant, `asio-pool`, belongs to its library."""
    names = {family(c["name"]) for section in sections for c in section["contenders"]}
    first = [name for name in (document.OURS, "floor") if name in names]
    return first + sorted(names - set(first), key=str.lower)


def family(name):
    return name.split("-")[0]


def matrix(sections):
    """(columns, rows): per workload its section, and per family (figure, ratio) or None."""
    columns = families(sections)
    rows = []
    for section in sections:
        cells = []
        for name in columns:
            best = document.find(section["contenders"], name)
            if best is None:
                cells.append(None)
                continue
            figure = units.figure(section["measure"], best["figure"]["median"])
            told = best["ratio"]
            cells.append((figure, units.factor(told["median"]) + " ×" if told else ""))
        rows.append((section, cells))
    return columns, rows


DETAIL_COLUMNS = (
    "per operation", "zmqloop ÷ this (interval)", "CPU time", "allocations", "system calls", "",
)  # fmt: skip


def detail_rows(section):
    """One row per contender, under DETAIL_COLUMNS."""
    for contender in section["contenders"]:
        cpu = contender["cpu_ns_per_operation"]
        allocations = contender["allocations_per_operation"]
        calls = contender["system_calls_per_operation"]
        yield contender["name"], (
            contender_label(contender["name"]),
            ratio(contender["ratio"]) if contender["ratio"] else NONE,
            units.figure("time", cpu["median"]) if cpu else NONE,
            _count(allocations["median"]) if allocations else NONE,
            _count(calls) if calls is not None else NONE,
            extras(contender),
        )


def extras(contender):
    """What else its benchmark reported: "fairness 0.93"."""
    found = contender["extras"].items()
    return ", ".join(f"{label} {_count(summary['median'])}" for label, summary in found)


def _count(value):
    return "< 0.001" if 0 < value < 0.001 else f"{value:.3f}".rstrip("0").rstrip(".")


def as_text(report):
    """The goals for a terminal: aligned columns."""
    rows = [
        (workload_label(r["workload"]), r["ours"], r["against"], r["theirs"],
         f"{r['ratio']} {r['interval']}", r["limit"], r["verdict"])
        for r in goal_rows(report)
    ]  # fmt: skip
    return aligned([("", "zmqloop", "against", "", "zmqloop ÷ that (interval)", "goal", ""), *rows])


def aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
