# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Files that are there whole or not at all, also when the program is killed as it writes."""

import os
import tempfile


def check_writable(folder):
    """Raises OSError now if write_all() could not write to the folder later."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def write_all(folder, texts):
    """Writes {name: text} to the folder: first all beside their places, then each into its own."""
    beside = {}
    try:
        for name, text in texts.items():
            path = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
            beside[path] = os.path.join(folder, name)
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path, target in beside.items():
            os.replace(path, target)
    finally:
        for path in beside:
            if os.path.exists(path):
                os.unlink(path)
