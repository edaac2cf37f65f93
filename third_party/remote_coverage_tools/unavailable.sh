#!/bin/sh
# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

echo "bazel coverage needs Bazel's coverage tools, which this offline build does not have" >&2
exit 1
