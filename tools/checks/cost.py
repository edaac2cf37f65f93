# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Counts the instructions of hot operations, and compares them with tests/cost/instructions.txt.

  tools/check_cost                    counts and compares
  tools/check_cost --update           shows the same, then writes what it counted into the file
  tools/check_cost --functions=NAME   lists the functions in which one operation spends them

The program is what `bazel build --config=opt //tests/cost:hot_operations` makes. Callgrind counts
each operation at two sizes, in the part of the program that is marked as measured. The difference
between the sizes, divided by the repetitions, is the cost of one: start-up and the ends of batches
drop out. The program's own instructions are compared: the library, the headers inlined with it and
Abseil. Those of shared libraries (libzmq, the C and C++ libraries) are only shown: they depend on
the processor and on versions that are not ours.

An operation fails if it takes more than the file says by more than half an instruction or half a
percent, whichever is more. One that takes less by as much is reported and passes; lower the file's
number with --update, or a later slow-down hides behind it. If the program was built by another
compiler than the file's, or for another machine, the counts are shown and not compared.
The last line is "N passed, M failed". Needs valgrind. Exit status: 0 none failed, 1 some did, or
they could not be counted.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from checks.rooms import ROOT

TARGET = "//tests/cost:hot_operations"
PROGRAM = ROOT / "bazel-bin" / "tests" / "cost" / "hot_operations"
REFERENCE = ROOT / "tests" / "cost" / "instructions.txt"
MARKER = "zmqloop_cost_measured"  # tests/cost/measured.h
TOLERANCE = 0.5
TOLERANCE_PERCENT = 0.5
HEADER = """\
# Instructions of one operation, the library's own; tests/cost/ has the operations. Written by
# tools/check_cost --update. Say in the commit why a number grew.
"""
NAME = re.compile(r"\((\d+)\)(?: (.*))?$")

Operation = collections.namedtuple("Operation", "name small large times_per_unit")


def stop(message):
    sys.exit("tools/check_cost: " + message)


# ---- counting ------------------------------------------------------------------------------------


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"})
    if done.returncode != 0:
        stop("exit status %d of %s\n%s" % (done.returncode, " ".join(command), done.stderr))
    return done.stdout


def list_operations():
    """The compiler the program was built with, and its operations."""
    build = "bazel build --config=opt " + TARGET
    if not PROGRAM.exists():
        stop("run this first: " + build)
    compiler, flags, *operations = run([str(PROGRAM), "--list"]).splitlines()
    if flags != "build opt":
        stop("the program was not built with --config=opt; run this first: " + build)
    parsed = [operation.split() for operation in operations]
    return (compiler.partition(" ")[2],
            [Operation(name, *map(int, numbers)) for name, *numbers in parsed])


def read_profile(path):
    """Instructions by (object, function), without those of the functions they call."""
    names = {"ob": {}, "fn": {}}
    current = {"ob": "", "fn": ""}
    counts = collections.Counter()
    is_call = False
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            match = NAME.match(value)
            kind = key[-2:]
            if match and kind in names:  # cob= and cfn= define names too
                if match.group(2) is not None:
                    names[kind][match.group(1)] = match.group(2)
                if key == kind:
                    current[kind] = names[kind][match.group(1)]
            is_call = key == "calls"  # the next line has the cost of the function called
        elif line and line[0] in "0123456789+-*":
            if not is_call:
                counts[(current["ob"], current["fn"])] += int(line.split()[1])
            is_call = False
    if sum(counts.values()) != int(re.search(r"^summary: (\d+)$", text, re.MULTILINE).group(1)):
        stop("cannot read what this version of callgrind writes: its sum is another")
    return counts


def profile(operation, size, folder):
    path = pathlib.Path(folder) / ("%s.%d" % (operation.name, size))
    run(["valgrind", "--tool=callgrind", "-q", "--toggle-collect=" + MARKER, "--dump-line=no",
         "--callgrind-out-file=%s" % path, str(PROGRAM), operation.name, str(size)])
    counts = read_profile(path)
    if not counts:
        stop("callgrind counted nothing: does the program still call %s?" % MARKER)
    return counts


def count(operations):
    """For each operation's name: (instructions by function, those in shared libraries)."""
    if shutil.which("valgrind") is None:
        stop("this needs the Debian package valgrind")
    sizes = [(each, size) for each in operations for size in (each.small, each.large)]
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        profiles = list(pool.map(lambda job: profile(*job, folder), sizes))
    results = {}
    for operation, small, large in zip(operations, profiles[::2], profiles[1::2]):
        times = (operation.large - operation.small) * operation.times_per_unit
        large.subtract(small)
        own = {function: n / times for (file, function), n in large.items()
               if pathlib.Path(file).name == PROGRAM.name}
        results[operation.name] = own, sum(large.values()) / times - sum(own.values())
    return results


# ---- comparing -----------------------------------------------------------------------------------


def read_reference():
    """The compiler the file was written with, and the number of each operation."""
    if not REFERENCE.exists():
        return "", {}
    lines = [line.split(None, 1) for line in REFERENCE.read_text(encoding="utf-8").splitlines()
             if line and not line.startswith("#")]
    numbers = dict(lines)
    return numbers.pop("compiler", ""), {name: float(n) for name, n in numbers.items()}


def write_reference(compiler, counts):
    lines = ["compiler %s" % compiler]
    lines += ["%-16s %8.2f" % (name, sum(own.values())) for name, (own, _) in counts.items()]
    REFERENCE.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print("wrote %s" % REFERENCE.relative_to(ROOT))


def print_table(counts, reference):
    row = "%-16s %10s %8s %7s %20s"
    print(row % ("operation", "reference", "now", "ratio", "in shared libraries"))
    for name, (own, elsewhere) in counts.items():
        now, before = sum(own.values()), reference.get(name)
        print(row % (name, "%.2f" % before if before else "-", "%.2f" % now,
                     "%.3f" % (now / before) if before else "-", round(elsewhere)))


def compare(counts, reference):
    """(failures, hints), in words."""
    failures = ["%s is in the file only; remove it with --update" % name
                for name in reference if name not in counts]
    hints = []
    for name, (own, _) in counts.items():
        now, before = sum(own.values()), reference.get(name)
        if before is None:
            failures.append("%s is not in the file; add it with --update" % name)
            continue
        tolerance = max(TOLERANCE, before * TOLERANCE_PERCENT / 100)
        change = "%s takes %.2f instructions, %.2f in the file" % (name, now, before)
        if now > before + tolerance:
            failures.append("%s: %.2f more. tools/check_cost --functions=%s lists where. Make it "
                            "cheaper; or write the number with --update, and the reason into the "
                            "commit" % (change, now - before, name))
        elif now < before - tolerance:
            hints.append("%s: %.2f fewer. Lower the number with --update" % (change, before - now))
    return failures, hints


def print_functions(own):
    print("%12s  function" % "instructions")
    for function, n in sorted(own.items(), key=lambda item: -abs(item[1])):
        if abs(n) >= 0.005:
            print("%12.2f  %s" % (n, function))
    print("%12.2f  total" % sum(own.values()))


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--functions", metavar="NAME")
    arguments = parser.parse_args()
    compiler, operations = list_operations()
    if arguments.functions is not None:
        named = [each for each in operations if each.name == arguments.functions]
        if not named:
            stop("no such operation: %s; there are %s" % (
                arguments.functions, " ".join(each.name for each in operations)))
        print_functions(count(named)[arguments.functions][0])
        return

    counts = count(operations)
    written_with, reference = read_reference()
    print_table(counts, reference)
    if arguments.update:
        write_reference(compiler, counts)
        return
    if reference and compiler != written_with:
        print("Not compared: the program was built with %s, the file written with %s, whose counts "
              "are others" % (compiler, written_with))
        print("0 passed, 0 failed")
        return
    failures, hints = compare(counts, reference)
    print("\n".join(hints + failures + [
        "%d passed, %d failed" % (len(set(counts) | set(reference)) - len(failures),
                                  len(failures))]))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
