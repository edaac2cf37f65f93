#include "benchmarks/contender.h"

#include "benchmarks/zmqloop_thread.h"

namespace zmqloop::bench {
namespace {

std::vector<Contender>& list() {
  static std::vector<Contender> contenders = {make_contender<ZmqloopThread>("zmqloop")};
  return contenders;
}

}  // namespace

const std::vector<Contender>& contenders() { return list(); }

Registration::Registration(Contender contender) { list().push_back(std::move(contender)); }

}  // namespace zmqloop::bench
