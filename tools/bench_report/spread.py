# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What several rounds say together: median, range, and how sure a ratio of two contenders is.

Rounds are few (9, say) and disturbed by whatever else the machine does, so nothing here assumes a
distribution. The interval of a median is made of order statistics: of n independent rounds, the
k-th smallest and the k-th largest enclose the true median with a chance that only n and k decide.
A bootstrap would resample the same handful of values and claim no more.
"""

import math
import statistics

CONFIDENCE = 0.90  # what an interval should hold at least; 5 rounds are the fewest that reach it


def summarize(rounds):
    """Median and range of the rounds that were measured; None stands for one that was not."""
    values = sorted(value for value in rounds if value is not None)
    if not values:
        return None
    return {
        "median": statistics.median(values),
        "low": values[0],
        "high": values[-1],
        "rounds": list(rounds),
    }


def relative_spread(summary):
    """The range as a part of the median."""
    return (summary["high"] - summary["low"]) / summary["median"] if summary["median"] else math.inf


def coverage(count, k):
    """The chance that the k-th smallest and k-th largest of `count` values enclose the median."""
    return 1 - 2 * sum(math.comb(count, i) for i in range(k)) / 2**count


def median_interval(values):
    """(low, high, chance) of the narrowest symmetric interval that reaches CONFIDENCE; the whole
    range, with the lesser chance it has, if the values are too few."""
    ordered = sorted(values)
    k = 1
    while 2 * (k + 1) <= len(ordered) and coverage(len(ordered), k + 1) >= CONFIDENCE:
        k += 1
    return ordered[k - 1], ordered[-k], coverage(len(ordered), k)


def ratio(ours, theirs):
    """Ours divided by theirs, per round, then the median of these; None if no round has both.

    A disturbance that lasts longer than a measurement meets both sides of a round and cancels;
    it would not in a ratio of two medians, which may stem from different rounds.
    """
    ratios = [a / b if a is not None and b else None for a, b in zip(ours, theirs)]
    return confident_summary(ratios)


def confident_summary(rounds):
    """As summarize(), with the interval of the median and its chance."""
    summary = summarize(rounds)
    if summary is None:
        return None
    low, high, chance = median_interval([value for value in rounds if value is not None])
    return {**summary, "sure_low": low, "sure_high": high, "chance": chance}
