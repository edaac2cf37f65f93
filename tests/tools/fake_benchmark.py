#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Stands in for a benchmark program: reports figures of the file FIGURES beside it, or of the file
that the environment variable FIGURES names.

FIGURES is JSON: {"benchmark name": {"counter": [value of the first run, of the second, ...]}}.
Beside counters a benchmark may have "does": "fail" (an error as Google Benchmark reports it),
"exit", "hang" (until it is killed; tells its pid to the pipe READY if there is one) or "garbage"
(an output file that is no JSON); with "after": N it does so once N runs have gone well.
"""

import json
import os
import pathlib
import re
import signal
import sys

FIGURES = pathlib.Path(os.environ.get("FIGURES") or pathlib.Path(__file__).with_name("FIGURES"))


def flag(name):
    values = [a.partition("=")[2] for a in sys.argv[1:] if a.startswith(f"--benchmark_{name}=")]
    return values[-1] if values else None


def next_run(name):
    """How often this benchmark was run before."""
    file = FIGURES.with_name("RUNS")
    runs = json.loads(file.read_text()) if file.exists() else []
    file.write_text(json.dumps([*runs, name]))
    return runs.count(name)


def main():
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    if flag("list_tests") == "true":
        print("\n".join(figures))
        return
    name = next(name for name in figures if re.search(flag("filter"), name))
    run = next_run(name)
    entry = {"name": name, "run_type": "iteration", "iterations": 1, "repetition_index": 0}
    for counter, values in figures[name].items():
        if counter not in ("does", "after"):
            entry[counter] = values[run % len(values)]
    does = figures[name].get("does") if run >= figures[name].get("after", 0) else None
    if does == "hang":
        ready = FIGURES.with_name("READY")
        if ready.exists():  # a pipe: whoever waits for us is told
            ready.write_text(str(os.getpid()))
        signal.pause()
    if does == "exit":
        sys.exit("no more descriptors")
    if does == "fail":
        entry.update(error_occurred=True, error_message="posts were lost")
    text = "no figures" if does == "garbage" else json.dumps({"benchmarks": [entry]})
    pathlib.Path(flag("out")).write_text(text)
    if does == "fail":
        sys.exit("***WARNING*** some warning")


if __name__ == "__main__":
    main()
