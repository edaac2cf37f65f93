# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Asserts the rules of the source tree that the compiler does not; exits 1 and names each breach.

 - a room of the library includes only itself and rooms of lower floors (tools/checks/rooms.py); no
   include cycle, a header and its .cc counting as one;
 - std::memory_order only in threading/, each with a comment on its line or the four lines above;
 - no condition variables but where threads wait that run no loop;
 - no sleeping in tests; no threads in those that BUILD.bazel says have one_thread;
 - headers of at most 250 lines of code, sources of at most 450; prose is not counted;
 - include guards named after the path, and the license in the first two lines.
"""

import re
import sys

from checks.rooms import ROOMS, ROOT, may_include

LAYERS = {room.split("/")[0] for room in ROOMS}
FOLDERS = [*sorted(LAYERS), "tests", "benchmarks", "examples"]
LICENSE = [
    "// SPDX-FileCopyrightText: The zmqloop authors",
    "// SPDX-License-Identifier: Apache-2.0",
]
MAX_LINES = {".h": 250, ".cc": 450}
COMMENT_REACH = 4
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|(//.*)')
ORDER = re.compile(r"\bmemory_order(?:_|::)?\w*")
# A coroutine that awaits zmqloop::sleep_for does not make a test sleep.
SLEEP = re.compile(r"(?<!co_await )\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")

# The C library's may lose a wake-up (glibc bug 25847): a loop must not wait for one.
CONDITION = re.compile(r"\bcondition_variable|\bCondVar\b|\bpthread_cond_")
MAY_WAIT_FOR_CONDITIONS = {"runtime/futures/future_state", "runtime/stalls/stall_watchdog"}

ONE_THREAD = re.compile(r"\bone_thread = \[([^]]*)\]")
THREADS = re.compile(r"\b(?:std::j?thread|pthread_\w+|NamedThread|LoopThread|LoopPool)\b")


def split_comment(line):
    """(code, comment) of a line; a // inside a string literal is code."""
    for match in COMMENT.finditer(line):
        if match.group(1):
            return line[: match.start(1)], match.group(1)
    return line, ""


def check_includes(path, lines, graph):
    room = path.parent.as_posix()
    if path.parts[0] not in LAYERS:
        return
    if room not in ROOMS:
        yield 1, "%s/ is not a room of the library: tools/checks/rooms.py" % room
        return
    module = path.with_suffix("").as_posix()
    edges = graph.setdefault(module, set())
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, header = match.groups()
        parts = header.split("/")
        if parts[0] == "zmqloop":
            parts = parts[1:]
            other = "/".join(parts[:-1])
            if other not in ROOMS or not may_include(room, other):
                yield number, "%s/ may not include %s" % (room, header)
            edges.add("/".join(parts)[: -len(".h")])
        elif parts[0] in FOLDERS or (
            bracket == '"' and (ROOT / path.parent / header).exists()
        ):
            yield number, 'include it as "zmqloop/..."'


def check_orders(path, lines):
    split = [split_comment(line) for line in lines]
    for index, (code, comment) in enumerate(split):
        if not ORDER.search(code):
            continue
        if path.parts[0] != "threading":
            if path.parts[0] in LAYERS:
                yield index + 1, "std::memory_order belongs in threading/"
        elif not any(c for _, c in split[max(0, index - COMMENT_REACH) : index + 1]):
            yield index + 1, "std::memory_order without its reason within four lines"


def check_conditions(path, lines):
    if path.parts[0] not in LAYERS:
        return
    if path.with_suffix("").as_posix() in MAY_WAIT_FOR_CONDITIONS:
        return
    for number, line in enumerate(lines, 1):
        if CONDITION.search(split_comment(line)[0]):
            yield number, "a condition variable, which loops do not wait for"


def check_sleeps(path, lines):
    if path.parts[0] != "tests":
        return
    for number, line in enumerate(lines, 1):
        if SLEEP.search(split_comment(line)[0]):
            yield number, "a test sleeps"


def check_one_thread(path, lines):
    build = ROOT / path.parent / "BUILD.bazel"
    listed = ONE_THREAD.search(build.read_text()) if build.exists() else None
    if not listed or '"%s"' % path.name not in listed.group(1):
        return
    for number, line in enumerate(lines, 1):
        if THREADS.search(split_comment(line)[0]):
            yield number, "a thread, in a test that %s has one_thread" % build.relative_to(ROOT)


def check_length(path, lines):
    limit = MAX_LINES[path.suffix]
    count = sum(1 for line in lines if split_comment(line)[0].strip())
    if path.parts[0] in LAYERS and count > limit:
        yield len(lines), "%d lines of code; at most %d" % (count, limit)


def check_guard(path, lines):
    if path.suffix != ".h":
        return
    guard = "ZMQLOOP_%s_" % re.sub(r"\W", "_", path.as_posix()).upper()
    if "#ifndef " + guard not in lines:
        yield 1, "include guard should be " + guard


def check_license(_, lines):
    if lines[: len(LICENSE)] != LICENSE:
        yield 1, "should begin with the two SPDX lines"


CHECKS = (
    check_orders,
    check_conditions,
    check_sleeps,
    check_one_thread,
    check_length,
    check_guard,
    check_license,
)


def cycles(graph):
    """One message per cycle met in a depth-first walk."""
    done, stack, found = set(), [], []

    def visit(module):
        if module in stack:
            found.append("include cycle: " + " -> ".join([*stack[stack.index(module) :], module]))
            return
        if module in done:
            return
        stack.append(module)
        for other in sorted(graph.get(module, ())):
            if other != module:
                visit(other)
        stack.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)
    return found


def sources():
    """(path, lines) of each C++ file of the tree."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in MAX_LINES:
                yield file.relative_to(ROOT), file.read_text(encoding="utf-8").splitlines()


def main():
    files = list(sources())
    breaches, graph = [], {}
    for path, lines in files:
        for check in CHECKS:
            breaches += ["%s:%d: %s" % (path, n, text) for n, text in check(path, lines)]
        breaches += ["%s:%d: %s" % (path, n, t) for n, t in check_includes(path, lines, graph)]
    breaches += cycles(graph)
    print("\n".join(breaches + ["%d files looked at, %d breaches" % (len(files), len(breaches))]))
    sys.exit(1 if breaches or not files else 0)


if __name__ == "__main__":
    main()
