# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""One replay test for each fuzzer of the folder."""

load("//tools:zmqloop.bzl", "ZMQLOOP_COPTS")

def replay_tests(deps):
    """<name>_fuzz.cc becomes the test <name>_replay, over the files of corpus/<name>."""
    native.cc_library(
        name = "support",
        testonly = True,
        srcs = ["loop_script.cc"],
        hdrs = native.glob(["*.h"]),
        copts = ZMQLOOP_COPTS,
        deps = deps,
    )
    for source in native.glob(["*_fuzz.cc"]):
        name = source[:-len("_fuzz.cc")]
        corpus = native.glob(["corpus/%s/*" % name])
        native.cc_test(
            name = name + "_replay",
            size = "small",
            srcs = [source, "replay.cc"],
            args = ["tests/fuzz/corpus/" + name],
            copts = ZMQLOOP_COPTS,
            data = corpus,
            deps = deps + [":support"],
        )
