#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Tests of tools/checks: each rule finds the breach that it is there for, and nothing else."""

import collections
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).absolute().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

from checks import (  # noqa: E402
    accounting, comments, cost, docs, layering, models, rooms, sync_build,
)  # fmt: skip


def found(check, path, text):
    return [message for _, message in check(pathlib.PurePosixPath(path), text.splitlines())]


class Rooms(unittest.TestCase):
    def test_each_stands_on_one_floor(self):
        count = collections.Counter(room for floor in rooms.FLOORS for room in floor)
        self.assertEqual([room for room, times in count.items() if times > 1], [])

    def test_include_themselves_and_what_is_below_only(self):
        self.assertTrue(rooms.may_include("runtime/loop", "runtime/loop"))
        self.assertTrue(rooms.may_include("runtime/loop", "threading/host"))
        self.assertFalse(rooms.may_include("threading/host", "runtime/loop"))
        self.assertFalse(rooms.may_include("poller", "threading/mailbox"))
        self.assertFalse(rooms.may_include("runtime/stalls", "runtime/basics"))

    def test_runtime_has_at_most_twelve_on_five_floors(self):
        floors = [[r for r in floor if r.startswith("runtime/")] for floor in rooms.FLOORS]
        floors = [floor for floor in floors if floor]
        self.assertLessEqual(len(floors), 5)
        self.assertLessEqual(sum(map(len, floors)), 12)


class Layering(unittest.TestCase):
    def test_finds_an_arrow_upwards(self):
        graph = {}
        lines = ['#include "zmqloop/runtime/loop/io_loop.h"']
        breaches = list(layering.check_includes(
            pathlib.PurePosixPath("runtime/core/loop_core.h"), lines, graph))
        self.assertEqual([number for number, _ in breaches], [1])

    def test_finds_an_include_cycle_and_names_it(self):
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
        self.assertEqual(layering.cycles(graph), ["include cycle: a -> b -> c -> a"])
        self.assertEqual(layering.cycles({"a": {"b"}, "b": set()}), [])

    def test_wants_a_reason_at_each_memory_order(self):
        line = "x.store(1, std::memory_order_release);"
        self.assertTrue(found(layering.check_orders, "threading/mailbox/a.h", line))
        self.assertFalse(found(layering.check_orders, "threading/mailbox/a.h", "// why\n" + line))
        self.assertTrue(found(layering.check_orders, "threading/mailbox/a.h",
                              "// why" + "\n" * 5 + line))
        self.assertTrue(found(layering.check_orders, "runtime/core/a.h", "// why\n" + line))

    def test_finds_sleeping_tests_but_not_coroutines_that_wait(self):
        self.assertTrue(found(layering.check_sleeps, "tests/a_test.cc", "sleep_for(1ms);"))
        self.assertFalse(found(layering.check_sleeps, "tests/a_test.cc", "co_await sleep_for(1ms);"))
        self.assertFalse(found(layering.check_sleeps, "tests/a_test.cc", "// no sleep(1) here"))

    def test_counts_code_and_not_prose(self):
        limit = layering.MAX_LINES[".h"]
        code, prose = "int x;\n", "// prose\n"
        self.assertFalse(found(layering.check_length, "poller/a.h", code * limit + prose * 100))
        self.assertTrue(found(layering.check_length, "poller/a.h", code * (limit + 1)))

    def test_derives_include_guards_from_the_path(self):
        good = "#ifndef ZMQLOOP_RUNTIME_CORE_A_H_"
        self.assertFalse(found(layering.check_guard, "runtime/core/a.h", good))
        self.assertTrue(found(layering.check_guard, "runtime/loop/a.h", good))

    def test_tells_code_from_comments_where_a_string_holds_slashes(self):
        self.assertEqual(layering.split_comment('f("http://x"); // y'), ('f("http://x"); ', "// y"))


class BuildFiles(unittest.TestCase):
    def test_name_the_target_that_provides_an_include(self):
        label = sync_build.label_of
        self.assertEqual(label("zmqloop/poller/waker.h", "poller"), ":waker")
        self.assertEqual(label("zmqloop/poller/waker.h", "runtime/core"), "//poller:waker")
        self.assertEqual(label("absl/functional/any_invocable.h", "poller"), "@absl//:any_invocable")
        self.assertIsNone(label("vector", "poller"))
        with self.assertRaises(sync_build.Problem):
            label("zmqloop/nowhere/a.h", "poller")


class Accounting(unittest.TestCase):
    def test_reads_rows_and_finds_gaps_between_them(self):
        text = "| A1 | x | `S.T` |\n| A3 | y | Cannot happen: z |\n"
        self.assertEqual(accounting.rows(text), [("A1", "`S.T`"), ("A3", "Cannot happen: z")])
        self.assertEqual(list(accounting.gaps(["A1", "A3"])), ["A2 has no row"])
        self.assertEqual(list(accounting.gaps(["B1", "A1"])), ["A1: its group stands too late"])

    def test_finds_ids_above_a_test_and_in_its_name(self):
        text = "// Failures: L1 L3\nTEST(S, Above) {}\nTEST_P(S, Rel_E3_E9_InItsName) {}\n"
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tests" / "a_test.cc"
            file.parent.mkdir()
            file.write_text(text, encoding="utf-8")
            with mock.patch.object(accounting, "ROOT", pathlib.Path(folder)):
                self.assertEqual(accounting.tests(),
                                 {"S.Above": ["L1", "L3"], "S.Rel_E3_E9_InItsName": ["E3", "E9"]})
                command = accounting.command_for("E9", ["--config=tsan"])
                self.assertIsNone(accounting.command_for("E1", []))
        self.assertIn("--config=tsan", command)
        self.assertIn("//tests:a_test", command)
        self.assertIn("*/S.Rel_E3_E9_InItsName/*", command[-2])


class Docs(unittest.TestCase):
    def test_name_headings_as_github_does(self):
        self.assertEqual(docs.anchors("# A b, c\n## Who `waits`?\n"), {"a-b-c", "who-waits"})

    def test_find_paths_that_are_not_there(self):
        self.assertEqual(list(docs.check_names("poller/nowhere.h")), ["there is no poller/nowhere.h"])
        self.assertEqual(list(docs.check_names("tools/checks/docs.py")), [])
        self.assertEqual(list(docs.check_names("/usr/poller/nowhere.h")), [])


class Comments(unittest.TestCase):
    HEAD = ["// SPDX-FileCopyrightText: The zmqloop authors",
            "// SPDX-License-Identifier: Apache-2.0", ""]

    def breaches(self, *lines):
        return [text for _, text in comments.check_banner([*self.HEAD, *lines, "", "int x;"])]

    def test_have_labels_on_lines_of_their_own(self):
        self.assertEqual(self.breaches("// Makes things.", "//", "// Threads: any.", "// Public."), [])
        self.assertEqual(self.breaches("// Threads: any. Errors: none."),
                         ["a label in the middle of a line"])

    def test_have_no_line_that_breaks_in_the_middle_of_a_sentence(self):
        self.assertEqual(self.breaches("// Makes the things that", "// others use."),
                         ["a line that is broken in the middle of a sentence"])
        self.assertEqual(self.breaches("// Makes things.", "// Others use them."), [])
        self.assertEqual(self.breaches("// Makes things:", "//   - one", "//   - another"), [])

    def test_are_counted_by_their_words_and_code_is_not(self):
        lines = ['f("who knows what");  // what the caller wants', "// Whoever calls it waits."]
        words, uses = comments.count([("a.h", lines)])
        self.assertEqual(words, 8)
        self.assertEqual([len(u) for u in uses.values()], [1, 1])


class Models(unittest.TestCase):
    CODE = """
        class A {
         public:
          int f(int x) const { return x /* not this */ + 1; }
        };
        int A::g() {  // nor this
          return 2;
        }
    """

    def test_find_functions_by_their_qualified_names(self):
        names = [name for name, _ in models.functions(models.bare(self.CODE))]
        self.assertEqual(names, ["A::f", "A::g"])

    def test_digests_see_code_and_not_comments(self):
        with tempfile.TemporaryDirectory() as folder:
            def digest(text):
                (pathlib.Path(folder) / "a.h").write_text(text, encoding="utf-8")
                with mock.patch.object(models, "ROOT", pathlib.Path(folder)):
                    return models.digest("a.h", "f")
            before = digest(self.CODE)
            self.assertEqual(digest(self.CODE.replace("not this", "another comment")), before)
            self.assertNotEqual(digest(self.CODE.replace("+ 1", "+ 2")), before)
            self.assertIsNone(digest("int h();"))


class Cost(unittest.TestCase):
    def test_reads_profiles_without_the_cost_of_called_functions(self):
        profile = "ob=(1) prog\nfn=(1) f\n10 5\ncalls=1 20\n10 7\nfn=(2) g\n20 7\nsummary: 12\n"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "profile"
            path.write_text(profile, encoding="utf-8")
            counts = cost.read_profile(path)
        self.assertEqual(counts, {("prog", "f"): 5, ("prog", "g"): 7})


if __name__ == "__main__":
    unittest.main()
