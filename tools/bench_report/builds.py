# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Builds the benchmark programs of this tree or of another checkout, by tools/build_programs.

All that is printed meanwhile goes to standard error: standard output is for results.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from bench_report import programs

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "tools" / "build_programs"
PATIENCE = 60  # seconds in which an interrupted build should have ended


def install_packages():
    """Installs the packages of a build; may ask for a password, and so runs in this session."""
    if subprocess.run([SCRIPT, "--packages"], stdout=sys.stderr, check=False).returncode:
        raise programs.ProgramError("nothing was built: packages are missing, see above")


def build(tree=None, output=None):
    """The paths of the programs, or None if they do not build; Bazel has said why. Without a tree
    those of this one; another one has its output in a folder of its own."""
    with tempfile.NamedTemporaryFile("r", prefix="zmqloop-bench.", suffix=".programs") as file:
        if _run([SCRIPT, file.name, *([tree, output] if tree else [])]) != 0:
            return None
        return file.read().split("\n")[:-1]


def _run(command):
    """The exit status. The command has a session of its own, so that an interrupt of this program
    reaches Bazel too; it gets time to stop the compilers and its server."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        raise
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
