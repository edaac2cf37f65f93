# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What the BUILD files share: compiler flags, visibility, and one macro per kind of target."""

# In the targets, not in .bazelrc: the library is also built in workspaces that have one of their own.
STANDARD = ["-std=c++20"]

# Also in CMakeLists.txt.
_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wnon-virtual-dtor",
    "-Wold-style-cast",
    "-Wformat=2",
    "-Werror",
]

# Of everything but the library, which only this workspace builds.
ZMQLOOP_COPTS = STANDARD + _WARNINGS

def library_copts():
    """Flags of the library: with warnings in this workspace alone. Another one may use a compiler
    that finds something new to warn of."""
    return STANDARD + (_WARNINGS if _is_at_home() else [])

def _is_at_home():
    return native.repository_name() == "@"

# Everything but the library itself may use every room of it. Between rooms tools/checks/rooms.py says
# which may use which.
OUTSIDE = [
    "//:__pkg__",
    "//benchmarks:__subpackages__",
    "//examples:__subpackages__",
    "//tests:__subpackages__",
]

# Unit tests take the compiler half the time so; what they assert does not depend on it.
LIGHTLY_OPTIMISED = select({
    "//tools:optimised": ["-O1", "-g0"],
    "//conditions:default": [],
})

def _precompiled(name, uses):
    """Flags and dependency of a target that has tools/precompiled/<name>.cc read for it, in the
    builds of the config_setting tools/precompiled:<uses>."""
    target = "//tools/precompiled:" + name
    used = "//tools/precompiled:" + uses
    if not _is_at_home():
        return struct(copts = [], deps = [])
    flags = ["-Winvalid-pch", "-include", "tools/precompiled/%s.h" % name]
    return struct(
        copts = select({used: flags, "//conditions:default": []}),
        deps = select({used: [target], "//conditions:default": []}),
    )

def zmqloop_library(name, deps = [], extra_srcs = [], **kwargs):
    """One header of a room: <name>.h, with <name>.cc if there is one.

    Users include it as "zmqloop/<room>/<name>.h".
    """
    precompiled = _precompiled("library", uses = "used_by_all")
    native.cc_library(
        name = name,
        srcs = native.glob([name + ".cc"], allow_empty = True) + extra_srcs,
        hdrs = [name + ".h"],
        copts = library_copts() + precompiled.copts,
        include_prefix = "zmqloop/" + native.package_name(),
        # Abseil is a set of static archives: a shared object per header would hold a copy each.
        linkstatic = True,
        deps = deps + precompiled.deps,
        **kwargs
    )

def zmqloop_tests(
        deps,
        support = "//tests/support",
        size = "medium",
        tags = [],
        optimised = [],
        one_thread = []):
    """One cc_test for each *_test.cc of the folder: a new file needs no line here.

    In the optimised build, those that match a pattern of `optimised` are compiled as users compile:
    the ones that count allocations, system calls or instructions, and the ones with much to do.
    Those of `one_thread` have no second thread for ThreadSanitizer to look at.
    """
    as_users = native.glob(optimised, allow_empty = True)
    for source in native.glob(["*_test.cc"], allow_empty = True):
        as_user = source in as_users
        precompiled = _precompiled("optimised_tests" if as_user else "tests", uses = "used")
        native.cc_test(
            name = source[:-len(".cc")],
            size = size,
            srcs = [source],
            copts = ZMQLOOP_COPTS + ([] if as_user else LIGHTLY_OPTIMISED) + precompiled.copts,
            tags = tags + (["no-tsan"] if source in one_thread else []),
            deps = deps + precompiled.deps + [
                support,
                "@googletest//:gtest_main",
            ],
        )

# Who builds on a folder's programs: their tests, and the same programs with rivals beside them.
_PROGRAM_USERS = [
    "//benchmarks:__subpackages__",
    "//tests:__subpackages__",
]

def zmqloop_programs(deps, program_deps = []):
    """One cc_binary for each .cc of the folder without a header of its name; those with one are
    the library :support, which every program here links. What brings a main of its own belongs in
    program_deps: tests link :support too, and the linker takes the first main it finds."""
    headers = native.glob(["*.h"], allow_empty = True)
    sources = native.glob(["*.cc"], exclude = ["*_test.cc"], allow_empty = True)
    stems = [header[:-len(".h")] for header in headers]
    precompiled = _precompiled("library", uses = "used")
    native.cc_library(
        name = "support",
        srcs = [s for s in sources if s[:-len(".cc")] in stems],
        hdrs = headers,
        copts = ZMQLOOP_COPTS + precompiled.copts,
        visibility = _PROGRAM_USERS,
        deps = deps + precompiled.deps,
    )
    for source in sources:
        name = source[:-len(".cc")]
        if name in stems:
            continue
        native.exports_files([source], visibility = _PROGRAM_USERS)
        native.cc_binary(
            name = name,
            srcs = [source],
            copts = ZMQLOOP_COPTS + precompiled.copts,
            visibility = _PROGRAM_USERS,
            deps = deps + program_deps + precompiled.deps + [":support"],
        )

def rival_programs(kind, programs, deps):
    """For each name in programs the benchmark //benchmarks:<name>, with the rivals of *_<kind>.cc
    here linked in: they enter themselves into the program's list before main()."""
    native.cc_library(
        name = kind + "_rivals",
        srcs = native.glob(["*_" + kind + ".cc"]),
        hdrs = native.glob(["*.h"]),
        copts = ZMQLOOP_COPTS,
        tags = ["manual"],
        alwayslink = True,
        deps = deps + ["//benchmarks:support"],
    )
    for name in programs:
        native.cc_binary(
            name = name,
            srcs = ["//benchmarks:" + name + ".cc"],
            copts = ZMQLOOP_COPTS,
            tags = ["manual"],
            deps = [
                ":" + kind + "_rivals",
                "//benchmarks:support",
            ],
        )
