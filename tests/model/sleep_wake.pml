// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Sleeping and waking: one word, two doorbells, and who may still be inside when the loop is gone.
 *
 * Threads post, a signal handler posts, a thread stops the loop, a descriptor becomes ready. The
 * loop sleeps when it may; when it has ended, whoever ended it closes and destroys it, though a
 * poster may still be about to ring.
 *
 * Promised, whatever the order of steps:
 *   (no invalid end state)   the loop does not sleep for ever with a post or a stop pending [W3] [M3]
 *   (no fair endless run)    and it does not stay awake for ever either
 *   rings_due > 0            one ring for each sleep at most [W4]
 *   wake_ups_due > 0         and one wake-up at most for what was rung or became ready
 *   !(look&1)                the asleep flag is clear while the loop is awake
 *   owed                     a post half-way through delays no other: what was published when the
 *                            loop fell asleep past it is run before the loop waits [M3]
 *   alive                    nobody touches the mailbox, or a doorbell, once it is destroyed [M4]
 *
 * Mirrors:
 *   threading/mailbox/control_word.h    View::concerns_posters               d1c3cede90ca
 *   threading/mailbox/mailbox.cc        Mailbox::close                       9a2406d86005
 *   threading/mailbox/mailbox.h         Mailbox::stop_requested              16b0e0a8d9fd
 *   threading/mailbox/mailbox.h         Mailbox::clear_stop                  b0931357e39b
 *   threading/mailbox/mailbox.h         Mailbox::all_taken                   9f81ed6ca0b6
 *   threading/mailbox/mailbox.cc        Mailbox::try_doze                    76558ce065e3
 *   threading/mailbox/mailbox.h         Mailbox::try_fall_asleep             768537857db3
 *   threading/mailbox/mailbox.h         Mailbox::wake_up                     ef4641cf5b4a
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::end_visit_or_wake      b209345ddbf6
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::request_stop           dc1db0921aa8
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::publish_signal_post    b88ddbecf717
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::begin_visit            105227fecfc9
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::end_visit              4466b805406e
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_asleep_or_closed  958c4d40af40
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_in                281e36258b89
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::woken                  4cd4771b7ec1
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::no_visitors            cc0a3235e3b9
 *   runtime/core/loop_core.cc        LoopCore::request_stop               3c0fffa46a04
 *   runtime/core/loop_core.cc        LoopCore::ring_for_post              9eef561b8f6b
 *   runtime/core/loop_core.cc        LoopCore::ring_for_signal            9b19be981bd8
 *   runtime/core/loop_core.cc        LoopCore::run_callbacks              39535de654b0
 *   runtime/core/loop_core.cc        LoopCore::run                        f5af03ed3b7a
 *   runtime/core/loop_core.cc        LoopCore::poll_and_dispatch          7cb8c146d1e4
 *   runtime/core/loop_core.cc        LoopCore::wait_for_straggler         59cf1f12b523
 *   runtime/core/loop_core.cc        LoopCore::doze                       e08b9d56d548
 *   runtime/core/loop_core.cc        LoopCore::find_work_spinning         d309980593fb
 *   runtime/core/loop_core.cc        LoopCore::sleep                      c876c40e409c
 *   runtime/core/loop_core_dispatch.cc LoopCore::drain_doorbell           b6152061089e
 *   runtime/core/loop_core.h         LoopCore::post                       5a2349f932ed
 *   runtime/core/loop_core.h         LoopCore::post_from_signal           fb85d7c259d8
 *   poller/doorbell_sockets.cc  DoorbellSockets::ring                df2042264340
 *   poller/doorbell_sockets.cc  DoorbellSockets::drain               3fd56714e081
 *   poller/signal_doorbell.cc   SignalDoorbell::ring                 7aa8f65d3453
 *   poller/signal_doorbell.cc   SignalDoorbell::drain                8a97d17dc94e
 *   poller/waker.cc             Waker::wake                          5b79dc3cc37f
 *   poller/waker.cc             Waker::drain                         8c295e530196
 *
 * Runs (posts of two threads and a signal handler; stops by a thread, else by the last callback):
 *   posts      -DA=2 -DB=1 -DSIGNALS=1 -DSTOPS=0 -DDESCRIPTORS=1
 *   stops      -DA=1 -DB=1 -DSIGNALS=1 -DSTOPS=1 -DDESCRIPTORS=0
 *   progress   progress -DA=1 -DB=1 -DSIGNALS=0 -DSTOPS=1 -DDESCRIPTORS=0
 *   awake      progress -DA=1 -DB=1 -DSIGNALS=0 -DSTOPS=0 -DDESCRIPTORS=1
 *
 * Bugs:
 *   ASLEEP_READ_BEFORE_TICKET  posts     invalid end state
 *   ASLEEP_SET_UNCONDITIONALLY  posts     invalid end state
 *   SLEEPS_THOUGH_HALF_POSTED  posts     invalid end state
 *   SLEEPS_THOUGH_STOPPED      stops     invalid end state
 *   DRAINS_ONCE_ASLEEP         posts     invalid end state
 *   WAITS_FOR_ONE_DOORBELL     posts     invalid end state
 *   DOZES_WITHOUT_A_LOOK       posts     owed
 *   LOOKS_BEFORE_IT_DOZES      posts     owed
 *   EVERYBODY_RINGS            posts     rings_due
 *   ASLEEP_LEFT_SET            posts     look&1
 *   DOORBELL_NOT_DRAINED       posts     wake_ups_due
 *   STOP_SEEN_BY_HINT_ALONE    progress  non-progress cycle
 *   VISIT_BEGUN_TOO_LATE       posts     alive
 *   VISIT_ENDED_BEFORE_RING    posts     alive
 *   STOP_IS_NO_VISIT           stops     alive
 *   CLOSE_IGNORES_VISITORS     posts     alive
 */

#include "control_word.pml"

#define POSTS (A + B + SIGNALS)

bit published[POSTS + FIRST_TICKET];
byte visitors;
bit stop_hint;
bit inproc_rung;
bit eventfd_rung;
bit descriptor_ready;

/* ---- what is known from outside ------------------------------------------------------------- */

bit alive = true;
byte to_take_effect = POSTS + STOPS;
byte rings_due;    /* sleeps that nobody has ended, the loop itself included */
byte wake_ups_due; /* rings and readiness that have not ended a wait */

/* ---- any thread, any signal handler --------------------------------------------------------- */

inline begin_visit() { d_step { assert(alive); visitors++ } }
inline end_visit() { d_step { assert(alive); visitors-- } }

inline take_ticket_alive() { d_step { assert(alive); take_ticket(before) } }

inline publish() {
  d_step {
    published[next_ticket(before)] = true;
    before = before & ASLEEP;
    to_take_effect--
  }
}

inline ring(doorbell) {
  d_step {
    assert(alive);
    assert(rings_due > 0);
    rings_due--;
    wake_ups_due++;
    doorbell = true
  }
}

/* Ends a visit, waking the loop if `before` says that it sleeps. */
inline end_visit_or_wake(doorbell) {
#ifdef EVERYBODY_RINGS
  word = word & ~ASLEEP;
#else
  if
  :: asleep(before) -> d_step { assert(alive); clear_asleep(before); before = before & ASLEEP }
  :: else
  fi;
#endif
  if
#ifdef VISIT_ENDED_BEFORE_RING
  :: asleep(before) -> end_visit(); ring(doorbell)
#else
  :: asleep(before) -> ring(doorbell); end_visit()
#endif
  :: else -> end_visit()
  fi
}

inline post_in() {
#ifdef ASLEEP_READ_BEFORE_TICKET
  was_asleep = asleep(word);
  d_step { take_ticket_alive(); before = (before & ~ASLEEP) | was_asleep };
#else
  take_ticket_alive();
#endif
  if
  :: asleep(before) ->
#ifdef VISIT_BEGUN_TOO_LATE
     publish();
     begin_visit();
#else
     begin_visit();
     publish();
#endif
     end_visit_or_wake(inproc_rung)
  :: else -> publish()
  fi
}

inline post_from_signal() {
  begin_visit();
  take_ticket_alive();
  publish();
  end_visit_or_wake(eventfd_rung)
}

inline request_stop_and_wake() {
#ifndef STOP_IS_NO_VISIT
  begin_visit();
#endif
  stop_hint = true;
  d_step {
    assert(alive);
    request_stop(before);
    before = before & ASLEEP;
    to_take_effect--
  };
#ifdef STOP_IS_NO_VISIT
  begin_visit();
#endif
  end_visit_or_wake(eventfd_rung)
}

proctype poster(byte posts) {
  byte before;
#ifdef ASLEEP_READ_BEFORE_TICKET
  bit was_asleep;
#endif
  do
  :: posts > 0 -> post_in(); d_step { posts--; before = 0 }
  :: posts == 0 -> break
  od
}

proctype handler() {
  byte before;
  post_from_signal()
}

proctype stopper() {
  byte before;
  request_stop_and_wake()
}

proctype descriptor() {
  d_step { descriptor_ready = true; wake_ups_due++ }
}

/* ---- loop ----------------------------------------------------------------------------------- */

/* Within d_step: what run_callbacks() takes, in the order of tickets. */
inline take_all(limit) {
  i = FIRST_TICKET;
  do
  :: i < limit && published[i] -> published[i] = false; taken++; i++
  :: i < limit && !published[i] -> i++
  :: else -> break
  od
}

inline fall_asleep() {
#if defined(ASLEEP_SET_UNCONDITIONALLY)
  slept = true;
  word = word | ASLEEP;
#elif defined(SLEEPS_THOUGH_STOPPED)
  slept = (next_ticket(word) == taken + FIRST_TICKET);
  word = (slept -> word | ASLEEP : word);
#elif defined(SLEEPS_THOUGH_HALF_POSTED)
  try_fall_asleep(next_ticket(word), slept);
#else
  try_fall_asleep(taken + FIRST_TICKET, slept);
#endif
  rings_due = (slept -> rings_due + 1 : rings_due)
}

#ifdef WAITS_FOR_ONE_DOORBELL
#define something_ready (inproc_rung || descriptor_ready)
#else
#define something_ready (inproc_rung || eventfd_rung || descriptor_ready)
#endif

inline wait() {
  d_step {
    something_ready ->
    assert(wake_ups_due > 0);
    wake_ups_due--;
    inproc_found = inproc_rung;
    eventfd_found = eventfd_rung;
    descriptor_ready = false
  }
}

inline wake_up() {
  d_step {
    clear_asleep(before);
    rings_due = (asleep(before) -> rings_due - 1 : rings_due);
    before = 0
  }
}

inline drain_found() {
  if
  :: inproc_found -> d_step { inproc_rung = false; inproc_found = false }
  :: else
  fi;
  if
  :: eventfd_found -> d_step { eventfd_rung = false; eventfd_found = false }
  :: else
  fi
}

/* Looks at each lane. */
inline look_for_published() {
  ticket = FIRST_TICKET;
  do
  :: ticket < next_ticket(look) && !published[ticket] -> ticket++
  :: ticket < next_ticket(look) && published[ticket] -> found = true; break
  :: ticket == next_ticket(look) -> break
  od;
  ticket = 0
}

/* Falls asleep past posts that are half-way through, and notes what the loop owes by then. */
inline fall_asleep_past_gaps() {
  d_step {
    try_fall_asleep(next_ticket(look), slept);
    rings_due = (slept -> rings_due + 1 : rings_due);
    i = FIRST_TICKET;
    do
    :: i < POSTS + FIRST_TICKET -> owed = (slept && published[i] -> owed | (1 << i) : owed); i++
    :: else -> break
    od
  }
}

/* Within d_step. */
inline owes_nothing() {
  i = FIRST_TICKET;
  do
  :: i < POSTS + FIRST_TICKET -> assert(!(published[i] && ((owed >> i) & 1))); i++
  :: else -> break
  od
}

hidden byte i;

active proctype loop() {
  byte look;
  byte before;
  byte taken;
  bit slept;
  bit inproc_found;
  bit eventfd_found;
  byte ticket;
  bit found;
  byte owed;

  stop_hint = false;
  clear_stop(before);
  if
  :: stop_requested(before) -> goto ended
  :: else -> before = 0
  fi;

iteration:
  look = word;
  assert(!asleep(look));
  d_step { take_all(next_ticket(look)) };
  if
  :: STOPS == 0 && taken == POSTS && !stop_requested(look) ->
     begin_visit(); /* request_stop() by the last callback */
     stop_hint = true;
     d_step { request_stop(before); assert(!asleep(before)); before = 0 };
     end_visit()
  :: else
  fi;
#ifndef STOP_SEEN_BY_HINT_ALONE
  if
  :: stop_requested(look) -> goto ended
  :: else
  fi;
#endif
  if
  :: stop_hint -> if :: stop_requested(word) -> goto ended :: else fi
  :: else
  fi;
  if
  :: DESCRIPTORS > 0 && something_ready -> /* there are handlers: a poll that does not wait */
     wait();
     drain_found();
     goto iteration
  :: else
  fi;
  if
#ifdef SLEEPS_THOUGH_HALF_POSTED
  :: atomic { false -> goto iteration }
#else
  :: atomic {
       next_ticket(word) != taken + FIRST_TICKET ->
       if
       :: goto iteration
       :: goto doze
       fi
     }
#endif
  :: else
  fi;
  d_step { look = 0; fall_asleep() };
  if
  :: slept -> slept = false
  :: else -> goto iteration
  fi;
#ifdef DRAINS_ONCE_ASLEEP
  d_step { inproc_found = true; eventfd_found = true };
  drain_found();
#endif
  wait();
#ifndef ASLEEP_LEFT_SET
  wake_up();
#endif
#ifdef DOORBELL_NOT_DRAINED
  d_step { inproc_found = false; eventfd_found = false };
#else
  drain_found();
#endif
  goto iteration;

doze:
  look = word;
#ifdef LOOKS_BEFORE_IT_DOZES
  look_for_published();
#endif
  fall_asleep_past_gaps();
#if !defined(DOZES_WITHOUT_A_LOOK) && !defined(LOOKS_BEFORE_IT_DOZES)
  if
  :: slept -> look_for_published()
  :: else
  fi;
#endif
  look = 0;
  if
  :: slept && !found ->
     d_step { owes_nothing(); owed = 0 };
     if
     :: wait()
     :: skip /* the time limit: a post half-way through does not ring */
     fi;
     wake_up();
     drain_found()
  :: slept && found -> wake_up()
  :: else
  fi;
  d_step { slept = false; found = false; owed = 0 };
  goto iteration;

ended:
  /* Whoever knows that all has taken effect may close and destroy. */
  if
  :: to_take_effect == 0 ->
#ifndef CLOSE_IGNORES_VISITORS
     visitors == 0;
#endif
     alive = false
  :: else
  fi
}

init {
  atomic {
    run poster(A);
    run poster(B);
    if :: DESCRIPTORS > 0 -> run descriptor() :: else fi;
    if :: SIGNALS > 0 -> run handler() :: else fi;
    if :: STOPS > 0 -> run stopper() :: else fi
  }
}
