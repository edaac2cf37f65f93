// Tells a process from the children it forks, at the price of one load.
//
// Sockets, epoll sets and doorbells are shared with a forked child, and a child that touches them
// damages its parent. Objects that hold any remember the generation they were made in and leave
// them alone when it has changed.
//
// Threads: any thread, and signal handlers.
// Errors: none. Only fork() is seen, not a raw clone system call.
// Public.

#ifndef ZMQLOOP_POLLER_PROCESS_GENERATION_H_
#define ZMQLOOP_POLLER_PROCESS_GENERATION_H_

namespace zmqloop {

// Returns a number that is constant for the life of a process and differs in each forked child: zero
// in a process that was not forked from one with this library.
unsigned process_generation() noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_PROCESS_GENERATION_H_
