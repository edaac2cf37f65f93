#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Stands in for Bazel: the programs of a tree report the figures of its file FIGURES, by
fake_benchmark.py.

It is called as bazel [--output_base=FOLDER] COMMAND [ARGUMENT...] in the tree, and adds each
command to the file that BAZEL_LOG names. A tree without FIGURES has no //benchmarks; one with the
file BROKEN does not build; one with the pipe BUILDING tells it that its build has begun, which then
never ends.
"""

import os
import pathlib
import shlex
import signal
import sys

TREE = pathlib.Path.cwd()
PROGRAM = """\
#!/bin/sh
FIGURES={figures} exec {python} {benchmark} "$@"
"""


def query(output, arguments):
    if not (TREE / "FIGURES").exists():
        sys.exit("ERROR: no such package 'benchmarks'")
    print("//benchmarks:rows\n//benchmarks:throughput")


def build(output, arguments):
    if (TREE / "BUILDING").exists():
        (TREE / "BUILDING").write_text("yes")
        signal.pause()
    if (TREE / "BROKEN").exists():
        sys.exit("ERROR: there is no such type")
    if "--config=opt" not in arguments:
        sys.exit("ERROR: not optimised")
    for target in arguments:
        if target.startswith("//"):
            make_program(output / "bin" / target.removeprefix("//").replace(":", "/"))


def make_program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    benchmark = pathlib.Path(os.environ["FAKE_BENCHMARK"])
    words = {"figures": TREE / "FIGURES", "python": sys.executable, "benchmark": benchmark}
    path.write_text(PROGRAM.format(**{name: shlex.quote(str(w)) for name, w in words.items()}))
    path.chmod(0o755)


def info(output, arguments):
    print(output / "bin")


def shutdown(output, arguments):
    pass


def main():
    arguments = sys.argv[1:]
    output = TREE / "output"
    if arguments[0].startswith("--output_base="):
        output = pathlib.Path(arguments.pop(0).partition("=")[2])
    settings = " with user.bazelrc" if (TREE / "user.bazelrc").exists() else ""
    with open(os.environ["BAZEL_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{arguments[0]} in {TREE}{settings}\n")
    globals()[arguments[0]](output, arguments[1:])


if __name__ == "__main__":
    main()
