# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Runs tools/bench --compare for tests, each in a folder of its own."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).absolute().parent.parent.parent / "tools"
TIME_LIMIT = 100  # seconds, after which a run counts as hung


class InFolder(unittest.TestCase):
    """Each test has a folder of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench_report_test.", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())


class ToolRuns(InFolder):
    """Starts the command in a process; `tools` may be changed to a copy of it."""

    def setUp(self):
        super().setUp()
        self.tools = TOOLS
        self.environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.output = self.folder / "out"

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "bench_report", f"--output={self.output}", *arguments],
            env={**self.environment, "PYTHONPATH": str(self.tools)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_tool(self, *arguments):
        """Runs it to its end; returns (exit status, standard output, standard error)."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=TIME_LIMIT)
        return process.returncode, out, err

    def written(self):
        return sorted(path.name for path in self.output.iterdir()) if self.output.exists() else []
