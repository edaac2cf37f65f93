// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Includes all of zmqloop: per-core event loops over ZeroMQ with cross-thread dispatch.
//
// Start with IOLoop in zmqloop/runtime/loop/io_loop.h.
// Public.

#ifndef ZMQLOOP_ZMQLOOP_H_
#define ZMQLOOP_ZMQLOOP_H_

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"
#include "zmqloop/poller/poller.h"
#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/callbacks/periodic_schedule.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/loop/install.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/stalls/stall_report.h"
#include "zmqloop/runtime/timers/timeout_handle.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/stack_trace.h"
#include "zmqloop/threading/host/usable_cores.h"
#include "zmqloop/version.h"

#endif  // ZMQLOOP_ZMQLOOP_H_
