# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""Headers that are read once for many sources.

A source uses one with `-include tools/precompiled/<name>.h` and the target among its deps. There is
no file of that name but <name>.h.gch, so a compiler that cannot use it says so and fails.
"""

load("//tools:zmqloop.bzl", "STANDARD")

def _precompiled_header_impl(ctx):
    toolchain = ctx.attr._cc_toolchain[cc_common.CcToolchainInfo]

    # An ordinary compilation, so that it has the flags of those that will use its result, and is
    # made again when a header changes. The object file it writes is what the compiler has read.
    _, outputs = cc_common.compile(
        name = ctx.label.name,
        actions = ctx.actions,
        cc_toolchain = toolchain,
        feature_configuration = cc_common.configure_features(ctx = ctx, cc_toolchain = toolchain),
        srcs = [ctx.file.src],
        user_compile_flags = STANDARD + ctx.attr.copts + ["-x", "c++-header"],
        compilation_contexts = [dep[CcInfo].compilation_context for dep in ctx.attr.deps],
    )
    header = ctx.actions.declare_file(ctx.label.name + ".h.gch")

    # With optimisation there are two; programs are made of the first kind.
    ctx.actions.symlink(output = header, target_file = (outputs.objects or outputs.pic_objects)[0])

    # Headers only: what those who use it link is their own to say.
    context = cc_common.create_compilation_context(headers = depset([header]))
    return [
        DefaultInfo(files = depset([header])),
        CcInfo(compilation_context = context),
    ]

precompiled_header = rule(
    implementation = _precompiled_header_impl,
    attrs = {
        "copts": attr.string_list(),
        "src": attr.label(allow_single_file = [".cc"], mandatory = True),
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
)
