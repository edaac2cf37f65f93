// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The rows of `zmq_dispatch`, written once for all contenders.
//
//   W8-inproc, W8-tcp  a stream of messages from another thread, received as they arrive
//   W8-one             one message at a time, on one thread: received, then the next one sent
//   W8-idle            the same, but the handler receives until no message is left, so the next
//                      one has to be signalled; beside N sockets that receive nothing
//   W8-idle-rep        the same beside N idle REP sockets, which can become ready without a signal
//   scale-sockets      W8-idle beside more idle sockets
//
// A contender is a class with
//
//   explicit Contender(Inbox& inbox);   watches inbox.watched() for reading
//   void run();                         calls inbox.on_event(i) until it returns false
//
// Threads: one, and the sender of the stream.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_ZMQ_ROWS_H_
#define ZMQLOOP_BENCHMARKS_ZMQ_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/descriptor_limit.h"
#include "benchmarks/message_flow.h"
#include "benchmarks/rows.h"

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

template <class Contender>
Round receive_round(Contender& contender, Inbox& inbox, std::uint64_t messages) {
  const std::uint64_t before = inbox.received();
  const TimePoint start = Clock::now();
  inbox.begin_round(messages);
  contender.run();
  const Duration time = Clock::now() - start;
  inbox.require_order();
  return {inbox.received() - before, time};
}

template <class Contender>
Row stream_row(const std::string& name, const std::string& address) {
  constexpr std::uint64_t kMessages = 50'000;
  return {name, [address](benchmark::State& state, Duration window) {
            MessageStream stream(address);
            Contender contender(stream);
            measure_rounds(state, window,
                           [&] { return receive_round(contender, stream, kMessages); });
          }};
}

template <class Contender>
Row echo_row(const std::string& name, std::size_t idle, bool to_the_end,
             zmq::socket_type idle_type = zmq::socket_type::pull) {
  // zmq_poll takes milliseconds for each message beside thousands of sockets.
  const std::uint64_t messages = idle < 100 ? 20'000 : 200;
  return {name, [=](benchmark::State& state, Duration window) {
            MessageEcho echo(idle, to_the_end, idle_type);
            Contender contender(echo);
            measure_rounds(state, window, [&] { return receive_round(contender, echo, messages); });
          }};
}

template <class Contender>
std::vector<Row> echo_rows(const std::string& contender) {
  std::vector<Row> rows;
  const auto add = [&rows](const std::string& name, std::size_t idle, bool to_the_end,
                           zmq::socket_type idle_type = zmq::socket_type::pull) {
    if (!can_open_descriptors(idle, name.c_str())) return;
    rows.push_back(echo_row<Contender>(name, idle, to_the_end, idle_type));
  };
  add("W8-one/" + contender, 0, false);
  for (const std::size_t idle : {0u, 1'000u}) {
    add("W8-idle/" + contender + "/idle:" + std::to_string(idle), idle, true);
  }
  add("W8-idle-rep/" + contender + "/idle:1000", 1'000, true, zmq::socket_type::rep);
  add("scale-sockets/" + contender + "/idle:4000", 4'000, true);
  return rows;
}

template <class Contender>
std::vector<Row> stream_rows(const std::string& contender) {
  return {stream_row<Contender>("W8-inproc/" + contender, "inproc://stream"),
          stream_row<Contender>("W8-tcp/" + contender, "tcp://127.0.0.1:*")};
}

template <class Contender>
std::vector<Row> zmq_rows(const std::string& contender) {
  std::vector<Row> rows = stream_rows<Contender>(contender);
  for (Row& row : echo_rows<Contender>(contender)) rows.push_back(row);
  return rows;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_ZMQ_ROWS_H_
