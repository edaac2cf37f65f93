#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Tests of tools/bench --compare --baseline: its pairs, ratios and verdicts, and the whole command
in a checkout of its own, with a stand-in for Bazel (fake_bazel.py) and for the benchmarks.

Nothing here sleeps or measures: a run is known to be at work once its stand-in has said something.
"""

import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).absolute().parent
TOOLS = HERE.parent.parent / "tools"
sys.path[:0] = [str(TOOLS), str(HERE)]

from tool_runs import TIME_LIMIT, ToolRuns  # noqa: E402
from bench_report import (  # noqa: E402
    flags, gate, gate_text, goals, pairs, programs, rounds, spread,
)  # fmt: skip


def rates(*values):
    return {"items_per_second": list(values)}


def benchmarks(program, names):
    return [programs.Benchmark(program, name) for name in names]


def compare(before, after, count=5):
    """The comparison of two sides, each {benchmark name: {counter: [per round]}}."""
    sides = {"old/rows": before, "new/rows": after}
    compared, missing = pairs.choose(*(benchmarks(*side) for side in sides.items()), only=None)
    both = [side for pair in compared for side in (pair.before, pair.after)]
    measured = rounds.Measurements(both, count)
    for benchmark in measured.benchmarks:
        counters = sides[benchmark.program][benchmark.full_name]
        measured.samples[benchmark] = [
            {name: values[i] for name, values in counters.items() if values[i] is not None}
            for i in range(count)
        ]
    facts = {
        "date": "2025-01-01 12:00",
        "command": "tools/bench --compare --baseline=main",
        "baseline": {"revision": "main", "commit": "0123456789abcdef0123"},
        "seconds_per_measurement": 0.25,
        "machine": {"CPU": "a CPU", "cores": "2 of 2", "machine": "virtual", "kernel": "Linux",
                    "compiler": "g++", "zmqloop": "commit 1, with local changes"},
        "versions": {},
        "noise": {"others": None, "stolen": None},
    }  # fmt: skip
    return gate.build(compared, missing, measured, facts)


def row(before, after, name="W1", count=5):
    """The row of that workload alone."""
    contender = f"{name}/zmqloop"
    return compare({contender: before}, {contender: after}, count)["rows"][0]


class Pairs(unittest.TestCase):
    def choose(self, before, after, only=None):
        return pairs.choose(benchmarks("old/a", before), benchmarks("new/b", after), only)

    def test_are_formed_of_this_librarys_rows_alone(self):
        names = ["W1/floor-ring", "W1/zmqloop", "W1/zmqloop-x", "W1/libuv"]
        found, missing = self.choose(names, names)
        self.assertEqual([(p.before.full_name, p.after.full_name) for p in found],
                         [("W1/zmqloop", "W1/zmqloop")])  # fmt: skip
        self.assertEqual(missing, [])

    def test_know_a_row_by_its_workload_and_axes_not_by_its_program(self):
        found, _ = self.choose(
            ["W8-idle/zmqloop/idle:0/manual_time", "W8-idle/zmqloop/idle:9"],
            ["W8-idle/zmqloop/idle:9/iterations:1", "W8-idle/zmqloop/idle:0"],
        )
        self.assertEqual(sorted(p.name for p in found), ["W8-idle/idle:0", "W8-idle/idle:9"])
        self.assertEqual({(p.before.program, p.after.program) for p in found}, {("old/a", "new/b")})

    def test_leave_out_and_name_the_rows_that_one_side_lacks(self):
        found, missing = self.choose(
            ["W1/zmqloop", "W5/zmqloop"], ["W1/zmqloop", "W10/zmqloop", "W5/libuv"]
        )
        self.assertEqual([p.name for p in found], ["W1"])
        self.assertEqual(missing, [
            {"name": "W5", "side": "this tree"}, {"name": "W10", "side": "the baseline"},
        ])  # fmt: skip

    def test_are_those_asked_for(self):
        names = ["W1/zmqloop", "W4/zmqloop", "W4-asleep/zmqloop"]
        found, missing = self.choose(names, names + ["W5/zmqloop"], ["W4"])
        self.assertEqual(([p.name for p in found], missing), (["W4", "W4-asleep"], []))
        with self.assertRaisesRegex(flags.FlagError, "--only=W7 leaves no row of zmqloop"):
            self.choose(names, names, ["W7"])

    def test_are_needed(self):
        with self.assertRaisesRegex(programs.ProgramError, "no row in common"):
            self.choose(["W1/zmqloop"], ["W5/zmqloop"])


class Ratios(unittest.TestCase):
    def test_are_after_over_before_within_each_round(self):
        # All of the second round was disturbed: no trace of it is left in the ratios.
        ratio = row(rates(10, 5, 10, 10, 10), rates(12, 6, 12, 12, 12))["ratio"]
        self.assertEqual(ratio["rounds"], [1.2] * 5)

    def test_turn_figures_over_of_which_less_is_better(self):
        for name, counter in (("W4", "p50_ns"), ("W9-memory", "bytes"), ("CPU", "cpu_ns_per_op")):
            ratio = row({counter: [100.0] * 5}, {counter: [200.0] * 5}, name)["ratio"]
            self.assertEqual((name, ratio["median"]), (name, 0.5))
        # Told as a time, but measured as a rate.
        self.assertEqual(row(rates(*[1e6] * 5), rates(*[2e6] * 5), "W6-fire")["ratio"]["median"], 2)

    def test_leave_out_rounds_in_which_the_cores_were_not_alike_for_both(self):
        distances = {"core_distance_ns": [40.0, 40.0, 40.0, 40.0, 40.0, 230.0]}
        near = {"core_distance_ns": [40.0, 50.0, 59.0, 40.0, 40.0, 40.0]}
        before, after = {**rates(*[10] * 6), **near}, {**rates(10, 10, 10, 10, 10, 2), **distances}
        report = compare({"W1/zmqloop": before, "W5/zmqloop": before},
                         {"W1/zmqloop": after, "W5/zmqloop": after}, 6)  # fmt: skip
        one, on_one_core = (r["ratio"] for r in report["rows"])
        self.assertEqual((one["rounds"][-1], one["left_out"], one["low"]), (None, 1, 1.0))
        self.assertEqual(on_one_core["rounds"][-1], 0.2)
        remarks = "".join(gate_text.remarks(report))
        self.assertIn("1 pair that differed in it were left out", remarks)

    def test_leave_out_rounds_without_a_figure_or_with_zero_of_either_side(self):
        ratio = row({"p50_ns": [0.0, 4.0, 4.0, None, 4.0]}, {"p50_ns": [1.0, 0.0, 2.0, 2.0, 2.0]},
                    "W4")["ratio"]  # fmt: skip
        self.assertEqual(ratio["rounds"], [None, None, 2.0, None, 2.0])


class Verdicts(unittest.TestCase):
    def verdict(self, *ratios):
        return gate.verdict(spread.confident_summary(list(ratios)))

    def test_call_a_row_below_only_if_its_whole_interval_is(self):
        self.assertEqual(self.verdict(0.99, 0.9, 0.9, 0.9, 0.9), gate.BELOW)
        self.assertEqual(self.verdict(1.0, 0.9, 0.9, 0.9, 0.9), gate.NO_CLEAR_DIFFERENCE)
        self.assertEqual(self.verdict(1.0, 1.1, 1.1, 1.1, 1.1), gate.NO_CLEAR_DIFFERENCE)
        self.assertEqual(self.verdict(1.01, 1.1, 1.1, 1.1, 1.1), gate.ABOVE)

    def test_are_not_overturned_by_seven_of_25_rounds(self):
        self.assertEqual(self.verdict(*[0.9] * 18, *[1.5] * 7), gate.BELOW)
        self.assertEqual(self.verdict(*[0.9] * 17, *[1.5] * 8), gate.NO_CLEAR_DIFFERENCE)

    def test_need_five_rounds(self):
        self.assertEqual(self.verdict(0.5, 0.5, 0.5, 0.5), goals.TOO_FEW)
        self.assertEqual(self.verdict(None, 0.5, 0.5, 0.5, 0.5), goals.TOO_FEW)
        self.assertEqual(self.verdict(), goals.UNMEASURED)

    def test_are_summed_up_in_a_line(self):
        even, half = rates(*[10] * 5), rates(*[5] * 5)
        few = rates(10, 10, 10, 10, None)
        for after, line, passed in (
            ({"W1": even, "W5": even}, "no row below", True),
            ({"W1": even, "W5": few}, "no row below; not judged: W5", True),
            ({"W1": half, "W5": even}, "1 row below: W1", False),
            ({"W1": half, "W5": half}, "2 rows below: W1, W5", False),
            ({"W1": half, "W5": few}, "1 row below: W1; not judged: W5", False),
            ({"W1": few, "W5": few}, "no row judged", True),
        ):
            with self.subTest(line=line):
                report = compare({"W1/zmqloop": even, "W5/zmqloop": even},
                                 {f"{name}/zmqloop": c for name, c in after.items()})  # fmt: skip
                self.assertEqual(gate_text.conclusion(report), line)
                self.assertEqual(gate.passed(report), passed)
        report = compare({"W1/zmqloop": even}, {"W1/zmqloop": half}, 4)
        self.assertEqual(gate_text.conclusion(report),
                         "no row judged: five rounds are the fewest that can tell")  # fmt: skip

    def test_tell_how_many_rows_chance_alone_puts_below(self):
        names = [f"W8-idle/zmqloop/idle:{i}" for i in range(16)]
        report = compare({name: rates(*[10] * 5) for name in names},
                         {name: rates(*[9] * 5) for name in names})  # fmt: skip
        # Of five rounds all are below 1 once in 32.
        self.assertIn("Of 16 unchanged rows, chance alone puts about 0.5 below: measure again with "
                      "--only=W8-idle to be sure.", list(gate_text.remarks(report)))  # fmt: skip


class Order(unittest.TestCase):
    def test_alternates_from_round_to_round(self):
        seen = []
        for number in range(4):
            sides = ["before", "after"]
            rounds.alternating(number)(sides)
            seen.append(sides[0])
        self.assertEqual(seen, ["before", "after", "before", "after"])


class Flags(unittest.TestCase):
    def test_ask_for_25_rounds_unless_they_say_otherwise(self):
        self.assertEqual(flags.parse(["--baseline=main"]).rounds, 25)
        self.assertEqual(flags.parse(["--baseline=main", "--rounds=7"]).rounds, 7)
        self.assertEqual(flags.parse([]).rounds, 9)

    def test_refuse_nonsense_in_one_line(self):
        for arguments, complaint in (
            (["--baseline="], "--baseline needs a commit, not ''"),
            (["--baseline"], "--baseline needs a value"),
            (["--baseline=main", "--from=x"],
             "--from measures nothing: it goes with --output and --markdown alone"),
        ):  # fmt: skip
            with self.assertRaises(flags.FlagError) as raised:
                flags.parse(arguments)
            self.assertEqual(str(raised.exception), complaint)


class Command(ToolRuns):
    """In a checkout whose commit `first` reports 10 posts a second in W1 and W5."""

    def setUp(self):
        super().setUp()
        self.tree = self.folder / "checkout"
        self.tools = self.tree / "tools"
        shutil.copytree(TOOLS / "bench_report", self.tools / "bench_report",
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        for script in ("build_programs", "setup.sh"):
            shutil.copy(TOOLS / script, self.tools)
        self.log = self.folder / "BAZEL_LOG"
        self.scratch = self.folder / "tmp"
        self.scratch.mkdir()
        commands = self.folder / "commands"
        self.environment.update(
            PATH=f"{commands}:{os.environ['PATH']}",
            TMPDIR=str(self.scratch),
            BAZEL_LOG=str(self.log),
            FAKE_BENCHMARK=str(HERE / "fake_benchmark.py"),
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_SYSTEM=os.devnull,
        )
        self.command(commands / "bazel", f'exec {sys.executable} {HERE / "fake_bazel.py"} "$@"')
        self.command(commands / "dpkg-query", "echo installed")  # all packages are there
        self.git("init", "--quiet")
        self.figures({"W1/zmqloop/manual_time": rates(10.0), "W5/zmqloop": rates(10.0)})
        self.commit("first")

    def command(self, path, line):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def git(self, *arguments):
        name = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        subprocess.run(["git", *name, *arguments], cwd=self.tree, env=self.environment,
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip

    def commit(self, tag):
        self.git("add", ".")
        self.git("commit", "--quiet", f"--message={tag}")
        self.git("tag", tag)

    def figures(self, figures):
        (self.tree / "FIGURES").write_text(json.dumps(figures))

    def compare(self, *arguments):
        return self.run_tool("--baseline=first", "--rounds=5", *arguments)

    def report(self):
        return json.loads((self.output / "report.json").read_text(encoding="utf-8"))

    def assert_left_nothing(self):
        self.assertEqual(list(self.scratch.iterdir()), [])
        worktrees = self.tree / ".git" / "worktrees"
        self.assertFalse(worktrees.exists())

    def test_builds_each_side_of_its_own_sources_uncommitted_changes_included(self):
        self.figures({"W1/zmqloop": rates(99.0), "W5/zmqloop": rates(99.0)})
        self.commit("second")
        self.figures({"W1/zmqloop": rates(20.0), "W5/zmqloop": rates(10.0)})
        status, out, err = self.compare()
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"W1 +10\.0 /s +20\.0 /s +2\.00 × +\(2\.00–2\.00\) +above\n")
        self.assertRegex(out, r"W5 +10\.0 /s +10\.0 /s +1\.00 × +\(1\.00–1\.00\) +no clear diff")
        self.assertEqual(out.splitlines()[-1], "no row below")
        self.assertIn("(first). After: commit", out)
        self.assertIn("round 5 of 5 done", err)
        self.assert_left_nothing()

    def test_exits_with_1_if_a_row_is_below(self):
        self.figures({"W1/zmqloop": rates(9.0), "W5/zmqloop": rates(10.0)})
        status, out, err = self.compare()
        self.assertEqual((status, out.splitlines()[-1]), (1, "1 row below: W1"), err)

    def test_judges_nothing_by_fewer_than_five_rounds(self):
        self.figures({"W1/zmqloop": rates(1.0), "W5/zmqloop": rates(1.0)})
        status, out, err = self.run_tool("--baseline=first", "--rounds=4")
        self.assertEqual(status, 0, err)
        self.assertTrue(out.splitlines()[-1].startswith("no row judged: five rounds"), out)

    def test_measures_both_sides_of_a_row_in_turn(self):
        log = self.folder / "LOG"
        under = ["sh", "-c", f'echo "$1 $2" >>{log}; exec "$@"', "sh"]
        status, _, err = self.compare("--rounds=2", f"--under={shlex.join(under)}")
        self.assertEqual(status, 0, err)
        runs = [line.split(" ") for line in log.read_text().splitlines() if "_filter=" in line]
        rows = [filtered.partition("=^")[2].split("/")[0] for _, filtered in runs]
        sides = [pathlib.Path(program).parent.name for program, _ in runs]
        self.assertEqual(rows, ["W1", "W1", "W5", "W5"] * 2)
        self.assertEqual(sides, ["old", "new"] * 2 + ["new", "old"] * 2)

    def test_measures_a_program_that_is_given_in_this_trees_place(self):
        program = self.folder / "given"
        shutil.copy(HERE / "fake_benchmark.py", program)
        (self.folder / "FIGURES").write_text(json.dumps({"W1/zmqloop": rates(5.0)}))
        status, out, err = self.compare(f"--program={program}", "--only=W1")
        self.assertEqual((status, out.splitlines()[-1]), (1, "1 row below: W1"), err)
        self.assertEqual(self.log.read_text().count("build in"), 1)
        self.assertNotIn(f"build in {self.tree}", self.log.read_text())

    def test_names_the_rows_that_one_side_lacks(self):
        self.figures({"W1/zmqloop": rates(10.0), "W7-pairs/zmqloop": rates(10.0)})
        status, out, err = self.compare()
        self.assertEqual(status, 0, err)
        self.assertIn("W5 is left out: this tree lacks it.\n", out)
        self.assertIn("W7-pairs is left out: the baseline lacks it.\n", out)
        self.assertEqual([r["name"] for r in self.report()["rows"]], ["W1"])

    def test_writes_its_report_and_shows_it_again(self):
        self.figures({"W1/zmqloop": rates(9.0), "W5/zmqloop": rates(10.0)})
        status, out, err = self.compare("--markdown")
        self.assertEqual((status, self.written()), (1, ["report.json", "report.md"]), err)
        text = (self.output / "report.md").read_text(encoding="utf-8")
        self.assertIn("| W1 | 10.0 /s | 9.00 /s | 0.900 × | (0.900–0.900) | below |", text)
        self.assertIn("**1 row below: W1.**", text)
        recorded = self.report()
        self.assertEqual(recorded["baseline"]["revision"], "first")
        self.assertEqual(recorded["rows"][0]["ratio"]["rounds"], [0.9] * 5)
        status, again, err = self.run_tool(f"--from={self.output / 'report.json'}")
        self.assertEqual((status, err), (1, ""))
        shown, _, last = again.rstrip().rpartition("\n")
        self.assertIn(shown, out)
        self.assertEqual(last, "1 row below: W1")

    def test_fails_and_names_the_side_if_a_row_cannot_be_measured(self):
        self.figures({"W1/zmqloop": {"does": "fail"}, "W5/zmqloop": rates(10.0)})
        status, out, err = self.compare()
        self.assertEqual((status, out.splitlines()[-1]), (
            1, "no row below; not judged: W1; failed: W1/zmqloop of this tree",
        ))  # fmt: skip
        self.assertIn("W1/zmqloop of this tree failed in 5 of 5 rounds: posts were lost\n", err)

    def test_fails_even_if_the_other_rounds_of_a_row_are_enough(self):
        once = {**rates(10.0), "does": "fail", "after": 5}
        self.figures({"W1/zmqloop": once, "W5/zmqloop": rates(10.0)})
        status, out, err = self.compare("--rounds=6")
        self.assertEqual((status, out.splitlines()[-1]), (
            1, "no row below; failed: W1/zmqloop of this tree",
        ))  # fmt: skip
        self.assertIn("W1/zmqloop of this tree failed in 1 of 6 rounds: posts were lost\n", err)

    def test_builds_both_sides_with_the_personal_settings_and_stops_both_servers(self):
        (self.tree / "user.bazelrc").write_text("")
        self.assertEqual(self.compare()[0], 0)
        log = self.log.read_text().splitlines()
        trees = {line.split(" ")[2] for line in log}
        self.assertEqual(len(trees), 2)
        for tree in trees:
            commands = [line.split(" ")[0] for line in log if line.split(" ")[2] == tree]
            self.assertEqual(commands, ["query", "build", "info", "shutdown"])
        self.assertTrue(all(line.endswith("with user.bazelrc") for line in log))

    def test_prints_what_there_is_when_interrupted(self):
        ready = self.tree / "READY"
        os.mkfifo(ready)
        hangs = {"does": "hang", "after": 5}
        for signum in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signum=signum):
                (self.tree / "RUNS").unlink(missing_ok=True)
                self.figures({"W1/zmqloop": {**rates(9.0), **hangs}, "W5/zmqloop": rates(10.0)})
                process = self.start("--baseline=first", "--rounds=9")
                child = int(ready.read_text())  # returns when the stand-in hangs, in round 6
                process.send_signal(signum)
                out, err = process.communicate(timeout=TIME_LIMIT)
                self.assertEqual((process.returncode, self.written()), (130, []))
                self.assertRegex(out, r"W1 +10\.0 /s +9\.00 /s +0\.900 × ")
                self.assertEqual(out.splitlines()[-1], "1 row below: W1")
                self.assertEqual(err.splitlines()[-1], "tools/bench: interrupted, the table holds "
                                 "the rounds so far and no report was written")  # fmt: skip
                with self.assertRaises(ProcessLookupError):  # it took its child along
                    os.kill(child, 0)
                self.assert_left_nothing()

    def test_ends_the_build_and_removes_its_files_when_interrupted_in_it(self):
        building = self.tree / "BUILDING"
        os.mkfifo(building)
        for signum in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signum=signum):
                process = self.start("--baseline=first")
                building.read_text()  # returns when the build is at work
                process.send_signal(signum)
                out, err = process.communicate(timeout=TIME_LIMIT)
                self.assertEqual((process.returncode, out), (130, ""))
                self.assertIn("tools/bench: interrupted, no report was written\n", err)
                self.assertIn("shutdown in", self.log.read_text().splitlines()[-1])
                self.assert_left_nothing()

    def test_refuses_what_is_no_commit(self):
        for revision in ("nowhere", "first:tools", "--all", "HEAD~7"):
            with self.subTest(revision=revision):
                status, out, err = self.run_tool(f"--baseline={revision}")
                self.assertEqual((status, out), (2, ""))
                self.assertIn(f"and '{revision}' is none (git log lists them, ", err)
                self.assertEqual(err.count("\n"), 1)
        self.assertFalse(self.log.exists())

    def test_refuses_a_tree_that_is_no_checkout(self):
        shutil.rmtree(self.tree / ".git")
        status, out, err = self.compare()
        self.assertEqual((status, out, err.count("\n")), (2, "", 1))
        self.assertIn("--baseline needs a checkout made by git clone: not a git repository", err)
        self.assertFalse(self.log.exists())

    def test_says_what_to_do_if_the_baseline_does_not_build(self):
        (self.tree / "BROKEN").write_text("")
        self.commit("broken")
        (self.tree / "BROKEN").unlink()
        (self.tree / "FIGURES").rename(self.tree / "AWAY")
        self.commit("empty")
        (self.tree / "AWAY").rename(self.tree / "FIGURES")
        for revision, why in (("broken", "no such type"), ("empty", "no such package")):
            with self.subTest(revision=revision):
                status, out, err = self.run_tool(f"--baseline={revision}")
                self.assertEqual((status, out), (1, ""))
                self.assertIn(why, err)
                self.assertRegex(err.splitlines()[-1],
                                 rf"the baseline {revision} \(\w+\) does not build, see above; "
                                 "--baseline needs a commit of which bazel builds")  # fmt: skip
                self.assert_left_nothing()

    def test_builds_no_baseline_if_this_tree_does_not_build(self):
        (self.tree / "BROKEN").write_text("")
        status, out, err = self.compare()
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err.splitlines()[-1], "tools/bench: this tree does not build, see above")
        self.assertEqual(self.log.read_text().count("build in"), 1)


if __name__ == "__main__":
    unittest.main()
