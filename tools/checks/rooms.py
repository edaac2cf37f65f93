# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The library's folders, its rooms, and the floors they stand on.

A file may include its own room and rooms of lower floors, nothing else: so there is no arrow
upwards, and no cycle. docs/architecture.md says what each room is for.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

FLOORS = (
    ("threading/host",),
    ("threading/mailbox", "poller"),
    ("runtime/basics", "runtime/stalls", "runtime/timers"),
    ("runtime/core", "runtime/futures"),
    ("runtime/signals", "runtime/tasks"),
    ("runtime/loop",),
    ("runtime/callbacks", "runtime/pool"),
)


# The lowest floor's first.
ROOMS = [room for floor in FLOORS for room in floor]


def floor_of(room):
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


def may_include(room, other):
    return room == other or floor_of(other) < floor_of(room)


def users_of(room):
    """The rooms that may include a room."""
    return [other for other in ROOMS if floor_of(other) > floor_of(room)]
