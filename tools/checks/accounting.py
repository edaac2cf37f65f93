# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Compares docs/failures.md with the tests it names; exits 1 and names each breach.

  tools/check_accounting               compares
  tools/check_accounting --filter ID   runs the tests that carry the id, with Bazel; more words are
                                       passed on to it: --filter L1 --config=tsan

Each row of its tables is a failure: an id, what would go wrong, and what shows that it does not:
 - `Suite.Name`, a test that carries the id: in a line `// Failures: L1 L3` above it, or in its name,
   as Rel_L1_L3_Name; other tests may be named beside it;
 - scenario `name`, of tests/schedule/, which lists the id as Rel_<id> itself;
 - model `name`, of tests/model/;
 - a check of the source tree, `tools/check_...`;
 - "Cannot happen: ..." or "Left to others: ...", where there is nothing to test;
 - "Open: ...", what is still missing. Open parts are no breach, and are listed.
A row without any of these is a breach, and so is a gap between rows; a test, scenario, model or
check that does not exist; and a test or scenario that carries an id and is not in the id's row.
"""

import argparse
import collections
import re
import shlex
import subprocess
import sys

from checks.rooms import ROOT

DOCUMENT = ROOT / "docs" / "failures.md"
ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \| (.+?) \|$")
TEST = re.compile(
    r"^(?:// Failures:((?: [A-Z]\d+)+)\n)?(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)",
    re.MULTILINE)
CARRIED = re.compile(r"Rel((?:_[A-Z]\d+)+)_")
SCENARIO = re.compile(r'^SCENARIO\(\s*(\w+),\s*"([^"]*)"', re.MULTILINE)
LISTED = re.compile(r"\bRel_([A-Z]\d+)\b")
NAMED_TEST = re.compile(r"`(\w+\.\w+)`")
NAMED_SCENARIO = re.compile(r"\bscenario `(\w+)`")
NAMED_MODEL = re.compile(r"\bmodel `(\w+)`")
NAMED_CHECK = re.compile(r"`(tools/\w+)`")
REASON = re.compile(r"\b(?:Cannot happen|Left to others): \w")
OPEN = re.compile(r"\bOpen: (.*)")
LATER = {"K6"}  # not listed yet
KINDS = {  # the strongest first
    "test": "%d by tests",
    "model": "%d by scenarios or models alone",
    "check": "%d by checks",
    "reason": "%d with a reason",
    "open": "%d open",
}


def tests_by_file():
    """(file, test, the ids it carries) of each test."""
    for file in sorted((ROOT / "tests").rglob("*_test.cc")):
        for above, suite, name in TEST.findall(file.read_text(encoding="utf-8")):
            carried = CARRIED.match(name)
            in_name = carried.group(1)[1:].split("_") if carried else []
            yield file.relative_to(ROOT), "%s.%s" % (suite, name), above.split() + in_name


def tests():
    """The ids carried by each test."""
    return {name: ids for _, name, ids in tests_by_file()}


def command_for(failure, options):
    """The command that runs the tests of one id, or nothing if none carries it."""
    carriers = [(file, name) for file, name, ids in tests_by_file() if failure in ids]
    if not carriers:
        return None
    labels = sorted({"//%s:%s" % (file.parent.as_posix(), file.stem) for file, _ in carriers})
    # With and without what parameters put around the name.
    names = ":".join("%s:*/%s/*:%s/*" % (name, name, name) for _, name in carriers)
    return ["bazel", "test", "--test_output=errors", *options, "--test_filter=" + names, *labels]


def scenarios():
    """The ids listed by each scenario."""
    return {name: LISTED.findall(attacks)
            for file in (ROOT / "tests" / "schedule").glob("*_scenarios.cc")
            for name, attacks in SCENARIO.findall(file.read_text(encoding="utf-8"))}


def by_id(carriers):
    carried = collections.defaultdict(set)
    for name, ids in carriers.items():
        for failure in ids:
            carried[failure].add(name)
    return carried


def rows(text):
    """(id, what shows it) of each row; the tables' heads are none."""
    return [(m.group(1), m.group(3)) for m in map(ROW.match, text.splitlines()) if m]


def gaps(ids):
    """Ids that are out of order, or missing before the last of their group."""
    if not ids:
        yield "there is no row"
    group, number = "", 0
    for failure in ids:
        if failure[0] != group:
            if failure[0] < group:
                yield "%s: its group stands too late" % failure
            group, number = failure[0], 0
        for between in range(number + 1, int(failure[1:])):
            if "%s%d" % (group, between) not in LATER:
                yield "%s%d has no row" % (group, between)
        if int(failure[1:]) <= number:
            yield "%s: its row stands too late" % failure
        number = int(failure[1:])


class Accounting:
    """The rows, compared with what there is."""

    def __init__(self, text):
        self.rows = rows(text)
        self.tests, self.scenarios = tests(), scenarios()
        self.by_test, self.by_scenario = by_id(self.tests), by_id(self.scenarios)
        self.counts = collections.Counter()
        self.open = []

    def breaches(self):
        ids = [failure for failure, _ in self.rows]
        yield from gaps(ids)
        for failure in sorted({*self.by_test, *self.by_scenario} - {*ids}):
            for name in sorted(self.by_test[failure] | self.by_scenario[failure]):
                yield "%s carries %s, which has no row" % (name, failure)
        for failure, shown_by in self.rows:
            for text in [*self.unknown(shown_by), *self.unnamed(failure, shown_by)]:
                yield "%s: %s" % (failure, text)
            if not self.count(failure, shown_by):
                yield "%s: nothing shows that it does not happen" % failure

    def unknown(self, shown_by):
        """What a row names and is not there."""
        for name in NAMED_TEST.findall(shown_by):
            if name not in self.tests:
                yield "there is no test " + name
        for name in NAMED_SCENARIO.findall(shown_by):
            if name not in self.scenarios:
                yield "there is no scenario " + name
        for name in NAMED_MODEL.findall(shown_by):
            if not (ROOT / "tests" / "model" / (name + ".pml")).exists():
                yield "there is no model " + name
        for name in NAMED_CHECK.findall(shown_by):
            if not (ROOT / name).exists():
                yield "there is no " + name

    def unnamed(self, failure, shown_by):
        """What carries the id and is not in its row, and scenarios the other way round."""
        staged = {*NAMED_SCENARIO.findall(shown_by)}
        for name in sorted(self.by_test[failure] - {*NAMED_TEST.findall(shown_by)}):
            yield "the row does not name " + name
        for name in sorted(self.by_scenario[failure] - staged):
            yield "the row does not name the scenario " + name
        for name in sorted(staged & {*self.scenarios} - self.by_scenario[failure]):
            yield "the scenario %s does not list it" % name

    def count(self, failure, shown_by):
        """Whether the row is accounted for; the strongest kind counts."""
        missing = OPEN.search(shown_by)
        if missing:
            self.open.append("%s: %s" % (failure, missing.group(1)))
        shown = {
            "test": self.by_test[failure],
            "model": self.by_scenario[failure] or NAMED_MODEL.search(shown_by),
            "check": NAMED_CHECK.search(shown_by),
            "reason": REASON.search(shown_by),
            "open": missing,
        }
        strongest = next((kind for kind in KINDS if shown[kind]), None)
        self.counts[strongest] += 1
        return strongest is not None


def run_filtered(failure, options):
    command = command_for(failure, options)
    if command is None:
        sys.exit("tools/check_accounting: no test carries %s; docs/failures.md says what shows it"
                 % failure)
    print(shlex.join(command), flush=True)
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check_accounting", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", metavar="ID", help="run the tests that carry the id")
    arguments, options = parser.parse_known_args()
    if arguments.filter:
        run_filtered(arguments.filter, options)
    if options:
        parser.error("unknown: " + " ".join(options))
    accounting = Accounting(DOCUMENT.read_text(encoding="utf-8"))
    breaches = list(accounting.breaches())
    counts = ", ".join(text % accounting.counts[kind] for kind, text in KINDS.items())
    summary = "%d failures: %s; %d breaches" % (len(accounting.rows), counts, len(breaches))
    print("\n".join(["open: " + text for text in accounting.open] + breaches + [summary]))
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
