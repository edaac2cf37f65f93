# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Weakens each memory order of threading/mailbox/, one at a time, and lists the scenario that notices.

  tools/check_orders [--schedules=N]    N schedules of each scenario, at most (default: 2000)

Runs what `bazel build --config=opt //tests/schedule:weakened_atomics_test` makes: there each atomic
operation of the shipped code is relaxed, and each read-modify-write done in two steps, until a
scenario fails. Here its list is compared with the text: an order that no scenario performs would be
weakened by nobody, and is a breach. Those that nothing notices have their argument in the code.
Exit status: 0 all accounted for, 1 not.
"""

import argparse
import re
import subprocess
import sys

from checks.rooms import ROOT

PROGRAM = ROOT / "bazel-bin" / "tests" / "schedule" / "weakened_atomics_test"
ORDER = re.compile(r"\bstd::memory_order_(acquire|release|acq_rel|seq_cst)\b")
TRIAL = re.compile(r"^(\w+\.(?:h|cc)):(\d+) ", re.MULTILINE)


def orders():
    """Where threading/mailbox/ asks the processor for an order: {(file, line)}."""
    return {(path.name, number)
            for path in sorted((ROOT / "threading" / "mailbox").glob("*.[hc]*"))
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if ORDER.search(line.split("//")[0]) and "atomic_signal_fence" not in line}


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check_orders", description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=2000, metavar="N")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("tools/check_orders: build //tests/schedule:weakened_atomics_test first")
    done = subprocess.run([str(PROGRAM), "--schedules=%d" % arguments.schedules],
                          capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr, end="")
    tried = {(file, int(line)) for file, line in TRIAL.findall(done.stdout)}
    missing = sorted(orders() - tried)
    for file, line in missing:
        print("threading/mailbox/%s:%d: an order that no scenario performs" % (file, line))
    print("%d orders in threading/mailbox/, %d not tried" % (len(orders()), len(missing)))
    sys.exit(1 if missing or done.returncode != 0 else 0)


if __name__ == "__main__":
    main()
