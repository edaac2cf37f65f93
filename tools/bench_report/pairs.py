# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The rows that are measured for both sides: before, the baseline, and after, this tree."""

import dataclasses

from bench_report import document, programs, session, workloads
from bench_report.flags import FlagError

BEFORE, AFTER = "the baseline", "this tree"


@dataclasses.dataclass(frozen=True)
class Pair:
    """One row of zmqloop, of each side's own program."""

    before: programs.Benchmark
    after: programs.Benchmark

    @property
    def name(self):
        return self.after.workload


def choose(before, after, only):
    """(pairs, rows that one side lacks as {name, side}) of two lists of benchmarks; a row is known
    by its workload and place on its axes, not by its program."""
    sides = {BEFORE: _rows(before, only), AFTER: _rows(after, only)}
    names = workloads.order(name for rows in sides.values() for name in rows)
    missing = [
        {"name": name, "side": side}
        for name in names
        for side, rows in sides.items()
        if name not in rows
    ]
    lacking = {row["name"] for row in missing}
    found = [
        Pair(sides[BEFORE][name], sides[AFTER][name]) for name in names if name not in lacking
    ]
    if not names and only:
        raise FlagError(f"--only={','.join(only)} leaves no row of {document.OURS} to compare")
    if not found:
        raise programs.ProgramError("the baseline and this tree have no row in common")
    return found, missing


def _rows(benchmarks, only):
    ours = [b for b in benchmarks if b.contender == document.OURS]
    if only:
        ours = [b for b in ours if any(session.matches(b.workload, name) for name in only)]
    return {b.workload: b for b in ours}
