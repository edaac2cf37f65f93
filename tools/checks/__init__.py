# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""How the tree is checked: a module for each tools/check_NAME, and one for tools/sync_build.

Run them by those names; import them, as tests/tools/checks_test.py does, with tools/ in the path.
"""
