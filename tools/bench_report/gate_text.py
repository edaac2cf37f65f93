# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""A comparison with a baseline as text: for a terminal, and in Markdown."""

from bench_report import gate, goals, markdown, tables, units, words, workloads

COLUMNS = ("row", "before", "after", "ratio", "interval", "verdict")


def rows(report):
    """Per row the cells under COLUMNS."""
    for row in report["rows"]:
        ratio = row["ratio"]
        yield (
            tables.workload_label(row["name"]),
            _median(row, "before"),
            _median(row, "after"),
            f"{units.factor(ratio['median'])} ×" if ratio else tables.NONE,
            tables.interval(ratio) if ratio else "",
            row["verdict"],
        )


def _median(row, side):
    figure = row[side]["figure"]
    return units.figure(row["measure"], figure["median"]) if figure else tables.NONE


def sides(report):
    """Names the two sides of the table."""
    baseline = report["baseline"]
    return (
        f"Before: commit {baseline['commit'][:12]} ({baseline['revision']}). "
        f"After: {report['machine']['zmqloop']}. "
        "The ratio is after's speed over before's, turned over where less is better: below 1 after "
        "is worse."
    )


def conclusion(report):
    """The result in a line: rows below, rows not judged, rows that failed."""
    below = _names(report, (gate.BELOW,))
    unjudged = _names(report, (goals.TOO_FEW, goals.UNMEASURED))
    failed = [failure["benchmark"] for failure in report["failures"]]
    parts = ["no row below"]
    if below:
        parts = [f"{len(below)} {'row' if len(below) == 1 else 'rows'} below: {', '.join(below)}"]
    if len(unjudged) == len(report["rows"]):
        few = ": five rounds are the fewest that can tell" if report["rounds"] < 5 else ""
        parts = [f"no row judged{few}"]
    elif unjudged:
        parts.append(f"not judged: {', '.join(unjudged)}")
    if failed:
        parts.append(f"failed: {', '.join(failed)}")
    return "; ".join(parts)


def _names(report, verdicts):
    found = [row["name"] for row in report["rows"] if row["verdict"] in verdicts]
    return [tables.workload_label(name) for name in found]


def remarks(report):
    """Rows left out, noise, and how sure the result is, a sentence each."""
    for row in report["left_out"]:
        yield f"{tables.workload_label(row['name'])} is left out: {row['side']} lacks it."
    if disturbed := words.disturbances(report["noise"]):
        yield disturbed
    below = [row["name"] for row in report["rows"] if row["verdict"] == gate.BELOW]
    if below:
        judged = [row for row in report["rows"] if row["verdict"] in gate.JUDGED]
        by_chance = sum((1 - row["ratio"]["chance"]) / 2 for row in judged)
        again = ",".join(dict.fromkeys(map(workloads.base, below)))
        unchanged = "an unchanged row" if len(judged) == 1 else f"{len(judged)} unchanged rows"
        yield (
            f"Of {unchanged}, chance alone puts about {by_chance:.2g} below: measure again with "
            f"--only={again} to be sure."
        )


def as_text(report):
    """All of it but the conclusion, which is for the last line."""
    table = tables.aligned([COLUMNS, *rows(report)])
    return "\n".join([sides(report), "", table, "", *remarks(report)])


def as_markdown(report):
    machine = report["machine"]
    facts = (
        f"{report['rounds']} interleaved rounds on {report['date']}, {machine['CPU']}, "
        f"{machine['cores']} cores ({machine['machine']}). {sides(report)}"
    )
    result = conclusion(report)
    parts = [facts, markdown.table(COLUMNS, rows(report)), f"**{result[0].upper()}{result[1:]}.**"]
    return "\n\n".join([*parts, *remarks(report), markdown.provenance(report)]) + "\n"
