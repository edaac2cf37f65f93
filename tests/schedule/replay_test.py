#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""A schedule is decided by scenario, strategy and seed alone: what a run finds, its seed replays.

usage: replay_test.py SCHEDULE_TEST PLANTED_BUGS_TEST
"""

import re
import subprocess
import sys

# The address of what is not on the schedule's heap differs from process to process.
ADDRESS = re.compile(r"address 0x[0-9a-f]+|0x7[0-9a-f]{11}")


def output(program, *arguments):
    """What a program prints, and its exit status."""
    run = subprocess.run([program, *arguments], stdout=subprocess.PIPE, encoding="utf-8")
    return ADDRESS.sub("address", run.stdout), run.returncode


def names(program):
    return [line.split()[0] for line in output(program, "--list")[0].splitlines()]


def traces_differ(program, scenario, seed):
    """Two processes, which have their memory in different places, take the same steps."""
    arguments = ("--scenario=" + scenario, "--seed=%d" % seed, "--trace")
    first, second = output(program, *arguments), output(program, *arguments)
    return first != second or first[1] != 0 or len(first[0].splitlines()) < 10


def replay_differs(program, bug):
    """The report of a failure in a run of many seeds is that of its seed alone."""
    found, status = output(program, "--bug=" + bug)
    report = found.split("\n", 1)[1].rsplit("\n", 2)[0] + "\n"
    replay = re.search(r"^replay: (.*) --trace$", report, re.MULTILINE)
    if status != 0 or replay is None:
        return True
    again, status = output(program, "--bug=" + bug, *replay.group(1).split())
    if "crashed" in report:
        return status >= 0
    return again != report or status != 1


def main():
    schedule_test, planted_bugs_test = sys.argv[1:]
    wrong = []
    for scenario in names(schedule_test):
        for seed in (11, 12):
            if traces_differ(schedule_test, scenario, seed):
                wrong.append("%s: seed %d takes other steps in another process" % (scenario, seed))
    for bug in names(planted_bugs_test):
        if replay_differs(planted_bugs_test, bug):
            wrong.append("%s: its seed does not replay what was found" % bug)
    print("\n".join(wrong + ["%d wrong" % len(wrong)]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
