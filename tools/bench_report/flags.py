# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What the user asks for on the command line."""

import argparse
import math
import re
import shlex

USAGE = """\
usage: tools/bench --compare [FLAG...]
       tools/bench --compare --baseline=REV [FLAG...]

Installs what is missing (Debian packages), builds the benchmarks with the rival libraries, and
measures all of them in interleaved rounds. Writes report.html and report.json.

With --baseline: builds the benchmarks of that commit and of this tree, its uncommitted changes
included, and measures each row of zmqloop for both in turn, without rivals. Prints a table of the
ratios, speed after over speed before, and whether any row is below 1 with its whole interval.
Writes report.json.

  --baseline=REV     compare this tree with an earlier commit of it: a hash, a tag, main, HEAD~1
  --rounds=N         how often each contender is measured (default: 9, and 25 with --baseline; fewer
                     than 5 judge nothing)
  --seconds=S        about how long to measure, all together
                     (default: a quarter of a second per measurement)
  --only=W1,W4       only these workloads: names, or how they begin
  --output=DIR       where to write (default: the current folder)
  --markdown         write the tables to report.md as well
  --from=FILE        measure nothing: make the report again from a report.json
  --program=PATH     build nothing of this tree: measure with this program; may be given several
                     times
  --under=COMMAND    run each measurement as the arguments of this command: "taskset -c 0"
  --help             print this and end

Ctrl-C ends the run, with --baseline after a table of the rounds so far; reports that were there
before stay as they were.
Exit status: 0 measured, 1 something failed or a row is below, 2 wrong usage, 130 interrupted.
"""

USUAL_ROUNDS, USUAL_ROUNDS_WITH_BASELINE = 9, 25
MOST_ROUNDS = 1000
MOST_SECONDS = 7 * 86_400
WORKLOAD = re.compile(r"[\w.-]+")


class FlagError(Exception):
    """The command line asks for nothing that can be done."""


class _Parser(argparse.ArgumentParser):
    """Complains as the other tools do."""

    def error(self, message):
        message = re.sub(r"^argument (--\w+)[^:]*: ", r"\1 ", message)
        message = message.replace("expected one argument", "needs a value")
        raise FlagError(message.replace("unrecognized arguments: ", "unknown argument "))


def parse(arguments):
    """The flags as attributes; raises FlagError with one line that says what is wrong."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--baseline", type=_revision)
    parser.add_argument("--rounds", type=_rounds)
    parser.add_argument("--seconds", type=_seconds)
    parser.add_argument("--only", type=_workloads)
    parser.add_argument("--output", default=".")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--from", dest="recorded")
    parser.add_argument("--program", dest="programs", action="append", default=[])
    parser.add_argument("--under", type=_command, default=[])
    parser.add_argument("--help", "-h", action="store_true")
    flags = parser.parse_args(arguments)
    if flags.rounds is None:
        flags.rounds = USUAL_ROUNDS_WITH_BASELINE if flags.baseline else USUAL_ROUNDS
    measuring = flags.baseline or flags.seconds or flags.only or flags.programs or flags.under
    if flags.recorded is not None and measuring:
        raise FlagError("--from measures nothing: it goes with --output and --markdown alone")
    return flags


def _refuse(need, text):
    raise argparse.ArgumentTypeError(f"needs {need}, not '{text[:60]}'")


def _revision(text):
    if not text:
        _refuse("a commit", text)
    return text


def _rounds(text):
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST_ROUNDS:
        _refuse(f"a whole number from 1 to {MOST_ROUNDS}", text)
    return int(text)


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MOST_SECONDS:
        _refuse(f"a number above 0 and up to {MOST_SECONDS}", text)
    return seconds


def _command(text):
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no command: {error}: '{text[:60]}'") from error
    if not words:
        _refuse("a command", text)
    return words


def _workloads(text):
    names = text.split(",")
    if not all(WORKLOAD.fullmatch(name) for name in names):
        _refuse("names of workloads, separated by commas", text)
    return names
