# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The command; flags.USAGE says what it does. Started by tools/bench."""

import json
import os
import signal
import sys

from bench_report import (
    atomic_file, document, flags, gate, gate_session, gate_text, markdown, page, session, tables,
    words,
)  # fmt: skip
from bench_report.programs import ProgramError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """The command cannot be carried out."""


def main(arguments):
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's
            signal.signal(number, signal.default_int_handler)
    try:
        asked = flags.parse(arguments)
        if asked.help:
            print(flags.USAGE, end="")
            return DONE
        return make_report(asked, arguments)
    except flags.FlagError as error:
        complain(f"{error}; see tools/bench --compare --help")
        return WRONG_USAGE
    except (Failure, ProgramError) as error:
        complain(str(error))
        return FAILED
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted, no report was written")
        return INTERRUPTED


def complain(text):
    """One line, whatever was typed or a program said."""
    line = "".join(c if c.isprintable() else "?" for c in text)
    print(f"tools/bench: {line}", file=sys.stderr)


def make_report(asked, arguments):
    """Everything that could fail for the user's sake is tried before minutes of measuring."""
    os.makedirs(asked.output, exist_ok=True)
    atomic_file.check_writable(asked.output)
    interrupted = False
    if asked.recorded is not None:
        report = load(asked.recorded)
    elif asked.baseline:
        report, interrupted = gate_session.measure(asked, ["--compare", *arguments])
    else:
        report = session.measure(asked, ["--compare", *arguments])
    texts = render(report, asked)
    if asked.recorded is None:
        recorded = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        texts = {"report.json": recorded, **texts}
    if not interrupted:
        atomic_file.write_all(asked.output, texts)
    show = show_comparison if is_comparison(report) else show_report
    status = show(report, [] if interrupted else sorted(texts), asked.output)
    if interrupted:
        complain("interrupted, the table holds the rounds so far and no report was written")
        return INTERRUPTED
    return status


def is_comparison(report):
    """Whether it compares with a baseline, not with rivals."""
    return "baseline" in report


def show_report(report, written, output):
    """Prints the goals; returns the exit status."""
    if report["goals"]:
        print(f"{tables.as_text(report)}\n\nGoals: {words.score(report)}.")
    print(words.noise(report))
    show_files(report, written, output)
    return FAILED if report["failures"] else DONE


def show_comparison(report, written, output):
    """Prints the rows, and last whether any is below; returns the exit status."""
    print(gate_text.as_text(report))
    show_files(report, written, output)
    print(gate_text.conclusion(report))
    return DONE if gate.passed(report) else FAILED


def show_files(report, written, output):
    for name in written:
        print("wrote", os.path.join(output, name))
    sys.stdout.flush()  # where both go to one file, complaints keep their place
    for failure in words.failures(report):
        complain(failure)


def render(report, asked):
    """What is written for people, by the names of the files."""
    texts = {}
    try:
        if is_comparison(report):
            gate_text.as_text(report)
            if asked.markdown:
                texts["report.md"] = gate_text.as_markdown(report)
        else:
            texts["report.html"] = page.render(report)
            if asked.markdown:
                texts["report.md"] = markdown.render(report)
    except (KeyError, TypeError) as error:
        if asked.recorded is None:
            raise
        raise Failure(f"{asked.recorded} is no report.json") from error
    return texts


def load(path):
    """A report that was written earlier."""
    with open(path, encoding="utf-8") as file:
        try:
            report = json.load(file)
            known = report["format"] == document.FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"{path} is no report.json") from error
    if not known:
        raise Failure(f"{path} was written by another version of this tool")
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
