# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Figures as people write them: 26.8 M/s, 614 ns, 24 KiB, 0.4 %, 15.2, 1/55."""

STEPS = {  # measure -> (factor, unit), largest first
    "rate": ((1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
    "time": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "part": ((0.01, "%"),),
    "count": ((1, ""),),
}


def step_for(measure, value):
    """The (factor, unit) in which a figure of that size is best read."""
    steps = STEPS[measure]
    return next((step for step in steps if value >= step[0]), steps[-1])


def number(value):
    """Three digits that count, never an exponent."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    digits = 1 if size >= 9.995 else 2 if size >= 0.9995 else 3 if size >= 0.09995 else 4
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if float(text) == 0 else text


def figure(measure, value):
    """A figure with its unit."""
    factor, unit = step_for(measure, abs(value))
    return f"{number(value / factor)} {unit}".strip()


def figure_range(measure, low, high):
    """Two figures in one unit: "14.8–34.1"."""
    factor, _ = step_for(measure, abs(high))
    return f"{number(low / factor)}–{number(high / factor)}"


def with_range(measure, summary):
    """Median and range: "26.8 M/s (14.8–34.1)". The range is in the median's unit."""
    factor, unit = step_for(measure, abs(summary["median"]))
    low, high = (number(summary[end] / factor) for end in ("low", "high"))
    return f"{number(summary['median'] / factor)} {unit} ({low}–{high})"


def factor(value):
    """A ratio: 15.2 ×; below a tenth as a fraction too, for nobody divides by 0.018 at sight."""
    if 0 < value < 0.1:
        return f"1/{number(1 / value)}"
    return f"{number(value)}"
