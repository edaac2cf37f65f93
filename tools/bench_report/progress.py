# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""How far a long run is, and how long it will take: a line on a terminal, else plain lines."""

import shutil
import time


def duration(seconds):
    """A length of time as people say it."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


class Progress:
    """Shows steps on `stream` as they begin; milestones only where there is no line to redraw."""

    BETWEEN = 0.1  # seconds between two drawings

    def __init__(self, stream):
        self._stream = stream
        self._terminal = stream.isatty()
        self._shown_at = None

    def step(self, activity, fraction, remaining):
        """Shows what begins now, the part done and the seconds left."""
        now = time.monotonic()
        if not self._terminal or (self._shown_at and now - self._shown_at < self.BETWEEN):
            return
        self._shown_at = now
        line = f"{100 * fraction:3.0f} %  {activity}  {duration(remaining)} left"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r\033[K" + line[:width])
        self._stream.flush()

    def milestone(self, text):
        """Prints a line that stays, where no line is redrawn."""
        if not self._terminal:
            print(text, file=self._stream, flush=True)

    def clear(self):
        """Removes the line, so that something else can be printed in its place."""
        if self._shown_at is not None:
            self._shown_at = None
            self._stream.write("\r\033[K")
            self._stream.flush()
