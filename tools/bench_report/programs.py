# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The benchmark programs: what they can measure, and one measurement of one contender."""

import dataclasses
import json
import os
import signal
import subprocess
import tempfile

TIME_LIMIT = 120  # seconds, after which a measurement counts as hung
STRUCTURE = {  # numbers of a Google Benchmark entry that are no figures
    "family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads",
}  # fmt: skip
GOOGLES_OWN = ("iterations:", "repeats:", "min_time:", "min_warmup_time:", "threads:")


class ProgramError(Exception):
    """A benchmark program could not do what it was asked."""


class ProgramHangs(ProgramError):
    """It did not end in time."""


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One contender in one workload: WORKLOAD/CONTENDER/AXIS:VALUE... of a program, and what Google
    Benchmark appends."""

    program: str
    full_name: str
    under: tuple[str, ...] = ()  # a command that runs its arguments

    @property
    def workload(self):
        """The workload at one place of its axes: different places are never compared."""
        return "/".join([self.full_name.split("/")[0], *self._axes()])

    @property
    def contender(self):
        return self.full_name.split("/")[1]

    @property
    def name(self):
        return "/".join([*self.full_name.split("/")[:2], *self._axes()])

    def _axes(self):
        rest = self.full_name.split("/")[2:]
        return [part for part in rest if ":" in part and not part.startswith(GOOGLES_OWN)]

    def command(self, seconds):
        return [
            *self.under,
            self.program,
            f"--benchmark_filter=^{_escape(self.full_name)}$",
            f"--benchmark_min_time={seconds:g}",
        ]


def _escape(text):
    """Takes their meaning from the characters that have one in POSIX and ECMAScript patterns."""
    return "".join("\\" + c if c in r".[]{}()*+?^$|\\" else c for c in text)


def run(command, time_limit=TIME_LIMIT):
    """Runs a command to its end, in a session of its own: whatever ends this program or the time
    limit takes its children along. Returns its output; raises ProgramError if it fails."""
    name = os.path.basename(command[0])
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(f"cannot run {command[0]}: {error.strerror}") from error
    try:
        out, err = process.communicate(timeout=time_limit)
    except subprocess.TimeoutExpired as error:
        raise ProgramHangs(f"{name} was still running after {time_limit} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        status = process.returncode
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise ProgramError(": ".join([f"{name} ended with {how}", *last]))
    return out.decode(errors="replace")


def list_benchmarks(program, under=()):
    """What the program can measure, in its order; names without a slash are none of ours."""
    names = run([*under, program, "--benchmark_list_tests=true"]).split("\n")
    return [Benchmark(program, name.strip(), tuple(under)) for name in names if "/" in name]


def measure(benchmark, seconds, prefix=(), time_limit=TIME_LIMIT):
    """Measures once, in a fresh process, for about so many seconds; returns the counters. What
    stands in `prefix` is run with the command as its arguments."""
    with tempfile.NamedTemporaryFile(prefix="zmqloop-bench.", suffix=".json") as file:
        output = [f"--benchmark_out={file.name}", "--benchmark_out_format=json"]
        try:
            run([*prefix, *benchmark.command(seconds), *output], time_limit)
        except ProgramHangs:
            raise
        except ProgramError as error:
            raise ProgramError(_reported_error(file.read()) or str(error)) from error
        return read_counters(file.read())


def _reported_error(text):
    """Why the benchmark failed, if it got as far as saying so in its output file."""
    try:
        return json.loads(text)["benchmarks"][0].get("error_message")
    except (ValueError, KeyError, IndexError):
        return None


def read_counters(text):
    """The counters of the one benchmark in Google Benchmark's JSON."""
    try:
        entries = json.loads(text)["benchmarks"]
        entry = next(e for e in entries if e.get("run_type", "iteration") == "iteration")
    except (ValueError, KeyError, StopIteration) as error:
        raise ProgramError("the program reported no figures") from error
    if entry.get("error_occurred"):
        raise ProgramError(entry.get("error_message", "the benchmark gave up"))
    return {
        name: float(value)
        for name, value in entry.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in STRUCTURE
    }
