# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""What the tools share that check the tree."""
