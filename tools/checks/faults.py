# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Makes the system calls of a loop's life fail, one at a time, and judges what becomes of it.

  tools/check_faults               a sample of the faults, 340 or some more
  tools/check_faults --all         all of them
  tools/check_faults --only=NAME   those of one system call, or limit (RLIMIT_NPROC), all
  tools/check_faults --list        names them; none is tried

The program is what `bazel build --config=opt //tests/faults:loop_life` makes. strace lists the
calls that each thread of it makes in one life, with either poller. Then, in a run of its own each,
one call of one thread fails with each errno that it may fail with (PLAUSIBLE), or is interrupted by
a signal whose handler posts to the loop, without SA_RESTART. Besides, a life is given few
descriptors, few threads and little address space, from nothing on (LIMITS).

A fault is withstood if the life is complete all the same, or ends with an exception that has the
fault's errno, and if in both cases a second life is complete and leaves no descriptor or thread
behind that a process without a fault does not. A signal must leave the life complete. Where libzmq
ends the process (ABORTS), nobody could do better: those are counted apart and listed. Anything else
is a failure: another abort, a hang, a callback that was lost or ran twice, an error that names
another reason.

Threads that are blocked for signals get none: those of LoopThread and libzmq. Some counts of calls
vary from run to run, with who was faster; a fault whose call was not made is not counted. Nor is a
limit of threads where a process can be given none: root can, and who may make a user name space.
The last line is "N faults, M failed". Needs strace.
"""

import argparse
import collections
import concurrent.futures
import errno
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from checks.rooms import ROOT

PROGRAM = ROOT / "bazel-bin" / "tests" / "faults" / "loop_life"
POLLERS = ("epoll", "zmq_poll")
SAMPLE = 340
MAIN = 0  # threads are numbered in the order of their creation
SECONDS = 60
SPARE_DESCRIPTORS = 40
SPARE_THREADS = 2  # beyond those that a life starts
FIRST_KILOBYTES = 64
COMPLETED, CLEAR_ERROR, BROKEN, HUNG, NO_LIMIT = 0, 3, 4, 5, 6  # loop_life's exit status
SIGNAL = "SIGUSR1"

# ---- what may fail, and how ------------------------------------------------------------------------

ADDS = re.compile(r"^epoll_ctl\(.*EPOLL_CTL_ADD")
EVENTFD = re.compile(r"^\w+\(\d+<anon_inode:\[eventfd\]>")
FUTEX_WAIT = re.compile(r"^futex\(.*FUTEX_WAIT")
DUPLICATES = re.compile(r"^fcntl\(.*F_DUPFD")
DESCRIPTORS = ("EMFILE", "ENFILE", "ENOMEM")

# By system call: the errnos, and what a call has to look like. Left out: calls that cannot fail
# (getpid, sched_yield) or fail for a program's mistake only (rt_sigaction, timerfd_settime); close
# and munmap, which do what they are for even when they report an error; brk, which reports none.
PLAUSIBLE = {
    "clone": (("EAGAIN",), None),
    "clone3": (("EAGAIN", "ENOMEM", "ENOSYS"), None),
    "epoll_create1": (DESCRIPTORS, None),
    "epoll_ctl": (("ENOMEM", "ENOSPC"), ADDS),
    "epoll_wait": (("EINTR",), None),
    "eventfd2": (DESCRIPTORS, None),
    "fcntl": (("EMFILE",), DUPLICATES),
    "futex": (("EINTR", "EAGAIN"), FUTEX_WAIT),
    "getrandom": (("EINTR", "ENOSYS"), None),
    "lseek": (("ESPIPE",), None),
    "madvise": (("ENOMEM",), None),
    "membarrier": (("ENOSYS",), None),
    "mmap": (("ENOMEM",), None),
    "mprotect": (("ENOMEM",), None),
    "newfstatat": (("EACCES", "ENOENT"), None),
    "openat": (("EACCES", "ENOENT", "EMFILE"), None),
    "poll": (("EINTR",), None),
    "prctl": (("EPERM",), None),
    "prlimit64": (("EPERM",), None),
    "read": (("EIO", "EINTR"), None),
    "sched_getaffinity": (("EINVAL", "EPERM", "ENOSYS"), None),
    "sched_getparam": (("ENOSYS",), None),
    "sched_getscheduler": (("ENOSYS",), None),
    "sched_setaffinity": (("EINVAL", "EPERM"), None),
    "sched_setscheduler": (("ENOSYS",), None),
    "timerfd_create": (DESCRIPTORS + ("ENOSYS",), None),
    "write": (("EINTR",), None),
}
# What a life may have little of, and the errno that tells.
LIMITS = {
    "RLIMIT_NOFILE": ("descriptors", "EMFILE"),
    "RLIMIT_NPROC": ("threads", "EAGAIN"),
    "RLIMIT_AS": ("kilobytes", "ENOMEM"),
}
# Reading an eventfd fails for other reasons than reading a file does.
READ_EVENTFD = ("EAGAIN",)
NEVER_INTERRUPTED = {"exit", "exit_group", "rt_sigreturn", "getppid", "execve"}
# So the C library reports a stack that cannot be mapped, and libzmq a mailbox that it cannot open.
REPORTED_AS = {"ENOMEM": {"EAGAIN"}, "ENFILE": {"EMFILE"}}

# Where libzmq asserts that a call succeeds, and the process ends: system call, and file of libzmq.
# The first call of its kind that is JUST_TRIED is the library's own trial, and must not end so.
JUST_TRIED = "it was to be had a moment before, when the library tried"
PRIORITY = "a kernel without priorities of threads, which libzmq asks for and sets"
ABORTS = {
    ("clone3", "thread.cpp"): JUST_TRIED,
    ("mmap", "thread.cpp"): JUST_TRIED,
    ("mprotect", "thread.cpp"): JUST_TRIED,
    ("epoll_create1", "epoll.cpp"): JUST_TRIED,
    ("epoll_ctl", "epoll.cpp"): JUST_TRIED + "; or libzmq's thread watches a socket that was closed",
    ("eventfd2", "ip.cpp"): JUST_TRIED + " (libzmq returns EMFILE and ENFILE, but not ENOMEM)",
    ("read", "signaler.cpp"): "the eventfd holds a value then, and this thread alone reads it",
    ("write", "signaler.cpp"): "a write that need not wait is not interrupted",
    ("sched_getparam", "thread.cpp"): PRIORITY,
    ("sched_getscheduler", "thread.cpp"): PRIORITY,
    ("sched_setscheduler", "thread.cpp"): PRIORITY,
}

# Without memory both libraries end the process, whoever asked for it.
NO_MEMORY = (
    ("libzmq", re.compile(r"FATAL ERROR: OUT OF MEMORY \(src/")),
    ("glibc", re.compile(r"Fatal glibc error: .*out of memory")),
)
for library, _ in NO_MEMORY:
    ABORTS["RLIMIT_AS", library] = "it ends the process when it gets no memory"

Fault = collections.namedtuple("Fault", "poller name number thread nth kind")


def errnos_of(call):
    """The errnos that a call, as strace writes it, may plausibly fail with."""
    name = call.split("(", 1)[0]
    errnos, looks = PLAUSIBLE.get(name, ((), None))
    if looks and not looks.search(call):
        return ()
    if name == "read" and EVENTFD.search(call):
        return READ_EVENTFD
    return errnos


# ---- the calls of a life ---------------------------------------------------------------------------

LINE = re.compile(r"^(\d+) +(?:\[ *(\d+)\] )?(.*)$")
STARTS = ("clone", "clone3")
STARTED = re.compile(r"^clone3?\(.*\) = (\d+)$|^<\.\.\. clone3? resumed>.*\) = (\d+)$")


class Problem(Exception):
    """Something that keeps the faults from being tried."""


class Life:
    """What strace lists of one run without a fault: how often each thread makes which call."""

    def __init__(self, program, poller):
        self.poller = poller
        command = [str(program), "--poller=" + poller]
        with tempfile.TemporaryDirectory(prefix="zmqloop-faults-") as folder:
            log = os.path.join(folder, "calls")
            strace = ["strace", "-f", "-n", "-y", "-qq", "-o", log]
            done = subprocess.run(strace + command, capture_output=True, text=True,
                                  timeout=SECONDS, check=False)
            if done.returncode != COMPLETED:
                raise Problem("%s failed without a fault: %s" % (shlex.join(command), done.stderr))
            # Descriptors and threads at the end, and address space that the life has used.
            self.limit, kilobytes = done.stdout.split()
            self.kilobytes = int(kilobytes)
            self.read(pathlib.Path(log).read_text(encoding="utf-8", errors="replace"))

    def read(self, text):
        lines = [LINE.match(line).groups() for line in text.splitlines()]
        number_of = {lines[0][0]: MAIN}
        marks = collections.Counter()
        self.poster = MAIN  # the last thread that is started in the first life
        self.before = collections.Counter()  # calls of a thread before its life
        self.all = collections.Counter()  # calls of a thread from first to last
        self.calls = collections.defaultdict(list)  # those of the life, as written
        self.number = {}
        for _, _, call in lines:  # a thread's first calls may stand before its creator's
            for new in filter(None, STARTED.match(call).groups() if STARTED.match(call) else ()):
                number_of[new] = len(number_of)
        for thread_id, number, call in lines:
            if number is None or not re.match(r"\w+\(", call):
                continue
            thread, name = number_of[thread_id], call.split("(", 1)[0]
            self.number[name] = int(number)
            self.all[thread, name] += 1
            if name == "getppid":
                marks[thread] += 1
            elif marks[thread] == 0:
                self.before[thread, name] += 1
            elif marks[MAIN] == 1:
                self.calls[thread, name].append(call)
                self.poster = max(self.poster, thread)

    def pad(self, thread, name):
        """How many calls put a thread's count beyond any that another thread reaches."""
        others = [n for (t, c), n in self.all.items() if c == name and t != thread]
        return 100 + 2 * max(others) if others else 0

    def faults(self):
        for (thread, name), calls in sorted(self.calls.items()):
            for nth, call in enumerate(calls, 1):
                kinds = list(errnos_of(call))
                if thread in (MAIN, self.poster) and name not in NEVER_INTERRUPTED:
                    kinds.append(SIGNAL)
                for kind in kinds:
                    yield Fault(self.poller, name, self.number[name], thread, nth, kind)
        for name, counts in (("RLIMIT_NOFILE", range(SPARE_DESCRIPTORS)),
                             ("RLIMIT_NPROC", range(self.threads() + SPARE_THREADS)),
                             ("RLIMIT_AS", self.amounts_of_memory())):
            for spare in counts:
                yield Fault(self.poller, name, None, MAIN, spare, LIMITS[name][1])

    def threads(self):
        """How many threads are started in the life."""
        return sum(len(calls) for (_, name), calls in self.calls.items() if name in STARTS)

    def amounts_of_memory(self):
        """Kilobytes, from none to what the life needs, each a quarter more than the one before."""
        kilobytes = FIRST_KILOBYTES
        yield 0
        while kilobytes < self.kilobytes:
            yield kilobytes
            kilobytes += kilobytes // 4
        yield kilobytes


# ---- one fault -------------------------------------------------------------------------------------

ERROR = re.compile(r"^error (\d+): (.*)$", re.MULTILINE)
ASSERTION = re.compile(r"\(src/([\w.]+):\d+\)")
TERMINATED = re.compile(r"terminate called|escaped from")
INJECTED = re.compile(r"\(INJECTED\)$")
DELIVERED = re.compile(r"^--- %s " % SIGNAL)


class Trial:
    """One run with a fault: `outcome` is completed, error, abort, failed or missed."""

    def __init__(self, program, life, fault):
        self.fault, self.life = fault, life
        arguments = [str(program), "--poller=" + fault.poller, "--limit=" + life.limit]
        if fault.number is None:
            self.command = arguments + ["--spare=%d:%s" % (fault.nth, LIMITS[fault.name][0])]
            return
        pad = life.pad(fault.thread, fault.name)
        self.when = life.before[fault.thread, fault.name] + pad + fault.nth
        # A signal is not injected where the filter stops a call. Without it every call stops.
        what = "%s=%s" % ("signal" if fault.kind == SIGNAL else "error", fault.kind)
        quick = [] if fault.kind == SIGNAL else ["--seccomp-bpf"]
        self.command = [
            "strace", "-f", *quick, "-y", "-e", "trace=%s,getppid,execve" % fault.name,
            "-e", "inject=%s:%s:when=%d" % (fault.name, what, self.when), *arguments,
            "--pad=%d:%d:%d" % (fault.thread, fault.number, pad)]

    def __call__(self):
        with tempfile.TemporaryDirectory(prefix="zmqloop-faults-") as folder:
            log = os.path.join(folder, "calls")
            command = list(self.command)
            if self.fault.number is not None:
                command[1:1] = ["-o", log]
            self.status, self.output = run(command)
            text = ""
            if os.path.exists(log):
                text = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")
        self.outcome, self.detail = self.judge(text)
        return self

    def judge(self, log):
        if self.fault.number is not None:
            hit = self.where_hit(log)
            if hit is not True:
                return hit
        error = ERROR.search(self.output)
        if self.status == COMPLETED:
            return "completed", ""
        if self.status == NO_LIMIT:
            return "missed", "no such limit here"
        if self.status == CLEAR_ERROR and error and self.fault.kind != SIGNAL:
            wanted = {self.fault.kind} | REPORTED_AS.get(self.fault.kind, set())
            if errno.errorcode.get(int(error.group(1))) in wanted:
                return "error", error.group(2)
            return "failed", "an error for another reason"
        if self.status not in (-signal.SIGABRT, 128 + signal.SIGABRT):
            return "failed", {None: "no end", HUNG: "hung", BROKEN: "a promise broken"}.get(
                self.status, "exit status %s" % self.status)
        return self.judge_abort()

    def judge_abort(self):
        library = next((name for name, says in NO_MEMORY if says.search(self.output)), None)
        if self.fault.name == "RLIMIT_AS" and library and not TERMINATED.search(self.output):
            return "abort", library
        assertion = ASSERTION.search(self.output)
        if assertion:
            reason = ABORTS.get((self.fault.name, assertion.group(1)), "")
            tried_first = reason.startswith(JUST_TRIED) and self.fault[3:5] == (MAIN, 1)
            if reason and not tried_first:
                return "abort", assertion.group(1)
        return "failed", "aborted"

    def where_hit(self, log):
        """True if the one call was hit that was meant; else the outcome."""
        lines = [LINE.match(line).groups() for line in log.splitlines()]
        main = lines[0][0] if lines else ""  # the first of all calls is its execve
        pattern = DELIVERED if self.fault.kind == SIGNAL else INJECTED
        hits = [i for i, line in enumerate(lines) if pattern.search(line[2])]
        marks = [i for i, line in enumerate(lines) if line[0] == main and "getppid(" in line[2]]
        if not hits:
            if self.status != COMPLETED:
                return "failed", "without the fault"
            return "missed", "the call was not made"
        if len(hits) > 1:
            return "failed", "%d calls were hit" % len(hits)
        if not marks or hits[0] < marks[0] or hits[0] > [*marks, len(lines)][1]:
            return "missed", "hit before or after the life"
        thread, _, call = lines[hits[0]]
        if call.startswith("<..."):  # where it was begun, other threads' lines in between
            begun = self.fault.name + "("
            call = next(l[2] for l in lines[hits[0] - 1 :: -1]
                        if l[0] == thread and l[2].startswith(begun))
        if (thread == main) != (self.fault.thread == MAIN):
            return "failed", "another thread was hit"
        if self.fault.kind != SIGNAL and self.fault.kind not in errnos_of(call):
            return "missed", "another call, which cannot fail so"
        return True

    def name(self):
        f = self.fault
        if f.number is None:
            return "%s: %d %s" % (f.poller, f.nth, LIMITS[f.name][0])
        return "%s: %s %d of thread %d, %s" % (f.poller, f.name, f.nth, f.thread, f.kind)

    def report(self):
        tail = "\n".join("    " + line for line in self.output.strip().splitlines()[-6:])
        return "FAILED %s: %s\n%s\n    %s" % (
            self.name(), self.detail, tail, shlex.join(self.command))


def run(command):
    """(exit status or None if it did not end, standard error) of a command."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, errors="replace",
                               start_new_session=True)
    try:
        _, output = process.communicate(timeout=SECONDS)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[1]


# ---- all of them -----------------------------------------------------------------------------------

def sample(faults, most):
    """About `most` faults, at least one of each kind of each call, spread evenly."""
    groups = collections.defaultdict(list)
    for fault in faults:
        groups[fault.poller, fault.name, fault.kind].append(fault)
    share = min(1, most / len(faults))
    for group in groups.values():
        count = max(1, round(len(group) * share))
        for i in range(count):
            yield group[i * len(group) // count]


COLUMNS = ("completed", "error", "abort", "failed", "missed")


def table(trials):
    rows = collections.defaultdict(collections.Counter)
    for trial in trials:
        rows[trial.fault.name][trial.outcome] += 1
    head = ("", "faults", "completed", "clear error", "known aborts", "failed", "(not made)")
    yield "%-20s %7s %10s %12s %14s %7s %11s" % head
    total = collections.Counter()
    for name in sorted(rows):
        total.update(rows[name])
        yield row(name, rows[name])
    yield row("total", total)


def row(name, counts):
    made = sum(counts[c] for c in COLUMNS if c != "missed")
    return "%-20s %7d %10d %12d %14d %7d %11d" % (name, made, *(counts[c] for c in COLUMNS))


def known_aborts(trials):
    """A line for each place that is known to end the process, with the reason."""
    met = collections.Counter((t.fault.name, t.detail) for t in trials if t.outcome == "abort")
    for (name, file), count in sorted(met.items()):
        where = file if file in dict(NO_MEMORY) else "libzmq's " + file
        yield "%s in %s, %d times: %s" % (name, where, count, ABORTS[name, file])


def try_all(program, lives, faults, jobs):
    trials, started = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for trial in pool.map(lambda f: Trial(program, lives[f.poller], f)(), faults):
            trials.append(trial)
            if trial.outcome == "failed":
                print(trial.report(), flush=True)
            if sys.stderr.isatty():
                seconds = time.monotonic() - started
                print("\r%d of %d, %.0f s " % (len(trials), len(faults), seconds), end="",
                      file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return trials


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check_faults", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM, help="another loop_life")
    parser.add_argument("--all", action="store_true", help="try all faults, not only a sample")
    parser.add_argument("--only", metavar="NAME", help="try the faults of this call or limit, all")
    parser.add_argument("--list", action="store_true", help="name the faults")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                        help="runs at one time (default: %(default)s)")
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    if not program.exists():
        raise Problem("there is no %s; bazel build --config=opt //tests/faults:loop_life" % program)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lives = {poller: Life(program, poller) for poller in POLLERS}
    faults = [fault for life in lives.values() for fault in life.faults()]
    possible = len(faults)
    if arguments.only:
        faults = [fault for fault in faults if fault.name == arguments.only]
    elif not arguments.all:
        faults = list(sample(faults, SAMPLE))
    if not faults:
        raise Problem("no call is named %s" % arguments.only)
    if arguments.list:
        print("\n".join(Trial(program, lives[f.poller], f).name() for f in faults))
        return
    started = time.monotonic()
    trials = try_all(program, lives, faults, arguments.jobs)
    for line in [*table(trials), *known_aborts(trials)]:
        print(line)
    made = [t for t in trials if t.outcome != "missed"]
    failed = sum(t.outcome == "failed" for t in trials)
    print("%d of %d possible faults tried in %.0f s" % (
        len(trials), possible, time.monotonic() - started))
    print("%d faults, %d failed" % (len(made), failed))
    sys.exit(1 if failed or not made else 0)


if __name__ == "__main__":
    try:
        main()
    except (Problem, OSError) as problem:
        print("tools/check_faults: %s" % problem, file=sys.stderr)
        sys.exit(2)
