# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Explores the models of tests/model/ with Spin and compares them with the code they mirror.

  tools/check_models             everything: digests, each run of each model, each planted bug
  tools/check_models NAME...     the models, runs and bugs of these names
  tools/check_models --digests   only whether the mirrored code is what it was when last looked at
  tools/check_models --accept    renews the digests, once one has compared model and code
  tools/check_models --list      names what there is

A model's opening comment says what it mirrors, how it is run and which bugs can be planted. A run
passes if its full state space has no error; a planted bug passes if an error of the kind named is
found. Statements that no run of a model reaches are errors, too: they would prove nothing.
The last line is "N passed, N failed". Needs Debian's spin and gcc.
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import tempfile

from checks.rooms import ROOT

MODELS = ROOT / "tests" / "model"
MEGABYTES = 2048
DEPTH = 1_000_000

# ---- the code that is mirrored ---------------------------------------------------------------------

COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
CLASS = re.compile(r"\b(?:class|struct)\s+(?:alignas\([^)]*\)\s*|\[\[\w+\]\]\s*)*(\w+)")
NAMED = re.compile(r"((?:\w+(?:<[^<>()]*>)?::)*~?\w+)\s*\(")
NOT_A_NAME = {"alignas", "__attribute__", "decltype", "noexcept", "operator", "requires", "template"}
# What only makes code faster: looked at by no model.
HINT = re.compile(
    r"(?:if \([^{};]*\) ?)?(?:prefetch_to_\w+|cpu_relax|yield_core) ?\([^;]*\);|\[\[(?:un)?likely\]\]")


def bare(text):
    """C++ without comments and preprocessor lines."""
    return DIRECTIVE.sub("", COMMENT.sub(lambda m: m.group(1) or " ", text))


def closing(text, start):
    """The index behind the brace that closes the one at `start`."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)


def functions(text, scope=""):
    """(qualified name, definition) of each function in bare C++."""
    start = index = 0
    while index < len(text):
        if text[index] in ";}":
            start = index + 1
        elif text[index] == "{":
            head, end = text[start:index], closing(text, index)
            body = text[index + 1 : end - 1]
            names = [n for n in NAMED.findall(head) if n not in NOT_A_NAME]
            outer = re.sub(r"template\s*<.*?>\s*(?=\w)", "", head, flags=re.DOTALL)
            named = CLASS.search(outer)
            if names and "=" not in head.split(names[0])[0]:
                yield scope + re.sub(r"<[^<>]*>", "", names[0]), text[start:end]
            elif named and "enum" not in head:
                yield from functions(body, named.group(1) + "::")
            elif "namespace" in head:
                yield from functions(body, scope)
            start, index = end, end - 1
        index += 1


def digest(path, name):
    """A digest of every definition of that name in the file; None if there is none."""
    text = bare((ROOT / path).read_text(encoding="utf-8"))
    found = [re.sub(r"\b(?:public|protected|private)\s*:(?!:)", "", definition)
             for function, definition in functions(text)
             if function == name or function.endswith("::" + name)]
    if not found:
        return None
    spaced = " ".join(" ".join(found).split())
    return hashlib.sha256(re.sub(r"\s+", "", HINT.sub("", spaced)).encode()).hexdigest()[:12]


# ---- what a model says of itself -------------------------------------------------------------------

SECTION = re.compile(r"^ \* (Mirrors|Runs|Bugs)\b[^\n]*:\n((?: \*   \S[^\n]*\n)+)", re.MULTILINE)
MIRROR = re.compile(r"^( \*   (\S+) +(\S+?))(?: +([0-9a-f]{12}))?$", re.MULTILINE)


class Problem(Exception):
    """Something in a model that cannot be run."""


class Model:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        text = path.read_text(encoding="utf-8")
        sections = dict(SECTION.findall(text.split("*/")[0]))
        lines = {k: [l[2:].split() for l in v.splitlines()] for k, v in sections.items()}
        self.mirrors = [m[1:] for m in MIRROR.findall(sections.get("Mirrors", ""))]
        self.runs = {words[0]: words[1:] for words in lines.get("Runs", [])}
        self.bugs = [(words[0], words[1], " ".join(words[2:])) for words in lines.get("Bugs", [])]
        for bug, run, found_by in self.bugs:
            known = re.search(r"\b%s\b" % bug.split("=")[0], text.split("*/", 1)[1])
            if run not in self.runs or not found_by or not known:
                raise Problem("%s: the bug %s names no run, no finding or no code" % (path.name, bug))

    def stale(self):
        """What was mirrored and is gone or changed: pairs of a message and this model's name."""
        for path, name, known in self.mirrors:
            present = digest(path, name)
            if present is None:
                yield "%s: there is no %s" % (path, name), self.name
            elif present != known:
                yield "%s: %s has changed" % (path, name), self.name

    def accept(self):
        text = self.path.read_text(encoding="utf-8")
        width = max([len(m.group(1)) for m in MIRROR.finditer(text)] or [0])
        banner, rest = text.split("*/", 1)
        renew = lambda m: "%-*s  %s" % (width, m.group(1), digest(m.group(2), m.group(3)) or "")
        section = lambda m: MIRROR.sub(renew, m.group(0)) if m.group(1) == "Mirrors" else m.group(0)
        self.path.write_text(SECTION.sub(section, banner) + "*/" + rest, encoding="utf-8")


# ---- exploring -------------------------------------------------------------------------------------

ERROR = re.compile(r"^pan:\d*:? ?(.*?) \(at depth", re.MULTILINE)
STATES = re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
UNREACHED = re.compile(r'^unreached in (?:proctype )?(\S+)\n((?:\t.*\n)*)', re.MULTILINE)
STATEMENT = re.compile(r'\t([^\t\n]*:\d+), state (\d+), "(.*)"')


def call(command, folder):
    """(exit status, output, CPU seconds with all it started) of a command."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status  # it is gone: nobody needs to wait for it again
        output.seek(0)
        return status, output.read(), usage.ru_utime + usage.ru_stime


class Exploration:
    """One run of a model, with a bug planted or without."""

    def __init__(self, model, run, bug=None, found_by=None):
        self.model, self.run, self.bug, self.found_by = model, run, bug, found_by
        self.name = "%s/%s" % (model.name, bug or run)
        self.words = [w for w in model.runs[run] if w.startswith("-D")]
        # A word beside the definitions: also look for fair executions that never make progress.
        self.progress = "progress" in model.runs[run]
        self.states, self.seconds, self.failure, self.finding = 0, 0.0, None, ""
        self.unreached = set()

    def __call__(self):
        with tempfile.TemporaryDirectory(prefix="zmqloop-model-") as folder:
            self.failure = self.explore(folder)
        return self

    def call(self, command, folder):
        status, output, seconds = call(command, folder)
        self.seconds += seconds
        return status, output

    def explore(self, folder):
        defines = self.words + (["-D" + self.bug] if self.bug else [])
        status, output = self.call(["spin", "-a", *defines, str(self.model.path)], folder)
        if status != 0 or "Error" in output:
            return "spin: " + output.strip()
        kind = ["-DNP", "-DNFAIR=4"] if self.progress else ["-DSAFETY"]
        if " provided " in self.model.path.read_text(encoding="utf-8"):
            kind.append("-DNOREDUCE")  # Spin's reduction does not know of such clauses
        # Few state spaces are worth the time it takes to optimise for them.
        level = "-O0" if self.bug else "-Og"
        status, output = self.call(["gcc", level, "-w", *kind, "-DMEMLIM=%d" % MEGABYTES, "-o", "pan",
                               "pan.c"], folder)
        if status != 0:
            return "gcc: " + output.strip()
        options = ["-l", "-f"] if self.progress else []
        status, output = self.call(["./pan", "-m%d" % DEPTH, *options], folder)
        return self.judge(output)

    def judge(self, output):
        states = STATES.search(output)
        if states is None:
            return "pan: " + output.strip()
        self.states = int(states.group(1))
        found = ERROR.search(output)
        self.finding = found.group(1) if found else ""
        if self.bug:
            if found and self.found_by in found.group(1):
                return None
            return "not found by %s: %s" % (self.found_by, self.finding or "no error")
        if found or "errors: 0" not in output:
            return self.finding or output.strip()
        if "Search not completed" in output or "max search depth too small" in output:
            return "the state space was not explored to its end"
        for process, statements in UNREACHED.findall(output):
            for _, state, statement in STATEMENT.findall(statements):
                if statement != "-end-":
                    self.unreached.add((process, int(state), statement))
        return None

    def report(self):
        what = "full, no error"
        if self.failure:
            what = "FAILED: " + self.failure
        elif self.bug:
            what = "found: " + self.finding
        print("%-42s %11s states %7.1f s  %s" % (
            self.name, format(self.states, ","), self.seconds, what), flush=True)


def stale(models):
    """A line for each mirrored function that is not what it was, with the models to look at."""
    found = {}
    for model in models:
        for message, name in model.stale():
            found.setdefault(message, []).append(name)
    for message, names in found.items():
        yield "%s; look at tests/model/ %s, then tools/check_models --accept" % (
            message, ", ".join(names))


def never_reached(explorations):
    """Statements that no run of a model reached, for models of which every run was made."""
    by_model = {}
    for e in explorations:
        if not e.bug and not e.failure:
            by_model.setdefault(e.model, []).append(e.unreached)
    for model, sets in by_model.items():
        if len(sets) == len(model.runs):
            for process, state, statement in sorted(set.intersection(*sets)):
                yield "%s: no run reaches %s, state %d: %s" % (
                    model.path.name, process, state, statement)


# ---- main ------------------------------------------------------------------------------------------

def explorations_of(models, names):
    for model in models:
        wanted = lambda name: not names or model.name in names or name in names
        for run in model.runs:
            if wanted(run):
                yield Exploration(model, run)
        for bug, run, found_by in model.bugs:
            if wanted(bug):
                yield Exploration(model, run, bug, found_by)


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check_models", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models, runs or bugs")
    parser.add_argument("--digests", action="store_true", help="only compare the digests")
    parser.add_argument("--accept", action="store_true", help="renew the digests")
    parser.add_argument("--list", action="store_true", help="name models, runs and bugs")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                        help="explorations at one time (default: %(default)s)")
    arguments = parser.parse_args()
    models = [Model(path) for path in sorted(MODELS.glob("*.pml"))]
    explorations = list(explorations_of(models, arguments.names))
    if arguments.names and not explorations:
        raise Problem("nothing is named " + " ".join(arguments.names))
    if arguments.list:
        print("\n".join(e.name for e in explorations))
        return
    if arguments.accept:
        for model in models:
            model.accept()
        models = [Model(model.path) for model in models]
    breaches = list(stale(models))
    mirrored = {mirror[:2] for model in models for mirror in model.mirrors}
    print("\n".join(breaches + ["%d mirrored functions looked at, %d breaches" % (
        len(mirrored), len(breaches))]))
    if arguments.accept or arguments.digests:
        sys.exit(1 if breaches else 0)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for exploration in pool.map(lambda e: e(), explorations):
            exploration.report()
    unreached = list(never_reached(explorations))
    print("".join(text + "\n" for text in unreached), end="")
    failed = sum(bool(e.failure) for e in explorations) + len(unreached) + bool(breaches)
    passed = sum(not e.failure for e in explorations) + (not breaches)
    print("%.0f s of CPU" % sum(e.seconds for e in explorations))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit("tools/check_models: %s" % problem)
