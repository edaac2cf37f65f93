#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Tests of tools/bench --compare: its arithmetic, its verdicts, and the whole command with a
program that stands in for the benchmarks (fake_benchmark.py).

Nothing here sleeps or measures: a run is known to be at work once its stand-in has said something.
"""

import html.parser
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import sys
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).absolute().parent
TOOLS = HERE.parent.parent / "tools"
sys.path[:0] = [str(TOOLS), str(HERE)]

from tool_runs import TIME_LIMIT, InFolder, ToolRuns  # noqa: E402
from bench_report import (  # noqa: E402
    atomic_file, charts, document, flags, goals, markdown, page, programs, progress, rounds,
    session, spread, svg, sweeps, system_calls, units, words, workloads,
)  # fmt: skip

HOSTILE = 'W1/<i>&"quoted"'


def measurements(figures, count):
    """As rounds.measure_rounds() returns them, of {benchmark name: {counter: [per round]}}."""
    benchmarks = [programs.Benchmark("programs/fake", name) for name in figures]
    result = rounds.Measurements(benchmarks, count)
    for benchmark in benchmarks:
        counters = figures[benchmark.full_name]
        result.samples[benchmark] = [
            {name: values[i] for name, values in counters.items()} for i in range(count)
        ]
    return result


def report(figures, count=5, calls=None):
    facts = {
        "date": "2025-01-01 12:00",
        "command": "tools/bench --compare",
        "commands": ["fake --flag"],
        "seconds_per_measurement": 0.25,
        "took": "1 min",
        "machine": {"CPU": "a <CPU>", "cores": "2 of 2", "machine": "virtual", "kernel": "Linux",
                    "compiler": "g++", "zmqloop": "commit 1"},
        "versions": {"libuv": "1.44"},
        "noise": {"others": 0.1, "stolen": 0.0, "load_before": 0.1, "load_after": 0.2},
        "system_calls": "",
    }  # fmt: skip
    return document.build(measurements(figures, count), calls or {}, facts)


def rates(*values):
    return {"items_per_second": list(values)}


def goal_of(built, workload, against):
    return next(g for g in built["goals"] if (g["workload"], g["against"]) == (workload, against))


class Spread(unittest.TestCase):
    def test_summarizes_the_rounds_that_there_are(self):
        summary = spread.summarize([3.0, None, 1.0, 2.0])
        self.assertEqual((summary["low"], summary["median"], summary["high"]), (1.0, 2.0, 3.0))
        self.assertEqual(summary["rounds"], [3.0, None, 1.0, 2.0])
        self.assertIsNone(spread.summarize([None, None]))

    def test_knows_the_chance_that_order_statistics_enclose_the_median(self):
        # All five values on one side of the median: twice one in 32.
        self.assertAlmostEqual(spread.coverage(5, 1), 1 - 2 / 32)
        # At most one of nine on one side: twice (1 + 9) in 512.
        self.assertAlmostEqual(spread.coverage(9, 2), 1 - 20 / 512)

    def test_takes_the_narrowest_interval_that_reaches_the_confidence(self):
        self.assertEqual(spread.median_interval([5, 1, 4, 2, 3])[:2], (1, 5))
        self.assertEqual(spread.median_interval(range(1, 10))[:2], (2, 8))
        self.assertEqual(spread.median_interval([7.0]), (7.0, 7.0, 0.0))
        for count in range(5, 40):
            with self.subTest(count=count):
                low, high, chance = spread.median_interval(range(count))
                self.assertGreaterEqual(chance, spread.CONFIDENCE)
                self.assertLessEqual(low, high)
                if 2 * (low + 2) <= count:
                    self.assertLess(spread.coverage(count, low + 2), spread.CONFIDENCE)

    def test_forms_ratios_within_rounds(self):
        # The second round was disturbed for both sides: no trace of it is left in the ratios.
        summary = spread.ratio([10.0, 5.0, 20.0], [1.0, 0.5, 2.0])
        self.assertEqual(summary["rounds"], [10.0, 10.0, 10.0])
        self.assertEqual((summary["low"], summary["high"]), (10.0, 10.0))

    def test_leaves_rounds_out_that_lack_a_side(self):
        summary = spread.ratio([10.0, None, 8.0, 6.0], [1.0, 1.0, None, 2.0])
        self.assertEqual(summary["rounds"], [10.0, None, None, 3.0])
        self.assertIsNone(spread.ratio([None, 1.0], [1.0, 0.0]))


class Verdicts(unittest.TestCase):
    AT_LEAST = goals.Goal("W", "x", goals.AT_LEAST, 2)
    AT_MOST = goals.Goal("W", "x", goals.AT_MOST, 2)

    def verdict(self, goal, *ratios):
        return goals.verdict(goal, spread.confident_summary(list(ratios)))

    def test_calls_a_goal_met_if_the_whole_interval_reaches_it(self):
        self.assertEqual(self.verdict(self.AT_LEAST, 2, 3, 4, 5, 6), goals.MET)
        self.assertEqual(self.verdict(self.AT_MOST, 2, 1, 1, 1, 0.5), goals.MET)

    def test_calls_a_goal_not_met_if_none_of_the_interval_does(self):
        self.assertEqual(self.verdict(self.AT_LEAST, 1.9, 1, 1, 1, 1), goals.MISSED)
        self.assertEqual(self.verdict(self.AT_MOST, 2.1, 3, 3, 3, 3), goals.MISSED)

    def test_leaves_open_what_the_interval_leaves_open(self):
        self.assertEqual(self.verdict(self.AT_LEAST, 1.9, 3, 3, 3, 3), goals.TOO_NOISY)
        self.assertEqual(self.verdict(self.AT_MOST, 2.1, 1, 1, 1, 1), goals.TOO_NOISY)

    def test_lets_one_round_of_nine_be_wrong_on_either_side(self):
        self.assertEqual(self.verdict(self.AT_LEAST, 1, 3, 3, 3, 3, 3, 3, 3, 9), goals.MET)

    def test_judges_nothing_by_fewer_than_five_rounds(self):
        self.assertEqual(self.verdict(self.AT_LEAST, 9, 9, 9, 9), goals.TOO_FEW)
        self.assertEqual(self.verdict(self.AT_LEAST), goals.UNMEASURED)

    def test_has_goals_only_for_workloads_it_can_describe(self):
        for goal in goals.GOALS:
            self.assertIn(workloads.base(goal.workload), workloads.names())
        for workload in workloads.WORKLOADS:
            self.assertTrue(workload.words, workload.name)

    def test_writes_limits_as_the_design_does(self):
        limits = [(g.workload, g.against, g.limit()) for g in goals.GOALS]
        self.assertIn(("W1", "libuv", "≥ 15"), limits)
        self.assertIn(("W4-asleep", "asio", "≤ 1.1"), limits)
        self.assertIn(("CPU", "asio", "≤ 1/10"), limits)


class Documents(unittest.TestCase):
    def test_compares_with_a_library_in_its_usual_way_and_tells_of_better_ones(self):
        built = report({
            "W5/asio": rates(*[10.0] * 5), "W5/asio-unsafe": rates(*[40.0] * 5),
            "W5/zmqloop": rates(*[80.0] * 5), "W5/asiolike": rates(*[99.0] * 5),
        })  # fmt: skip
        judged = goal_of(built, "W5", "asio")
        self.assertEqual((judged["ratio"]["median"], judged["verdict"]), (8.0, goals.MET))
        note = "In W5, asio-unsafe does better than asio: zmqloop ÷ that is 2.00 ×."
        self.assertEqual(list(words.better_variants(built)), [note])
        self.assertTrue(note in page.render(built) and note in markdown.render(built))

    def test_compares_with_the_best_variant_where_there_is_no_usual_way(self):
        built = report({
            "W5/asio-pool": rates(*[10.0] * 5), "W5/asio-unsafe": rates(*[40.0] * 5),
            "W5/zmqloop": rates(*[80.0] * 5),
        })  # fmt: skip
        self.assertEqual(goal_of(built, "W5", "asio-unsafe")["ratio"]["median"], 2.0)
        self.assertEqual(list(words.better_variants(built)), [])

    def test_promises_the_default_of_ours_not_its_best_variant(self):
        built = report({
            "W5/zmqloop": rates(*[10.0] * 5), "W5/zmqloop-tuned": rates(*[500.0] * 5),
            "W5/asio": rates(*[10.0] * 5),
        })  # fmt: skip
        self.assertEqual(goal_of(built, "W5", "asio")["verdict"], goals.MISSED)

    def test_tells_rates_and_times_each_in_its_direction(self):
        built = report({
            "W6-fire/zmqloop": rates(*[2e7] * 5), "W6-fire/libev": rates(*[1e7] * 5),
        })  # fmt: skip
        section = built["workloads"][0]
        self.assertEqual([c["name"] for c in section["contenders"]], ["zmqloop", "libev"])
        self.assertEqual(section["contenders"][0]["figure"]["median"], 50.0)  # ns
        judged = goal_of(built, "W6-fire", "libev")
        self.assertEqual((judged["ratio"]["median"], judged["verdict"]), (0.5, goals.MET))

    def test_judges_fixed_limits_by_our_figure_alone(self):
        built = report({"W9-memory/zmqloop": {"bytes": [20_000.0] * 5}})
        self.assertEqual(goal_of(built, "W9-memory", "")["verdict"], goals.MET)

    def test_keeps_a_goal_in_sight_whose_rival_is_not_there(self):
        built = report({"W1/zmqloop": rates(*[1.0] * 5)})
        self.assertEqual({g["verdict"] for g in built["goals"]}, {goals.UNMEASURED})

    def test_never_compares_across_the_places_of_an_axis(self):
        built = report({
            "scale-posts/zmqloop/loops:1/manual_time": rates(*[1.0] * 5),
            "scale-posts/asio/loops:64/manual_time": rates(*[2.0] * 5),
            "scale-posts/zmqloop/loops:64/iterations:1": rates(*[8.0] * 5),
        })  # fmt: skip
        by_name = {section["name"]: section["contenders"] for section in built["workloads"]}
        self.assertEqual(list(by_name), ["scale-posts/loops:1", "scale-posts/loops:64"])
        asio = document.find(by_name["scale-posts/loops:64"], "asio")
        self.assertEqual(asio["ratio"]["median"], 4.0)

    def test_calls_a_run_by_how_far_the_floors_rounds_lie_apart(self):
        for values, level in (
            ((100, 101, 102, 103, 104), "quiet"),
            ((100, 101, 102, 103, 110), "restless"),
            ((50, 101, 102, 103, 110), "noisy"),
        ):
            built = report({"W1/zmqloop": rates(*[9.0] * 5), "W1/floor-ring": rates(*values)})
            self.assertEqual(built["noise"]["level"], level)
        self.assertEqual(report({"W1/zmqloop": rates(*[9.0] * 5)})["noise"]["level"], "unknown")

    def test_warns_plainly_of_goals_it_cannot_judge(self):
        noisy = {"W1/zmqloop": rates(10, 20, 10, 20, 10), "W1/libuv": rates(*[1.0] * 5)}
        built = report(noisy)
        self.assertEqual(goal_of(built, "W1", "libuv")["verdict"], goals.TOO_NOISY)
        doubts = list(words.doubts(built))
        self.assertEqual(len(doubts), 1)
        self.assertTrue(doubts[0].startswith("Too noisy to judge goals of W1: "))
        self.assertTrue("Too noisy to judge goals of W1: " in page.render(built))

    def test_leaves_out_rounds_in_which_the_cores_were_not_alike_for_both(self):
        apart = {"core_distance_ns": [40.0, 230.0, 40.0, 40.0, 40.0, 40.0]}
        near = {"core_distance_ns": [40.0, 40.0, 40.0, 50.0, 40.0, 40.0]}
        built = report({
            "W1/zmqloop": {**rates(30, 5, 30, 30, 30, 30), **apart},
            "W1/libuv": {**rates(*[1.0] * 6), **near},
            "W5/zmqloop": {**rates(*[30] * 6), **apart}, "W5/asio": {**rates(*[1.0] * 6), **near},
        }, 6)  # fmt: skip
        ratio = goal_of(built, "W1", "libuv")["ratio"]
        self.assertEqual((ratio["rounds"][1], ratio["left_out"], ratio["low"]), (None, 1, 30.0))
        # On one core it does not matter.
        self.assertNotIn(None, goal_of(built, "W5", "asio")["ratio"]["rounds"])
        self.assertIn("1 pair that differed in it were left out", words.noise(built))


class Pages(unittest.TestCase):
    def assert_shows(self, text, content):
        """As assertIn(), which would print the whole page."""
        self.assertTrue(content in text, content)

    def setUp(self):
        latency = {"p50_ns": [3.0, 4.0, 5.0, 4.0, 0.0], "p99_ns": [9.0] * 5, "p999_ns": [50.0] * 5}
        self.figures = {
            "W1/zmqloop": {**rates(90, 91, 92, 93, 94), "cpu_ns_per_op": [8.0] * 5},
            "W1/libuv": {**rates(1, 2, 3, 2, 1), "allocs_per_op": [1.0] * 5},
            "W1/floor-ring": rates(200, 210, 220, 230, 240),
            HOSTILE: rates(*[5.0] * 5),
            "W4/zmqloop": latency,
            "W4/asio": {name: [1e6] * 5 for name in latency},
        }
        self.built = report(self.figures)

    def test_are_well_formed(self):
        text = page.render(self.built)
        pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        self.assertGreater(len(pictures), 2)
        for picture in pictures:
            xml.etree.ElementTree.fromstring(picture)
        Balanced(self).feed(text)

    def test_need_nothing_but_themselves(self):
        text = page.render(self.built)
        self.assertNotRegex(text, r"<script|<link|<img|<iframe|@import|url\(|javascript:")
        addresses = set(re.findall(r"https?://[^\"'<\s]*", text))
        self.assertEqual(addresses, {"http://www.w3.org/2000/svg"})

    def test_escape_what_they_are_told(self):
        text = page.render(self.built)
        self.assertFalse("<i>" in text or "<CPU>" in text)
        self.assert_shows(text, "&lt;i&gt;&amp;")
        self.assert_shows(text, "a &lt;CPU&gt;")
        self.assertEqual(markdown.table(["a|b"], [["<b>"]]), "| a\\|b |\n| --- |\n| \\<b\\> |")

    def test_write_each_ratio_out(self):
        text = page.render(self.built)
        self.assert_shows(text, "46.5 ×<small>(30.7–94.0)")  # of 90/1, 91/2, 92/3, 93/2, 94/1
        self.assert_shows(text, "0.418 ×")  # 92/220
        self.assert_shows(text, "≥ 15 ×")

    def test_draw_every_round_as_a_dot(self):
        section = self.built["workloads"][0]
        self.assertEqual(charts.bars(section).count('class="dot"'), 5 * len(section["contenders"]))

    def test_can_do_without_a_single_figure(self):
        Balanced(self).feed(page.render(report({"W1/zmqloop": {}})))
        Balanced(self).feed(page.render(report({"W1/libuv": rates(*[0.0] * 5)})))

    def test_shorten_names_that_do_not_fit_and_tell_them_in_full(self):
        built = report({f"W1/{'long' * 20}": rates(*[1.0] * 5)})
        picture = charts.bars(built["workloads"][0])
        self.assert_shows(picture, "…")
        self.assert_shows(picture, f"<title>{'long' * 20}</title>")
        self.assertFalse("…" in charts.bars(self.built["workloads"][0]))

    def test_draw_a_workload_over_the_places_of_its_axis(self):
        built = report({
            f"scale-fds/{name}/idle:{idle}": rates(*[rate] * 5)
            for name, rate in (("zmqloop", 2e6), ("asio", 1.9e6), ("libuv", 1.8e6))
            for idle in (0, 1000)
        })  # fmt: skip
        alone, swept = sweeps.split(built["workloads"])
        self.assertEqual((alone, list(swept)), ([], ["scale-fds"]))
        picture = xml.etree.ElementTree.fromstring(sweeps.draw(swept["scale-fds"]))
        lines = [e for e in picture if e.tag.endswith("polyline")]
        self.assertEqual(len(lines), 3)
        text = page.render(built)
        Balanced(self).feed(text)
        self.assert_shows(text, "<td class=\"\">idle: 1000</td>")
        self.assert_shows(markdown.render(built), "| idle: 1000 | 500 ns | 526 ns | 556 ns |")

    def test_show_what_else_a_benchmark_reports(self):
        fairness = {"fairness": [0.9] * 5}
        places = {
            f"scale-posts/zmqloop/loops:{n}": {**rates(*[2.0] * 5), **fairness} for n in (1, 4)
        }
        self.assert_shows(page.render(report(places)), "<small>fairness 0.9</small>")
        self.assert_shows(page.render(report({"W1/zmqloop": {**rates(*[2.0] * 5), **fairness}})),
                          "fairness 0.9")  # fmt: skip

    def test_tell_a_workload_by_the_figures_there_are(self):
        figures = {"scale-threads/zmqloop": {"p50_ns": [7.0] * 5}, "new/x": {"bytes": [1.0] * 5}}
        built = report(figures)
        measures = [section["measure_words"] for section in built["workloads"]]
        self.assertEqual(measures, ["median latency", "memory"])

    def test_keep_the_labels_of_lines_apart(self):
        for heights in ([10.0, 11, 12], [200, 250, 251], [0.0], [259.0] * 4):
            with self.subTest(heights=heights):
                placed = sweeps.spread_out(heights, 26, 260)
                self.assertGreaterEqual(placed[0], 26)
                self.assertLessEqual(placed[-1], 260)
                for upper, lower in zip(placed, placed[1:]):
                    self.assertGreaterEqual(lower - upper, sweeps.LABEL_HEIGHT)

    def test_say_the_same_in_markdown(self):
        text = markdown.render(self.built)
        row = "| W1 | 92.0 /s | libuv | 2.00 /s | 46.5 × (30.7–94.0) | ≥ 15 × | met |"
        self.assert_shows(text, row)

    def test_round_trip_through_their_data(self):
        recorded = json.loads(json.dumps(self.built))
        self.assertEqual(page.render(recorded), page.render(self.built))


class Balanced(html.parser.HTMLParser):
    """Asserts that each tag is closed in its turn."""

    VOID = ("meta", "br")

    def __init__(self, test):
        super().__init__()
        self._test, self._open = test, []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        self._test.assertEqual(self._open.pop(), tag)


class Figures(unittest.TestCase):
    def test_are_written_with_three_digits_and_a_unit(self):
        for measure, value, text in (
            ("rate", 26.84e6, "26.8 M/s"), ("rate", 5.4e6, "5.40 M/s"), ("time", 614.0, "614 ns"),
            ("time", 348_000.0, "348 µs"), ("bytes", 24 * 1024, "24.0 KiB"),
            ("time", 0.15, "0.150 ns"), ("time", 2.5e9, "2.50 s"),
            ("part", 0.0123, "1.23 %"), ("part", 0.0, "0 %"),
        ):  # fmt: skip
            self.assertEqual(units.figure(measure, value), text)
        self.assertEqual(units.factor(0.018), "1/55.6")
        self.assertEqual(units.factor(15.24), "15.2")

    def test_share_the_unit_of_the_median_with_their_range(self):
        summary = {"median": 1.2e6, "low": 0.9e6, "high": 1.5e6}
        self.assertEqual(units.with_range("rate", summary), "1.20 M/s (0.900–1.50)")

    def test_stand_on_ticks_of_round_numbers(self):
        self.assertEqual(svg.LinearScale(243.0, 0, 1).ticks(), [0, 50, 100, 150, 200])
        self.assertEqual(svg.LinearScale(0.0, 0, 1).ticks(), [0])
        kibibytes = [tick / 1024 for tick in svg.LinearScale(21_000.0, 0, 1).ticks(1024)]
        self.assertEqual(kibibytes, [0, 5, 10, 15, 20])
        self.assertEqual(svg.LogScale(90, 1.1e6, 0, 1).ticks(), [1e2, 1e3, 1e4, 1e5, 1e6])


class Flags(unittest.TestCase):
    def test_refuse_nonsense_in_one_line(self):
        for arguments, complaint in (
            (["--rounds=0"], "--rounds needs a whole number from 1 to 1000, not '0'"),
            (["--rounds=2.5"], "--rounds needs a whole number from 1 to 1000, not '2.5'"),
            (["--rounds=99999"], "--rounds needs a whole number from 1 to 1000, not '99999'"),
            (["--rounds"], "--rounds needs a value"),
            (["--seconds=nan"], "--seconds needs a number above 0 and up to 604800, not 'nan'"),
            (["--seconds=inf"], "--seconds needs a number above 0 and up to 604800, not 'inf'"),
            (["--seconds=0"], "--seconds needs a number above 0 and up to 604800, not '0'"),
            (["--only="], "--only needs names of workloads, separated by commas, not ''"),
            (["--only=W1,,W3"],
             "--only needs names of workloads, separated by commas, not 'W1,,W3'"),
            (["--bogus"], "unknown argument --bogus"),
            (["--round=5"], "unknown argument --round=5"),
            (["stray"], "unknown argument stray"),
            (["--from=x", "--only=W1"],
             "--from measures nothing: it goes with --output and --markdown alone"),
            (["--from=x", "--under=nice"],
             "--from measures nothing: it goes with --output and --markdown alone"),
            (["--under="], "--under needs a command, not ''"),
            (["--under=sh -c 'a"], "--under is no command: No closing quotation: 'sh -c 'a'"),
        ):  # fmt: skip
            with self.subTest(arguments=arguments):
                with self.assertRaises(flags.FlagError) as raised:
                    flags.parse(arguments)
                self.assertEqual(str(raised.exception), complaint)

    def test_select_workloads_by_name_and_by_group(self):
        self.assertTrue(session.matches("W4", "W4"))
        self.assertTrue(session.matches("W4-asleep", "W4"))
        self.assertTrue(session.matches("scale-posts/loops:4", "scale-posts"))
        self.assertFalse(session.matches("W1w", "W1"))
        with self.assertRaisesRegex(flags.FlagError, "there is no W99"):
            session.check_known(["W1", "W99"], workloads.names())

    def test_share_a_total_time_among_all_measurements(self):
        asked = flags.parse(["--rounds=10", "--seconds=100"])
        each = session.seconds_each(asked, 20)
        self.assertAlmostEqual(rounds.total_seconds(each, 20, 10), 100)
        with self.assertRaisesRegex(flags.FlagError, "--seconds needs at least"):
            session.seconds_each(flags.parse(["--seconds=1"]), 100)


class Progress(unittest.TestCase):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def test_redraws_one_line_on_a_terminal_and_clears_it(self):
        terminal = self.Terminal()
        shown = progress.Progress(terminal)
        shown.step("round 1 of 5  W1/libuv", 0.25, 200)
        shown.milestone("round 1 of 5 done")
        shown.clear()
        self.assertEqual(
            terminal.getvalue(),
            "\r\033[K 25 %  round 1 of 5  W1/libuv  3 min 20 s left\r\033[K",
        )

    def test_prints_plain_lines_elsewhere(self):
        file = io.StringIO()
        shown = progress.Progress(file)
        shown.step("round 1 of 5  W1/libuv", 0.25, 200)
        shown.milestone("round 1 of 5 done")
        shown.clear()
        self.assertEqual(file.getvalue(), "round 1 of 5 done\n")

    def test_foretells_by_what_was_taken_last_time(self):
        benchmarks = [programs.Benchmark("p", name) for name in ("W1/a", "W1/b")]
        clock = rounds.Clock(benchmarks, 3, 1.0)
        clock.done(benchmarks[0], 10.0)
        clock.done(benchmarks[1], 1.0)
        self.assertAlmostEqual(clock.remaining(), 2 * 10.0 + 2 * 1.0)


class AtomicFiles(InFolder):
    def test_appear_whole_and_leave_nothing_beside(self):
        (self.folder / "a").write_text("old")
        atomic_file.write_all(self.folder, {"a": "new ≥", "b": "more"})
        self.assertEqual(self.files(), ["a", "b"])
        self.assertEqual((self.folder / "a").read_text(encoding="utf-8"), "new ≥")

    def test_leave_the_old_ones_if_any_cannot_be_written(self):
        (self.folder / "a").write_text("old")
        with self.assertRaises(UnicodeEncodeError):
            atomic_file.write_all(self.folder, {"a": "new", "b": "\udc80"})
        self.assertEqual(self.files(), ["a"])
        self.assertEqual((self.folder / "a").read_text(), "old")


class SystemCalls(unittest.TestCase):
    def test_are_read_from_the_total_of_straces_table(self):
        head = b"% time     seconds  usecs/call     calls    errors syscall\n"
        row = b" 99.00    0.000000           0       145           read\n"
        without, with_errors = (
            b"100.00    0.000123           0       145           total\n",
            b"100.00    0.000000           0     29150        19 total\n",
        )
        self.assertEqual(system_calls.total_calls(head + row + without), 145)
        self.assertEqual(system_calls.total_calls(head + row + with_errors), 29150)
        with self.assertRaises(programs.ProgramError):
            system_calls.total_calls(head + row)


class Command(ToolRuns):
    FIGURES = {
        "W1/zmqloop/manual_time": {**rates(30e6, 31e6, 32e6), "ops": [1e6]},
        "W1/libuv/manual_time": {**rates(1e6, 1.1e6, 1.2e6), "ops": [1e6]},
        "W4/asio": {"p50_ns": [900.0], "p99_ns": [1900.0], "p999_ns": [9e5], "ops": [1e6]},
    }

    def setUp(self):
        super().setUp()
        self.program = self.folder / "fake"
        shutil.copy(HERE / "fake_benchmark.py", self.program)
        self.program.chmod(0o755)
        self.figures(self.FIGURES)

    def figures(self, figures):
        (self.folder / "FIGURES").write_text(json.dumps(figures))

    def measure(self, *arguments):
        return self.run_tool(f"--program={self.program}", "--rounds=5", *arguments)

    def test_measures_in_rounds_and_writes_its_report(self):
        status, out, err = self.measure("--markdown", "--seconds=60")
        self.assertEqual(status, 0, err)
        self.assertEqual(self.written(), ["report.html", "report.json", "report.md"])
        self.assertIn("Goals: 1 met", out)
        self.assertIn("round 5 of 5 done", err)
        recorded = json.loads((self.output / "report.json").read_text(encoding="utf-8"))
        judged = goal_of(recorded, "W1", "libuv")
        self.assertEqual((judged["verdict"], len(judged["ratio"]["rounds"])), (goals.MET, 5))
        # Every round measures each contender of a workload before it goes on to the next.
        runs = json.loads((self.folder / "RUNS").read_text())[:15]
        for begin in range(0, 15, 3):
            round_ = runs[begin : begin + 3]
            self.assertEqual(sorted(round_[:2]), ["W1/libuv/manual_time", "W1/zmqloop/manual_time"])
            self.assertEqual(round_[2], "W4/asio")

    def test_makes_the_same_page_again_from_the_data(self):
        self.assertEqual(self.measure("--only=W4")[0], 0)
        page_before = (self.output / "report.html").read_bytes()
        (self.output / "report.html").unlink()
        status, _, err = self.run_tool(f"--from={self.output / 'report.json'}")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual((self.output / "report.html").read_bytes(), page_before)

    def test_runs_every_measurement_under_a_command_that_is_given(self):
        log = self.folder / "LOG"
        under = ["sh", "-c", f'echo "$2" >>{log}; exec "$@"', "sh"]
        status, _, err = self.measure("--only=W4", f"--under={shlex.join(under)}")
        self.assertEqual(status, 0, err)
        self.assertGreaterEqual(log.read_text().count("--benchmark_filter=^W4/asio$"), 5)
        recorded = json.loads((self.output / "report.json").read_text(encoding="utf-8"))
        for command in recorded["commands"]:
            self.assertEqual(shlex.split(command)[:4], under)

    def test_reports_the_rest_if_a_contender_fails(self):
        self.figures({
            **self.FIGURES,
            "W1/asio": {"does": "fail"}, "W1/libev": {"does": "exit"},
            "W1/tbb": {"does": "garbage"},
        })  # fmt: skip
        status, out, err = self.measure()
        self.assertEqual((status, self.written()), (1, ["report.html", "report.json"]))
        self.assertIn("tools/bench: W1/asio failed in 5 of 5 rounds: posts were lost\n", err)
        self.assertIn("W1/libev failed in 5 of 5 rounds: fake ended with status 1: no more", err)
        self.assertIn("W1/tbb failed in 5 of 5 rounds: the program reported no figures", err)
        text = (self.output / "report.html").read_text(encoding="utf-8")
        self.assertTrue("posts were lost" in text)

    def test_leaves_the_old_report_alone_when_interrupted(self):
        self.output.mkdir()
        (self.output / "report.html").write_text("old")
        ready = self.folder / "READY"
        os.mkfifo(ready)
        self.figures({"W1/zmqloop": {**rates(1.0), "does": "hang"}})
        for signum in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signum=signum):
                process = self.start(f"--program={self.program}")
                child = int(ready.read_text())  # returns when the stand-in hangs
                process.send_signal(signum)
                out, err = process.communicate(timeout=TIME_LIMIT)
                self.assertEqual((process.returncode, out), (130, ""))
                self.assertEqual(err, "tools/bench: interrupted, no report was written\n")
                self.assertEqual(self.written(), ["report.html"])
                self.assertEqual((self.output / "report.html").read_text(), "old")
                with self.assertRaises(ProcessLookupError):  # it took its child along
                    os.kill(child, 0)

    def test_ends_a_measurement_that_hangs(self):
        self.figures({"W1/zmqloop": {**rates(1.0), "does": "hang"}})
        benchmark = programs.list_benchmarks(str(self.program))[0]
        with self.assertRaisesRegex(programs.ProgramHangs, "still running after 0.1 s"):
            programs.measure(benchmark, 0.1, time_limit=0.1)

    def test_takes_names_for_what_they_are(self):
        self.figures({"W1/zmqloop.x": rates(1.0), "W1/zmqloop+x": rates(2.0), HOSTILE: rates(3.0)})
        values = [
            programs.measure(benchmark, 0.1)["items_per_second"]
            for benchmark in programs.list_benchmarks(str(self.program))
        ]
        self.assertEqual(values, [1.0, 2.0, 3.0])

    def test_refuses_wrong_arguments_before_it_does_anything(self):
        for arguments in (("--rounds=0",), ("--only=W99",), ("--bo\ngus",)):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_tool(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertRegex(err, r"\Atools/bench: [^\n]*; see tools/bench --compare --help\n$")
        self.assertEqual(self.written(), [])

    def test_complains_of_what_it_cannot_read_or_write(self):
        (self.folder / "file").write_text("{}")
        (self.folder / "part").write_text(json.dumps({"format": document.FORMAT, "goals": []}))
        for arguments, complaint in (
            ((f"--from={self.folder / 'nowhere'}",), "No such file or directory"),
            ((f"--from={self.folder / 'file'}",), "is no report.json"),
            ((f"--from={self.folder / 'part'}",), "is no report.json"),
            ((f"--output={self.folder / 'file'}", f"--from={self.folder / 'file'}"), "File exists"),
            (("--program=/nowhere/program",), "cannot run /nowhere/program: No such file"),
        ):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_tool(*arguments)
                self.assertEqual((status, out), (1, ""))
                self.assertEqual((err[:13], err.count("\n")), ("tools/bench: ", 1))
                self.assertIn(complaint, err)

    def test_explains_itself(self):
        status, out, err = self.run_tool("--help")
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.startswith("usage: tools/bench --compare [FLAG...]\n"))


if __name__ == "__main__":
    unittest.main()
