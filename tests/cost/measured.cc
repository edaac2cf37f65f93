// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/cost/measured.h"

void zmqloop_cost_measured(void (*function)(void*), void* argument) { function(argument); }
