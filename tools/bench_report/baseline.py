# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The commit to compare with: found, unpacked beside the tree, built from its own sources.

Its layout does not matter: it builds with Bazel and --config=opt, and its programs are those of
//benchmarks.
"""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import tempfile

from bench_report import builds, programs
from bench_report.flags import FlagError

PERSONAL_SETTINGS = "user.bazelrc"  # not under version control; both sides are built with them


def resolve(revision):
    """The full hash of the commit that is called so; raises FlagError if there is none."""
    _git("rev-parse", "--git-dir", needed_for="--baseline needs a checkout made by git clone")
    return _git(
        "rev-parse", "--verify", "--end-of-options", revision + "^{commit}",
        needed_for=f"--baseline needs a commit of this checkout, and '{revision[:60]}' is none "
                   "(git log lists them, git fetch brings more)",
    )  # fmt: skip


def _git(*arguments, needed_for):
    try:
        done = subprocess.run(
            ["git", "-C", builds.ROOT, *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise FlagError(f"{needed_for}: cannot run git: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise FlagError(": ".join([needed_for, *(line.removeprefix("fatal: ") for line in said)]))
    return done.stdout.strip()


@contextlib.contextmanager
def scratch_folder():
    """A folder that is removed however this ends; Ctrl-C waits for that."""
    folder = tempfile.TemporaryDirectory(prefix="zmqloop-bench.", ignore_cleanup_errors=True)
    try:
        yield pathlib.Path(folder.name)
    finally:
        interrupts = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts)
        folder.cleanup()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def build(commit, revision, folder):
    """Builds the commit in the folder; returns the paths of its programs."""
    tree = folder / "tree"
    unpack(commit, tree)
    paths = builds.build(tree, folder / "output")
    if paths is None:
        raise programs.ProgramError(
            f"the baseline {revision} ({commit[:12]}) does not build, see above; --baseline needs "
            "a commit of which bazel builds //benchmarks with --config=opt"
        )
    return keep(paths, folder / "old")


def unpack(commit, tree):
    """Writes the sources of the commit to a new folder. A git worktree would leave traces in the
    checkout if this were killed."""
    tree.mkdir()
    archive = tree.with_suffix(".tar")
    for command in (
        ["git", "-C", builds.ROOT, "archive", "--format=tar", f"--output={archive}", commit],
        ["tar", "-xf", archive, "-C", tree],
    ):
        if subprocess.run(command, check=False).returncode:
            raise programs.ProgramError("the baseline could not be unpacked, see above")
    archive.unlink()
    personal = builds.ROOT / PERSONAL_SETTINGS
    if personal.exists():
        shutil.copy(personal, tree)


def keep(paths, folder):
    """Copies of the programs, which stay as they are while the tree is built anew."""
    folder.mkdir()
    return [shutil.copy(path, folder) for path in paths]
