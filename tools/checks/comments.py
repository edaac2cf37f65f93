# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Asserts how comments are written; exits 1 and names each breach.

  tools/check_comments             the whole tree
  tools/check_comments --list      also names each use of a word that is counted

 - The banner of a file, its first comment behind the license: labels such as "Threads:" begin a line
   of their own, and no line is broken in the middle of a sentence where more of it would have fit.
 - Few sentences without a subject: of 1,000 words in comments at most one "what" or "whatever", and
   at most one in 2,000 "who", "whom" or "whoever". They make a reader look for the noun.
"""

import itertools
import re
import sys

from checks.layering import LICENSE, sources, split_comment

LABELS = "Threads|Owns|Errors|Costs|Invariants|Public|Internal"
LABEL = re.compile(r"(?:%s)[:.,]" % LABELS)
INNER_LABEL = re.compile(r"[.:;] (?:%s)[:.](?: |$)" % LABELS)
# A line may end this much earlier than it could have.
SLACK = 20
WIDTH = 100
COUNTED = {"what, whatever": (re.compile(r"\bwhat(?:ever)?\b", re.IGNORECASE), 1.0),
           "who, whom, whoever": (re.compile(r"\bwho(?:m|ever)?\b", re.IGNORECASE), 0.5)}
WORD = re.compile(r"[A-Za-z']+")


def banner(lines):
    """(number, text) of the lines of the first comment behind the license."""
    behind_license = len(LICENSE) + 1
    lines = itertools.takewhile(lambda line: line.startswith("//"), lines[behind_license:])
    return list(enumerate(lines, behind_license + 1))


def continues(line, following):
    """Whether a line of a banner is plain text that the following line goes on with."""
    text, more = line[2:], following[2:]
    if not text.startswith(" ") or not more.startswith(" "):
        return False
    if text.startswith("  ") or more.startswith("  "):  # code, a list, or a label's second line
        return False
    return bool(more.strip()) and not LABEL.match(more[1:])


def check_banner(lines):
    found = banner(lines)
    for number, line in found:
        if INNER_LABEL.search(line):
            yield number, "a label in the middle of a line"
    for (number, line), (_, following) in zip(found, found[1:]):
        if not continues(line, following) or line.rstrip().endswith((".", ":")):
            continue
        if len(line) + 1 + len(following[3:].split(" ")[0]) <= WIDTH - SLACK:
            yield number, "a line that is broken in the middle of a sentence"


def count(files):
    """The words in comments, and the (file, line, text) of each counted kind."""
    words, uses = 0, {kind: [] for kind in COUNTED}
    for path, lines in files:
        for number, line in enumerate(lines, 1):
            comment = split_comment(line)[1]
            words += len(WORD.findall(comment))
            for kind, (pattern, _) in COUNTED.items():
                uses[kind] += [(path, number, line.strip())] * len(pattern.findall(comment))
    return words, uses


def main():
    files = list(sources())
    breaches = ["%s:%d: %s" % (path, number, text)
                for path, lines in files for number, text in check_banner(lines)]
    words, uses = count(files)
    for kind, (_, limit) in COUNTED.items():
        rate = 1000 * len(uses[kind]) / max(words, 1)
        text = "%d times %s: %.2f in 1,000 words" % (len(uses[kind]), kind, rate)
        print(text)
        if "--list" in sys.argv[1:]:
            print("".join("  %s:%d: %s\n" % use for use in uses[kind]), end="")
        if rate > limit:
            breaches.append(text + "; at most %g" % limit)
    print("\n".join(breaches + ["%d files looked at, %d breaches" % (len(files), len(breaches))]))
    sys.exit(1 if breaches or not files else 0)


if __name__ == "__main__":
    main()
