# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What a WORKSPACE that builds zmqloop needs beside it. See README.md, "Use it"."""

def _system_library(name):
    """The system's package, unless the workspace has a repository of that name already."""
    if not native.existing_rule(name):
        native.new_local_repository(
            name = name,
            build_file = str(Label("//third_party/debian:%s.BUILD" % name)),
            path = "/usr/include",
        )

def zmqloop_deps():
    """The libraries that zmqloop uses, as the system's packages: third_party/README.md."""
    for name in ["absl", "cppzmq", "libzmq"]:
        _system_library(name)

def zmqloop_development_deps():
    """Those that only its tests, benchmarks and examples use."""
    for name in ["benchmark", "googletest", "openssl", "rivals"]:
        _system_library(name)

def _bundled_impl(ctx):
    third_party = ctx.path(Label("//third_party/debian:BUILD.bazel")).dirname.dirname
    for entry in third_party.get_child(ctx.name).readdir():
        ctx.symlink(entry, entry.basename)

_bundled = repository_rule(implementation = _bundled_impl, local = True)

def debian_bazel_deps():
    """What Debian's Bazel (bazel-bootstrap, 4.2.3) would download in any workspace. The folders
    hold just what a native C++ build asks of them."""
    for name in ["remote_coverage_tools", "rules_cc", "rules_java"]:
        if not native.existing_rule(name):
            _bundled(name = name)
