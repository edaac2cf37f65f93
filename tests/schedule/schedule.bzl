# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""How the scheduler's tests are built: copies of the library's files, instrumented."""

load("//tools:zmqloop.bzl", "ZMQLOOP_COPTS")

# Under the sanitizers' configurations everything here builds, but without them; it is not run.
SCHEDULER_COPTS = ZMQLOOP_COPTS + ["-fno-sanitize=all"]

# The compiler reports each access to memory, to instrumentation.cc and not to the sanitizer's
# runtime, which is not linked.
_INSTRUMENTED_COPTS = SCHEDULER_COPTS + [
    "-O1",
    "-U_FORTIFY_SOURCE",  # whose checked copies would not be seen
    "-fsanitize=thread",
    "--param=tsan-instrument-func-entry-exit=0",
    "-fno-builtin-memcpy",
    "-fno-builtin-memmove",
]

# They have one real thread, and the runtime for -fsanitize=thread is their own.
NO_SANITIZERS = ["no-asan", "no-tsan"]

# Of a library that //... names Bazel compiles each file twice, the second time for a shared object.
WHERE_USED = ["manual"]

_EXCHANGED = "exchanged/"

def _place(file):
    """Where copy_sources puts a file."""
    if file.startswith(_EXCHANGED):
        file = file[len(_EXCHANGED):]
    return file if file.startswith("absl/") else "zmqloop/" + file

def scheduled_library(name, files, deps, exchanged = [], srcs = [], plant = False):
    """Copies of the library's `files`, and of what is `exchanged` for them, for the scheduler.

    With `plant`, with the bugs of planted_bugs.py. `srcs` are compiled with them as they are.
    """
    places = [name + "/" + _place(file) for file in files + exchanged]
    if plant:
        places.append(name + "/planted_bugs.h")
    native.genrule(
        name = name + "_sources",
        srcs = ["//" + ":".join(file.rsplit("/", 1)) for file in files] + exchanged,
        outs = places,
        cmd = " ".join(
            ["$(location copy_sources) --out=$(RULEDIR)/" + name] +
            (["--plant"] if plant else []) + files +
            [native.package_name() + "/" + file for file in exchanged],
        ),
        tools = [
            "copy_sources",
            "planted_bugs.py",
        ],
    )
    native.cc_library(
        name = name,
        testonly = True,
        srcs = srcs + [place for place in places if place.endswith(".cc")],
        hdrs = [place for place in places if place.endswith(".h")],
        copts = _INSTRUMENTED_COPTS + (["-include", "planted_bugs.h"] if plant else []),
        includes = [name],
        alwayslink = True,  # scenarios register themselves
        tags = WHERE_USED,
        deps = deps,
    )

def schedule_test(name, library, args = []):
    """A program that runs the scenarios of one of the libraries above, or its own."""
    native.cc_test(
        name = name,
        size = "medium",
        srcs = [name + ".cc"],
        args = args,
        copts = _INSTRUMENTED_COPTS,
        linkopts = ["-Wl,--wrap=memcpy,--wrap=memmove"],
        tags = NO_SANITIZERS,
        deps = [library],
    )
