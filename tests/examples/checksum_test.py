#!/usr/bin/env python3
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Tests of examples/checksum as its users see it; the first argument is the program.

What it must print is what `find | sort | xargs sha256sum` prints. Nothing here sleeps: the program
is known to be at work once it has said something.
"""

import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import unittest

PROGRAM = None  # a copy that every user may run
LOOPS = (1, 2, 8)
HUGE = 1 << 40  # bytes, all of them holes: hours of hashing
TIME_LIMIT = 100  # seconds, after which a run counts as hung

PIPELINE = 'find "$@" -type f -print0 | sort -z | xargs -r -0 sha256sum'
ODD_NAMES = (
    b"space here", b"back\\slash", b"new\nline", b"carriage\rreturn", b"all\\three\n\r", b"tab\t",
    b"quo'te", b'double"quote', b"colon:", b"$(HOME)", b"*", b"-dash", b"--loops", b"esc\x1b[31m",
    b"\xff\xfe not UTF-8", "\N{SNOWMAN}".encode(), b".hidden", b"A", b"a", b"~", b"#", b"x" * 255,
)  # fmt: skip


def checksum(*arguments, **options):
    """Runs the program; returns (exit status, standard output, standard error)."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run([PROGRAM, *arguments], timeout=TIME_LIMIT, **options)
    return done.returncode, done.stdout, done.stderr


def pipeline(*paths, **options):
    """Returns what the shell's tools print for the paths; their errors are dropped."""
    return subprocess.run(
        ["bash", "-c", PIPELINE, "bash", *paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
        timeout=TIME_LIMIT,
        **options,
    ).stdout


def write(path, content=b"content"):
    with open(path, "wb") as file:
        file.write(content)


class Test(unittest.TestCase):
    """Each test has a folder of its own, and is in it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="checksum_test.", dir="/tmp")
        os.chmod(self.folder, 0o755)
        os.chdir(self.folder)
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.chdir, "/")

    def assert_table(self, actual, expected):
        """As assertEqual(), which takes minutes to show how two long tables differ."""
        if actual != expected:
            lines = zip(actual.splitlines(), expected.splitlines())
            first = next((pair for pair in lines if pair[0] != pair[1]), ("one ends", "early"))
            self.fail(f"{len(actual)} and {len(expected)} bytes, first difference: {first}")

    def assert_result(self, actual, status, table, errors=b""):
        self.assertEqual((actual[0], actual[2]), (status, errors))
        self.assert_table(actual[1], table)

    def assert_same_as_pipeline(self, *paths):
        expected = pipeline(*paths)
        for loops in LOOPS:
            with self.subTest(paths=paths, loops=loops):
                self.assert_result(checksum("--loops", str(loops), *paths), 0, expected)
        return expected


class Table(Test):
    def test_escapes_odd_names_as_sha256sum_does(self):
        os.mkdir("tree")
        for name in ODD_NAMES:
            write(b"tree/" + name, name)
            os.mkdir(b"tree/in " + name[:200])
            write(b"tree/in " + name[:200] + b"/file", name)
        expected = self.assert_same_as_pipeline("tree")
        self.assertEqual(expected.count(b"\n"), 2 * len(ODD_NAMES))

    def test_hashes_files_around_the_sizes_of_buffer_and_step(self):
        os.mkdir("tree")
        for size in (0, 1, 64, 1 << 18, 1 << 22, 9 << 20):
            for difference in (-1, 0, 1):
                if size + difference >= 0:
                    content = os.urandom(size + difference)
                    write(f"tree/{size}{difference:+}", content)
        self.assert_same_as_pipeline("tree")

    def test_sorts_by_byte_over_folders_many_files_and_paths(self):
        for folder in ("b", "b/c", "b.c", "b-c", "B", "a/deep/er/than/the/others"):
            os.makedirs(folder)
            for i in range(150):
                write(f"{folder}/{i}", str(i).encode())
        self.assertEqual(self.assert_same_as_pipeline(".").count(b"\n"), 900)
        self.assert_same_as_pipeline("b", "a", "B", "b-c", "b.c")

    def test_hashes_every_file_with_a_few_descriptors(self):
        os.mkdir("tree")
        for i in range(60):  # larger than a step: a loop has several of them open
            with open(f"tree/{i}", "wb") as file:
                file.truncate((4 << 20) + 1 + i)

        def limit_descriptors():
            resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

        result = checksum("--loops", "2", "tree", preexec_fn=limit_descriptors)
        self.assert_result(result, 0, pipeline("tree"))


class Paths(Test):
    def setUp(self):
        super().setUp()
        os.makedirs("tree/sub/empty")
        os.mkdir("empty")
        write("tree/file", b"1")
        write("tree/sub/file", b"2")
        write("-dash", b"3")
        os.symlink("tree", "link")
        os.symlink("tree/file", "filelink")
        os.symlink("nowhere", "dangling")
        os.symlink("file", "tree/link")
        os.symlink("sub", "tree/dirlink")
        os.symlink(".", "tree/looplink")
        os.mkfifo("tree/fifo")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind("tree/socket")
        if os.geteuid() == 0:
            try:
                os.mknod("tree/device", 0o20666, os.makedev(1, 5))  # /dev/zero: never ends
            except PermissionError:
                pass  # a container's root

    def test_names_what_it_finds_as_find_does(self):
        for path in ("tree", "tree/", "tree//", "./tree", "tree/../tree", ".", "./", ".//", "..//"):
            if path != "..//":
                self.assertIn(b"sub/file", self.assert_same_as_pipeline(path))
        for path in ("tree/file", "tree//file", "./-dash", self.folder):
            self.assertNotEqual(self.assert_same_as_pipeline(path), b"")

    def test_follows_a_link_only_with_a_slash_behind_it(self):
        for path in ("link", "filelink", "dangling", "tree/link", "tree/looplink"):
            self.assertEqual(self.assert_same_as_pipeline(path), b"")
        for path in ("link/", "link//", "link/sub", "link/file", "tree/dirlink/"):
            self.assertNotEqual(self.assert_same_as_pipeline(path), b"")

    def test_prints_nothing_for_what_holds_no_regular_file(self):
        for path in ("empty", "tree/fifo", "tree/socket"):
            self.assertEqual(self.assert_same_as_pipeline(path), b"")

    def test_prints_twice_what_is_given_twice(self):
        for paths in (("tree", "tree"), ("tree", "tree/sub"), ("tree/file", ".", "tree/file")):
            lines = self.assert_same_as_pipeline(*paths).splitlines()
            self.assertGreater(len(lines), len(set(lines)))

    def test_takes_everything_after_two_dashes_for_a_path(self):
        expected = pipeline("./-dash").replace(b"./-dash", b"-dash")
        self.assert_result(checksum("--", "-dash"), 0, expected)
        expected += pipeline("tree")
        self.assert_result(checksum("tree", "--loops", "2", "--", "-dash"), 0, expected)

    def test_takes_a_single_dash_for_a_path(self):
        write("-", b"4")
        expected = pipeline("./-").replace(b"./-", b"-")
        self.assert_result(checksum("-"), 0, expected)


class Errors(Test):
    def setUp(self):
        super().setUp()
        os.mkdir("tree")
        write("tree/file")

    def assert_fails(self, path, message, reason):
        expected = pipeline("tree")
        for loops in LOOPS:
            with self.subTest(path=path, loops=loops):
                result = checksum("--loops", str(loops), path, "tree")
                self.assert_result(result, 1, expected, f"checksum: {message}: {reason}\n".encode())

    def test_reports_a_path_that_does_not_exist(self):
        self.assert_fails("nowhere", "nowhere", "No such file or directory")
        self.assert_fails("", "''", "No such file or directory")
        self.assert_fails("tree/file/", "tree/file/", "Not a directory")
        self.assert_fails("tree/file/x", "tree/file/x", "Not a directory")
        self.assert_fails("y" * 256, "y" * 256, "File name too long")

    def test_quotes_what_a_terminal_would_take_for_commands(self):
        reason = "No such file or directory"
        self.assert_fails("two words", "'two words'", reason)
        self.assert_fails("two\nlines\x1b[31m", r"'two'$'\012''lines'$'\033''[31m'", reason)
        self.assert_fails("it's", r"'it'\''s'", reason)

    def test_reports_a_file_whose_reading_fails(self):
        self.assert_fails("/proc/self/mem", "/proc/self/mem", "Input/output error")

    def test_hashes_the_rest_where_permission_is_denied(self):
        for name in ("secret", "closed/inside", "open"):
            os.makedirs(os.path.dirname(f"tree/{name}"), exist_ok=True)
            write(f"tree/{name}")
        os.chmod("tree/secret", 0)
        os.chmod("tree/closed", 0)
        self.addCleanup(os.chmod, "tree/closed", 0o755)
        # Nothing is denied to root.
        as_user = {"user": "nobody"} if os.geteuid() == 0 else {}
        expected = pipeline("tree", **as_user)
        names = [line[66:] for line in expected.splitlines()]
        self.assertEqual(names, [b"tree/file", b"tree/open"])
        for loops in LOOPS:
            status, out, err = checksum("--loops", str(loops), "tree", **as_user)
            self.assertEqual((status, out), (1, expected))
            self.assertEqual(
                sorted(err.splitlines()),
                [
                    b"checksum: tree/closed: Permission denied",
                    b"checksum: tree/secret: Permission denied",
                ],
            )

    def test_reports_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            status, _, err = checksum("tree", stdout=full)
        self.assertEqual((status, err), (1, b"checksum: write error: No space left on device\n"))

        read_end, write_end = os.pipe()
        os.close(read_end)
        status, _, err = checksum("tree", stdout=write_end)
        os.close(write_end)
        self.assertEqual((status, err), (1, b"checksum: write error: Broken pipe\n"))

        status, _, err = checksum("tree", preexec_fn=lambda: os.close(1))
        self.assertEqual((status, err), (1, b"checksum: write error: Bad file descriptor\n"))

    def test_writes_all_to_a_slow_reader_that_made_the_pipe_non_blocking(self):
        for i in range(1500):
            write(f"tree/{i}")
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)  # it takes 64 KiB, then EAGAIN
        with subprocess.Popen([PROGRAM, "tree"], stdout=write_end) as process:
            os.close(write_end)
            with open(read_end, "rb") as pipe:
                output = pipe.read()
            self.assertEqual(process.wait(TIME_LIMIT), 0)
        self.assertGreater(len(output), 1 << 16)
        self.assert_table(output, pipeline("tree"))

    def test_works_without_standard_streams_it_does_not_need(self):
        def close_streams():
            os.close(0)
            os.close(2)

        status, out, _ = checksum("nowhere", "tree", preexec_fn=close_streams)
        self.assertEqual((status, out), (1, pipeline("tree")))


class Usage(Test):
    def test_refuses_wrong_arguments_with_one_line(self):
        for arguments, complaint in (
            ((), "no PATH given"),
            (("--",), "no PATH given"),
            (("--loops", "2"), "no PATH given"),
            (("--loops",), "--loops needs a number"),
            (("--bogus", "."), "unknown option --bogus"),
            (("-x", "."), "unknown option -x"),
            ((".", "--no\nline"), r"unknown option '--no'$'\012''line'"),
        ):
            with self.subTest(arguments=arguments):
                message = f"checksum: {complaint} (see checksum --help)\n"
                self.assertEqual(checksum(*arguments), (2, b"", message.encode()))

    def test_refuses_a_number_of_loops_that_is_none(self):
        for number in ("0", "abc", "100000", "4097", "-1", "+1", "2x", " 2", "1.5", "9" * 30, ""):
            for arguments in (("--loops", number, "."), (f"--loops={number}", ".")):
                with self.subTest(arguments=arguments):
                    status, out, err = checksum(*arguments)
                    self.assertEqual((status, out), (2, b""))
                    self.assertRegex(
                        err, rb"\Achecksum: --loops must be a number from 1 to 4096, not [^\n]*\n\Z"
                    )

    def test_explains_itself(self):
        status, out, err = checksum("--help")
        self.assertEqual((status, err), (0, b""))
        self.assertTrue(out.startswith(b"usage: checksum [--loops N] [--] PATH...\n"))

    def test_names_what_lacks_for_as_many_loops(self):
        def limit_descriptors():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        status, out, err = checksum("--loops", "1000", ".", preexec_fn=limit_descriptors)
        self.assertEqual((status, out), (1, b""))
        self.assertRegex(err, rb"\Achecksum: [^\n]*Too many open files[^\n]*\n\Z")


class Interruption(Test):
    def setUp(self):
        super().setUp()
        os.mkdir("tree")
        for i in range(8):
            with open(f"tree/huge{i}", "wb") as file:
                file.truncate(HUGE)

    def assert_ends_interrupted(self, signum, loops):
        # The path that does not exist comes first: once it is complained of, the job is running.
        process = subprocess.Popen(
            [PROGRAM, "--loops", str(loops), "nowhere", "tree"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.assertIn(b"nowhere", process.stderr.readline())
        process.send_signal(signum)
        out, err = process.communicate(timeout=TIME_LIMIT)
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertRegex(err, rb"\Achecksum: interrupted: 0 of [0-8] files done\n\Z")

    def test_ends_without_a_table_on_a_signal(self):
        for loops in LOOPS:
            for signum in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(loops=loops, signal=signum):
                    self.assert_ends_interrupted(signum, loops)


class Terminal(Test):
    """Runs the program with a terminal of its own, as its controlling one."""

    BYTES = rb"[\d.]+ (?:[KMGT]i)?B"
    PROGRESS = rb"\r\[=* *\] \d+ of \d+\+? files, " + BYTES + rb", " + BYTES + rb"/s\x1b\[K"

    def start(self, *arguments, columns=0):
        terminal, its_end = os.openpty()
        termios.tcsetwinsize(terminal, (24, columns))
        self.addCleanup(os.close, terminal)
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            stdin=its_end,
            stdout=subprocess.PIPE,
            stderr=its_end,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(its_end, termios.TIOCSCTTY, 0),
        )
        self.addCleanup(process.stdout.close)
        os.close(its_end)
        return process, terminal

    @staticmethod
    def read_until(terminal, pattern):
        """Returns what came until the pattern, or the terminal's end if that is None."""
        shown = b""
        while pattern is None or not re.search(pattern, shown):
            try:
                shown += os.read(terminal, 1 << 16)
            except OSError:  # EIO: nobody holds the other end any more
                break
        return shown

    def test_shows_progress_until_ctrl_c(self):
        with open("huge", "wb") as file:
            file.truncate(HUGE)
        process, terminal = self.start("huge")
        shown = self.read_until(terminal, self.PROGRESS + b".*" + self.PROGRESS)
        self.assertRegex(shown, self.PROGRESS)
        os.write(terminal, b"\x03")
        shown = self.read_until(terminal, None)
        self.assertEqual(process.wait(TIME_LIMIT), 130)
        self.assertEqual(process.stdout.read(), b"")
        # The bar is erased before the last line.
        self.assertTrue(
            shown.endswith(b"\r\x1b[Kchecksum: interrupted: 0 of 1 files done\r\n"), shown
        )

    def test_does_not_wrap_the_progress_in_a_narrow_terminal(self):
        with open("huge", "wb") as file:
            file.truncate(HUGE)
        process, terminal = self.start("huge", columns=20)
        shown = self.read_until(terminal, rb"\r[^\r]*\x1b\[K")
        self.assertRegex(shown, rb"\A\r\[=* *\x1b\[K")
        self.assertEqual(len(shown.split(b"\x1b")[0]), len(b"\r") + 19)
        process.terminate()
        self.read_until(terminal, None)
        self.assertEqual(process.wait(TIME_LIMIT), 130)

    def test_keeps_the_progress_out_of_the_table(self):
        write("file")
        process, terminal = self.start("file", "nowhere")
        out = process.stdout.read()
        shown = self.read_until(terminal, None)
        self.assertEqual(process.wait(TIME_LIMIT), 1)
        self.assertEqual(out, pipeline("file"))
        self.assertIn(b"checksum: nowhere: No such file or directory\r\n", shown)

    def test_shows_no_progress_without_a_terminal(self):
        with open("large", "wb") as file:
            file.truncate(1 << 28)  # some tenths of a second
        self.assert_same_as_pipeline("large")


def main():
    global PROGRAM
    folder = tempfile.mkdtemp(prefix="checksum_program.", dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        PROGRAM = shutil.copy(sys.argv.pop(1), os.path.join(folder, "checksum"))
        os.chmod(PROGRAM, 0o755)
        unittest.main(exit=False).result.wasSuccessful() or sys.exit(1)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
