#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What the library refuses to compile, it refuses with a sentence that says what to do instead.

Each case is a statement that must not compile, what the compiler must say of it, and a neighbour
that must compile: so that a refusal is not a mistake in the case.
"""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile

Case = collections.namedtuple("Case", "name refused sentence accepted")

HEADER = '#include "zmqloop/zmqloop.h"\n'
PROGRAM = """
#include "all.h"
using namespace zmqloop;
inline Task<int> coroutine() { co_return 1; }
void use(IOLoop& loop, LoopPool& pool, LoopOptions& options) {
  static_cast<void>(loop), static_cast<void>(pool), static_cast<void>(options);
  %s
}
"""

CASES = [
    Case("a coroutine in an executor",
         "loop.run_in_executor(pool, coroutine);",
         "a coroutine blocks nobody: use spawn(loop, f), or pool.submit(f)",
         "spawn(loop, coroutine); pool.submit(coroutine);"),
    Case("a coroutine lambda in an executor",
         "loop.run_in_executor(pool, []() -> Task<void> { co_return; });",
         "a coroutine blocks nobody: use spawn(loop, f), or pool.submit(f)",
         "loop.run_in_executor(pool, [] { return Promise<int>().get_future(); });"),
    Case("a coroutine as a LoopThread's on_thread_start",
         "LoopThread::Options of_thread; of_thread.on_thread_start = coroutine;",
         "nobody would run the task that this hook returns: have the hook spawn it",
         "LoopThread::Options of_thread;"
         "of_thread.on_thread_start = [] { spawn(IOLoop::current(), coroutine()); };"),
    Case("a coroutine as a LoopThread's on_thread_end",
         "LoopThread::Options of_thread;"
         "of_thread.on_thread_end = []() -> Task<void> { co_return; };",
         "nobody would run the task that this hook returns: have the hook spawn it",
         "LoopThread::Options of_thread; of_thread.on_thread_end = [] {};"),
    Case("a coroutine as a LoopPool's on_thread_start",
         "LoopPool::Options of_pool;"
         "of_pool.on_thread_start = [](std::size_t) -> Task<void> { co_return; };",
         "nobody would run the task that this hook returns: have the hook spawn it",
         "LoopPool::Options of_pool; of_pool.on_thread_start = [](std::size_t) {};"),
    Case("a future from a LoopPool's on_thread_end",
         "LoopPool::Options of_pool;"
         "of_pool.on_thread_end = [](std::size_t) { return Future<int>(); };",
         "nobody would run the task that this hook returns: have the hook spawn it",
         "options.high_water_mark = 1;"
         "options.on_high_water = [](std::uint64_t) { return Future<int>(); };"),
    Case("a callback that takes what nobody gives",
         "loop.add_callback([](int) {});", "CallableWith<F, A ...>",
         "loop.add_callback([](int) {}, 1);"),
    Case("a callback with one argument too many",
         "loop.add_callback([](int) {}, 1, 2);", "CallableWith<F, A ...>",
         "loop.add_callback([](int, int) {}, 1, 2);"),
    Case("no callable at all",
         "loop.add_callback(7);", "CallableWith<F, A ...>", "loop.add_callback([] {});"),
    Case("a timer that takes what nobody gives",
         "loop.call_later(std::chrono::seconds(1), [](int) {});",
         "CallableWith<F, A ...>",
         "loop.call_later(std::chrono::seconds(1), [](int) {}, 1);"),
    Case("a submission that takes what nobody gives",
         "loop.submit([](int) {});", "CallableAgainWith<F>", "loop.submit([] {});"),
    Case("a handler of the wrong shape",
         "loop.add_handler(0, [](int) {}, IOLoop::kRead);",
         "CallableWithOrWithout<F, zmqloop::Pollable, zmqloop::Events>",
         "loop.add_handler(0, [](Pollable, Events) {}, IOLoop::kRead);"
         "loop.add_handler(1, [] {}, IOLoop::kRead);"),
    Case("a signal handler of the wrong shape",
         "loop.add_signal_handler(1, [](IOLoop&) {});",
         "CallableWithOrWithout<F, int>",
         "loop.add_signal_handler(1, [](int) {}); loop.add_signal_handler(1, [] {});"),
    Case("a continuation without the future",
         "Promise<int>().get_future().then(loop, [] {});",
         "CallableAgainWith<F, zmqloop::Future<T> >",
         "Promise<int>().get_future().then(loop, [](Future<int>) {});"),
    Case("a broadcast without the loop",
         "pool.broadcast([] {});",
         "CallableWith<F, std::reference_wrapper<zmqloop::IOLoop> >",
         "pool.broadcast([](IOLoop&) {});"),
    Case("a coroutine as an action of stalls",
         "options.on_stall = [](const StallReport&) -> Task<void> { co_return; };",
         "nobody would run the task that this hook returns: have the hook spawn it",
         "options.on_stall = [](const StallReport&) {};"),
    Case("a coroutine where a future is ready",
         "Promise<int>().get_future().on_ready(coroutine);",
         "nobody would run the task that this returns: use IOLoop::add_future",
         "Promise<int>().get_future().on_ready([] {});"),
]


def include_paths(root):
    """The folders below which the library's headers stand as zmqloop/..."""
    found = {str(path.parent) for path in root.rglob("zmqloop") if path.is_dir()}
    return sorted("-I" + folder for folder in found)


def compiler(*arguments):
    """Runs it; returns what it says if that is a refusal, else nothing."""
    run = subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", *arguments],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                         check=False)
    return run.stdout if run.returncode != 0 else ""


def precompiled(folder, flags):
    """Has the headers read once; returns flags that use them."""
    (folder / "all.h").write_text(HEADER)
    errors = compiler(*flags, "-x", "c++-header", str(folder / "all.h"), "-o",
                      str(folder / "all.h.gch"))
    if errors:
        sys.exit("the headers do not compile:\n" + errors)
    return ["-I" + str(folder), *flags]


def compile_errors(statement, flags):
    """What the compiler says of a program with that statement; empty if it compiles."""
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as source:
        source.write(PROGRAM % statement)
        source.flush()
        return compiler("-fsyntax-only", *flags, source.name)


def breaches(case, flags):
    errors = compile_errors(case.refused, flags)
    if not errors:
        yield "compiles"
    elif case.sentence not in errors:
        yield "does not say %r but:\n%s" % (case.sentence, errors)
    errors = compile_errors(case.accepted, flags)
    if errors:
        yield "the neighbour does not compile:\n" + errors


def main():
    flags = include_paths(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        flags = precompiled(pathlib.Path(folder), flags)
        for case in CASES:
            found = list(breaches(case, flags))
            for breach in found:
                print("%s: %s" % (case.name, breach))
            wrong += bool(found)
    print("%d cases, %d wrong" % (len(CASES), wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
