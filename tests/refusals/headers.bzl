# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The headers that a library's users compile with, as files."""

def _library_headers_impl(ctx):
    headers = ctx.attr.of[CcInfo].compilation_context.headers
    return [DefaultInfo(files = headers, runfiles = ctx.runfiles(transitive_files = headers))]

library_headers = rule(
    implementation = _library_headers_impl,
    attrs = {"of": attr.label(mandatory = True, providers = [CcInfo])},
)
