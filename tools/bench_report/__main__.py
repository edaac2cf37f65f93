"""The command; flags.USAGE says what it does. Started by tools/bench."""

import json
import os
import signal
import sys

from bench_report import atomic_file, document, flags, markdown, page, session, tables, words
from bench_report.programs import ProgramError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """The command cannot be carried out."""


def main(arguments):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
    if asked.recorded is not None:
        report = load(asked.recorded)
        texts = render(report, asked)
    else:
        report = session.measure(asked, ["--compare", *arguments])
        recorded = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        texts = {"report.json": recorded, **render(report, asked)}
    atomic_file.write_all(asked.output, texts)
    if report["goals"]:
        print(f"{tables.as_text(report)}\n\nGoals: {words.score(report)}.")
    print(words.noise(report))
    for name in sorted(texts):
        print("wrote", os.path.join(asked.output, name))
    for failure in words.failures(report):
        complain(failure)
    return FAILED if report["failures"] else DONE


def render(report, asked):
    """What is written for people, by the names of the files."""
    try:
        texts = {"report.html": page.render(report)}
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
