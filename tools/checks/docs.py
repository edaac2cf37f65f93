# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Asserts what can be checked of the documentation; exits 1 and names each breach.

 - relative links lead to a file of the tree, and to a heading of it where they name one;
 - files of the tree and Bazel targets named in `code` or in shell blocks exist;
 - each row of docs/tornado_map.md names a test that exists;
 - README has at most 200 lines.
"""

import re
import sys

from checks.rooms import ROOT

FOLDERS = "poller|threading|runtime|tests|benchmarks|examples|docs|tools|cmake|third_party"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?<![\w/@.<-])((?:%s)/[\w./-]*\w)(?![\w*<{])" % FOLDERS)
TARGET = re.compile(r"(?<![\w@:])//((?:[\w/]+)?):(\w+)")
README_LINES = 200
TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)
TEST_NAME = re.compile(r"`(\w+\.\w+)` \|$")


def anchors(text):
    """The names GitHub gives the headings of a document."""
    headings = re.findall(r"^#+\s+(.*?)\s*$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def check_link(document, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        return "the link %s leads nowhere" % target
    if anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
        return "%s has no heading #%s" % (path or document.name, anchor)
    return None


def exists_as(path):
    """A file, a folder, or a target or pair of files (`poller/waker`) named without suffix."""
    return any((ROOT / (path + suffix)).exists() for suffix in ("", ".h", ".cc"))


def check_names(code):
    for path in PATH.findall(code):
        if not exists_as(path):
            yield "there is no " + path
    for package, name in TARGET.findall(code):
        if not exists_as("%s/%s" % (package, name)) and not exists_as(name):
            build = ROOT / package / "BUILD.bazel"
            text = build.read_text(encoding="utf-8") if build.exists() else ""
            if '"%s"' % name not in text:  # in `name =`, or in the list of a macro
                yield "there is no target //%s:%s" % (package, name)


def check_tests(document, text):
    """The last column of the map names a test, in every row below a heading "Test"."""
    tests = {"%s.%s" % match for file in (ROOT / "tests").rglob("*_test.cc")
             for match in TEST.findall(file.read_text(encoding="utf-8"))}
    for line in text.splitlines():
        if not line.startswith("|") or line.startswith("|---") or line.endswith("| Test |"):
            continue
        match = TEST_NAME.search(line)
        if match is None:
            yield "a row without a test: " + line[:60]
        elif match.group(1) not in tests:
            yield "there is no test " + match.group(1)


def check(document):
    text = document.read_text(encoding="utf-8")
    prose = BLOCK.sub("", text)
    for target in LINK.findall(prose):
        yield check_link(document, target)
    for code in CODE.findall(prose):
        yield from check_names(code)
    for language, block in BLOCK.findall(text):
        if language in ("sh", "bash", "console"):
            yield from check_names(block)
    if document.name == "tornado_map.md":
        yield from check_tests(document, text)
    if document.name == "README.md" and document.parent == ROOT:
        lines = text.count("\n")
        if lines > README_LINES:
            yield "%d lines; at most %d" % (lines, README_LINES)


def main():
    documents = sorted(ROOT.glob("*.md")) + sorted(
        p for f in FOLDERS.split("|") for p in (ROOT / f).rglob("*.md"))
    breaches = []
    for document in documents:
        name = document.relative_to(ROOT)
        breaches += ["%s: %s" % (name, text) for text in check(document) if text]
    count = "%d documents looked at, %d breaches" % (len(documents), len(breaches))
    print("\n".join(breaches + [count]))
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
