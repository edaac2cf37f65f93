# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The goals of this library, each a limit on our figure divided by another contender's."""

import dataclasses

from bench_report import spread

AT_LEAST, AT_MOST = "at least", "at most"
MET, MISSED, UNMEASURED = "met", "not met", "not measured"
TOO_NOISY, TOO_FEW = "too noisy to tell", "too few rounds to tell"


@dataclasses.dataclass(frozen=True)
class Goal:
    """zmqloop's figure in `workload` is AT_LEAST or AT_MOST `factor` times that of `against`, there
    or in another workload; with no `against`, `factor` is the limit itself, in the workload's unit.
    """

    workload: str
    against: str
    direction: str
    factor: float
    text: str = ""  # how the factor is written, where the bare number would be hard to read
    elsewhere: str = ""  # the workload of `against`, where it is not the same

    def limit(self):
        """The limit as one writes it: "≥ 15"."""
        return ("≥ " if self.direction == AT_LEAST else "≤ ") + (self.text or f"{self.factor:g}")


GOALS = (
    Goal("W1", "libuv", AT_LEAST, 15),
    Goal("W1", "floor-ring", AT_LEAST, 0.35),
    Goal("W1w", "libuv", AT_LEAST, 12),
    Goal("W2-2to1", "libuv", AT_LEAST, 10),
    Goal("W2-4to1", "libuv", AT_LEAST, 8),
    Goal("W3", "libuv", AT_LEAST, 12),
    Goal("W4", "asio", AT_MOST, 1 / 50, "1/50"),
    Goal("W4-asleep", "asio", AT_MOST, 1.1),
    Goal("W4-onecore", "asio", AT_MOST, 1.5),
    Goal("W5", "asio", AT_LEAST, 1.9),
    Goal("W6-arm-cancel", "libev", AT_MOST, 0.6),
    Goal("W6-fire", "libev", AT_MOST, 0.6),
    Goal("W6-lateness", "asio", AT_MOST, 1),
    Goal("W7-pairs", "floor-epoll", AT_LEAST, 0.97),
    Goal("W7-idle", "libuv", AT_MOST, 1),
    Goal("W8-inproc", "floor-recv", AT_LEAST, 0.97),
    Goal("W8-tcp", "floor-recv", AT_LEAST, 0.97),
    Goal("W8-idle/idle:1000", "czmq", AT_MOST, 1 / 130, "1/130"),
    Goal("W8-idle/idle:1000", "zmqloop", AT_MOST, 1.1, elsewhere="W8-idle/idle:0"),
    Goal("W8-one", "floor-poll", AT_MOST, 1.1),
    Goal("W9-memory", "", AT_MOST, 24 * 1024, "24 KiB"),
    Goal("W9-start", "", AT_MOST, 90_000, "90 µs"),
    Goal("W9-idle", "asio", AT_MOST, 1),
    Goal("CPU", "asio", AT_MOST, 1 / 10, "1/10"),
)


def verdict(goal, ratio):
    """Whether the goal is met, as far as the rounds can tell: the interval that holds the median
    decides, and where the limit lies inside it, nothing does."""
    if ratio is None:
        return UNMEASURED
    if ratio["chance"] < spread.CONFIDENCE:
        return TOO_FEW
    at_least = goal.direction == AT_LEAST
    worst, best = ratio["sure_low"], ratio["sure_high"]
    if not at_least:
        worst, best = -best, -worst
    limit = goal.factor if at_least else -goal.factor
    if worst >= limit:
        return MET
    return MISSED if best < limit else TOO_NOISY
