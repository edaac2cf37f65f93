// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/contender.h"

#include "benchmarks/zmqloop_thread.h"

namespace zmqloop::bench {
namespace {

std::vector<Contender>& list() {
  static std::vector<Contender> contenders = {make_contender<ZmqloopThread>("zmqloop")};
  return contenders;
}

}  // namespace

std::vector<Contender> contenders_in(std::string_view workload) {
  std::vector<Contender> found;
  for (const Contender& contender : list()) {
    if (contender.only.empty() || contender.only == workload) found.push_back(contender);
  }
  return found;
}

Registration::Registration(Contender contender) { list().push_back(std::move(contender)); }

}  // namespace zmqloop::bench
