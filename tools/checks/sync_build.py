# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Writes what the build files say about poller/, threading/ and runtime/ from what is in them.

  tools/sync_build           writes <folder>/BUILD.bazel and cmake/sources.cmake
  tools/sync_build --check   writes nothing; exits 1 and names each difference

Each header is one Bazel target, with the .cc of the same name. A .cc without a header of its own
name belongs to the longest header name it starts with (io_loop_timers.cc -> io_loop). A target's
dependencies are what its files include, no more and no less.
"""

import argparse
import difflib
import re
import sys

from checks.rooms import ROOMS, ROOT, users_of

LICENSE = """\
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
SYSTEM = {"zmq.h": "@libzmq", "zmq.hpp": "@cppzmq", "zmq_addon.hpp": "@cppzmq"}
# Abseil components whose name is not the header's: by the header's folder.
ABSL_FOLDERS = {
    "base": "core_headers",
    "hash": "hash",
    "memory": "memory",
    "strings": "strings",
    "synchronization": "synchronization",
    "time": "time",
}
ABSL_HEADERS = {"strings/str_format": "str_format"}
# The scheduler's tests compile copies.
SOURCES_AS_FILES = """
exports_files(
    glob([
        "*.cc",
        "*.h",
    ]),
    visibility = ["//tests/schedule:__pkg__"],
)
"""


class Problem(Exception):
    """Something in the tree that no build file can express."""


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def absl_component(header):
    folder_and_name = header[len("absl/") : -len(".h")]
    folder, _, name = folder_and_name.rpartition("/")
    return ABSL_HEADERS.get(folder_and_name) or ABSL_FOLDERS.get(folder, name)


def label_of(include, room):
    """The Bazel label that provides an included file, or None for the standard library's."""
    if include in SYSTEM:
        return SYSTEM[include]
    if include.startswith("absl/"):
        return "@absl//:" + absl_component(include)
    match = re.fullmatch(r"zmqloop/([\w/]+)/(\w+)\.h", include)
    if match and match.group(1) in ROOMS:
        other, name = match.groups()
        return ":" + name if other == room else "//%s:%s" % (other, name)
    if include.startswith("zmqloop/"):
        raise Problem('no target for #include "%s"' % include)
    return None


def targets(room):
    """The room's targets: name -> list of its files, the header first."""
    folder = ROOT / room
    found = {path.stem: [path] for path in sorted(folder.glob("*.h"))}
    for source in sorted(folder.glob("*.cc")):
        owners = [n for n in found if source.stem == n or source.stem.startswith(n + "_")]
        if not owners:
            raise Problem("%s/%s has no header it belongs to" % (room, source.name))
        found[max(owners, key=len)].append(source)
    return found


def attribute(name, values):
    if not values:
        return ""
    if len(values) == 1:
        return '    %s = ["%s"],\n' % (name, values[0])
    return "    %s = [\n%s    ],\n" % (name, "".join('        "%s",\n' % v for v in values))


def by_origin(label):
    """Buildifier's order: this package, other packages, other repositories."""
    return (label.startswith("@"), label.startswith("//"), label)


def visibility(room):
    users = users_of(room)
    if not users:
        return "OUTSIDE"
    if len(users) == 1:
        return 'OUTSIDE + ["//%s:__pkg__"]' % users[0]
    return "OUTSIDE + [\n%s]" % "".join('    "//%s:__pkg__",\n' % user for user in sorted(users))


def build_file(room):
    text = [
        LICENSE,
        "# Written by tools/sync_build from the folder's files and their includes.\n",
        'load("//tools:zmqloop.bzl", "OUTSIDE", "zmqloop_library")\n\n',
        "package(default_visibility = %s)\n" % visibility(room),
        SOURCES_AS_FILES,
    ]
    found = targets(room)
    if "room" in found:
        raise Problem("%s/room.h: the name is taken by the target of the whole room" % room)
    for name, files in sorted(found.items()):
        labels = {label_of(i, room) for path in files for i in includes(path)}
        deps = sorted(labels - {None, ":" + name}, key=by_origin)
        extra = [p.name for p in files[1:] if p.stem != name]
        attributes = attribute("extra_srcs", extra) + attribute("deps", deps)
        rule = '\nzmqloop_library(\n    name = "%s",\n%s)\n' % (name, attributes)
        text.append(rule if attributes else '\nzmqloop_library(name = "%s")\n' % name)
    text.append('\n# Every header of the room.\ncc_library(\n    name = "room",\n')
    text.append(attribute("deps", [":" + name for name in sorted(found)]) + ")\n")
    return "".join(text)


def cmake_list(name, values):
    return "set(%s\n%s)\n" % (name, "".join("    %s\n" % v for v in sorted(values)))


def sources_cmake():
    files = [p for room in ROOMS for ps in targets(room).values() for p in ps]
    files += [*ROOT.glob("*.h"), *ROOT.glob("*.cc")]  # zmqloop.h and version.h
    absl = {absl_component(i) for p in files for i in includes(p) if i.startswith("absl/")}
    relative = lambda paths: [p.relative_to(ROOT).as_posix() for p in paths]
    return "".join([
        LICENSE,
        "# Written by tools/sync_build from poller/, threading/ and runtime/.\n",
        cmake_list("ZMQLOOP_HEADERS", relative(p for p in files if p.suffix == ".h")),
        cmake_list("ZMQLOOP_SOURCES", relative(p for p in files if p.suffix == ".cc")),
        "# What they include of Abseil.\n",
        cmake_list("ZMQLOOP_ABSL_COMPONENTS", absl),
    ])


def main():
    parser = argparse.ArgumentParser(
        prog="tools/sync_build", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on differences")
    arguments = parser.parse_args()
    wanted = {ROOT / room / "BUILD.bazel": build_file(room) for room in ROOMS}
    wanted[ROOT / "cmake" / "sources.cmake"] = sources_cmake()
    stale = False
    for path, text in wanted.items():
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present == text:
            continue
        if arguments.check:
            stale = True
            name = path.relative_to(ROOT).as_posix()
            sys.stdout.writelines(difflib.unified_diff(
                present.splitlines(True), text.splitlines(True), name, name + " (expected)"))
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit("tools/sync_build: build files do not match the sources; run tools/sync_build")


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit("tools/sync_build: %s" % problem)
