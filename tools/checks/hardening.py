# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Looks at what was built for the hardening that docs/testing.md promises; names what it lacks.

  tools/check_hardening PROGRAM...    programs, or shared libraries

Of each: position-independent, no writable code and no executable stack, the tables that the dynamic
linker fills read-only once it has (RELRO, all symbols bound at the start), guards on the stack and
checked functions of the C library in use, no folder to search for libraries. Needs readelf. Exit status: 0 all there, 1 not, 2 wrong usage.
"""

import pathlib
import re
import subprocess
import sys


def readelf(flags, path):
    done = subprocess.run(["readelf", "-W", *flags, str(path)], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit("tools/check_hardening: readelf: " + done.stderr.strip())
    return done.stdout


def lacks(path):
    """What a program lacks, in words."""
    header, segments = readelf(["-h"], path), readelf(["-l"], path)
    dynamic, symbols = readelf(["-d"], path), readelf(["--dyn-syms"], path)
    stack = re.search(r"GNU_STACK\s.*?\s([RWE ]{3})\s+0x", segments)
    loads = re.findall(r"^\s+LOAD\s.*?\s([RWE ]{3})\s+0x", segments, re.MULTILINE)
    present = {
        "position-independent code": re.search(r"Type:\s+DYN", header),
        "a stack that is not executable": stack and "E" not in stack.group(1),
        "code that is not writable": loads and not any("W" in f and "E" in f for f in loads),
        "read-only relocations (RELRO)": "GNU_RELRO" in segments,
        "symbols bound at the start (BIND_NOW)": re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", dynamic),
        "code without relocations": "TEXTREL" not in dynamic,
        "no library folder of its own": not re.search(r"\((RPATH|RUNPATH)\)", dynamic),
        "guards on the stack": "__stack_chk_fail" in symbols,
        "checked functions of the C library": re.search(r"\b__\w+_chk\b", symbols),
    }
    return [what for what, there in present.items() if not there]


def main():
    paths = [pathlib.Path(word) for word in sys.argv[1:]]
    if not paths or any(not path.is_file() for path in paths):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    missing = 0
    for path in paths:
        for what in lacks(path):
            missing += 1
            print("%s lacks: %s" % (path.name, what))
    print("%d files looked at, %d lacks" % (len(paths), missing))
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
