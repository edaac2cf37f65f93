#include "zmqloop/poller/process_generation.h"

#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

TEST(ProcessGeneration, DiffersInAForkedChildAndItsChildren) {
  const unsigned here = process_generation();
  EXPECT_EQ(exit_code_of_child([here] {
              const unsigned there = process_generation();
              if (there == here) return 1;
              return exit_code_of_child([here, there] {
                const unsigned below = process_generation();
                return below == here || below == there ? 2 : 0;
              });
            }),
            0);
  EXPECT_EQ(process_generation(), here);
}

}  // namespace
}  // namespace zmqloop::testing
