// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Delayed work: a function that is called once nothing has happened for a while.

#include <chrono>
#include <cstdio>
#include <string>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// Searches once nothing has been typed for 40 ms. Every key restarts the delay.
class SearchBox {
 public:
  void type(char key) {
    text_ += key;
    search_.start();  // counts from the latest start()
  }
  void leave() { search_.stop(); }
  int searches() const { return searches_; }

 private:
  void search() { std::printf("search %d: \"%s\"\n", ++searches_, text_.c_str()); }

  std::string text_;
  int searches_ = 0;
  zmqloop::DelayedCallback search_{[this] { search(); }, 40ms};  // on the loop current at start()
};

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  SearchBox box;
  loop.call_later(0ms, [&box] { box.type('l'); });
  loop.call_later(10ms, [&box] { box.type('o'); });
  loop.call_later(20ms, [&box] { box.type('g'); });  // searches 40 ms later

  loop.call_later(150ms, [&box] {
    box.type('s');
    box.leave();  // no search
  });
  loop.call_later(250ms, [&loop] { loop.stop(); });
  loop.start();
  return box.searches() > 0 ? 0 : 1;
}
