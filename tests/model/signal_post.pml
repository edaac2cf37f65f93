// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Signal handlers that interrupt anything: a post of their own thread, another handler, the loop.
 *
 * A thread posts to a loop; a handler may interrupt it between any two steps and post to the same
 * loop, and be interrupted by another handler that does. Another handler interrupts the loop's own
 * thread. To post to another loop is to touch nothing of this one. In one run the handler that
 * interrupted the poster never returns, wherever it is within its post, nor does its thread go on:
 * that costs a slot and lets close() wait for ever, but nobody else's post. One thing a thread must
 * not die of: between clearing the asleep flag and ringing nobody else would ring.
 *
 * Promised, whatever the order of steps:
 *   posted                    each post runs once, as it was posted, whoever was interrupted   [M2]
 *   due == 0                  a batch takes whatever had returned when it began              [M2]
 *   signals_before == 0       signal posts run in the order in which they were accepted      [M1]
 *   (no invalid end state)    nobody waits for a thread that was interrupted; no lost wake-up
 *   free                      every slot comes back, but for that of a handler that never returned
 *
 * Mirrors:
 *   threading/mailbox/mailbox.cc        Mailbox::move_up_heads               aa0d0ebb5399
 *   threading/mailbox/mailbox.cc        Mailbox::take_merged                 d9cb604cac28
 *   threading/mailbox/mailbox.cc        Mailbox::take_signal_post            c09d1a70e7a9
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::end_visit_or_wake      b209345ddbf6
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::publish_signal_post    b88ddbecf717
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_asleep_or_closed  958c4d40af40
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::publish_in             236a385fd543
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_in                281e36258b89
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_from_signal       133d4d13f3ab
 *   threading/mailbox/signal_slots.cc   SignalSlots::claim                   089e4b51291b
 *   threading/mailbox/signal_slots.cc   SignalSlots::publish                 dddec13c8b0e
 *   threading/mailbox/signal_slots.cc   SignalSlots::recycle                 75a8701b304f
 *   threading/mailbox/signal_slots.cc   SignalSlots::set_free                019e68cc1779
 *   threading/mailbox/signal_slots.cc   SignalSlots::collect                 94995e5fc568
 *   threading/mailbox/signal_slots.cc   SignalSlots::pop                     735e0573e6ff
 *   threading/mailbox/signal_slots.h    SignalSlots::peek                    0a2acc44c461
 *   threading/mailbox/slot.h            Slot::copy_callable                  5ac07c2fa824
 *   runtime/core/loop_core.cc        LoopCore::ring_for_post              9eef561b8f6b
 *   runtime/core/loop_core.cc        LoopCore::ring_for_signal            9b19be981bd8
 *   poller/doorbell_sockets.cc  DoorbellSockets::ring                df2042264340
 *   poller/signal_doorbell.cc   SignalDoorbell::ring                 7aa8f65d3453
 *   poller/waker.cc             Waker::wake                          5b79dc3cc37f
 *
 * Runs (posts of the thread; signals that interrupt it, those handlers, and the loop):
 *   poster        -DPOSTS=2 -DFIRST=1 -DNESTED=1 -DON_LOOP=0
 *   loop          -DPOSTS=1 -DFIRST=1 -DNESTED=0 -DON_LOOP=1
 *   idle_threads  -DPOSTS=0 -DFIRST=0 -DNESTED=1 -DON_LOOP=1
 *   never_returns -DPOSTS=1 -DFIRST=1 -DNESTED=0 -DON_LOOP=1 -DDIES
 *
 * Bugs:
 *   HANDLER_USES_THE_LANE        poster  due
 *   HANDLER_RINGS_INPROC         poster  invalid end state
 *   CLAIM_READS_THEN_WRITES      poster  posted
 *   READY_BEFORE_TICKET          loop         posted
 *   RECYCLED_BEFORE_COPIED       poster  posted
 *   READY_CLEARED_TOO_LATE       poster  due
 *   COLLECTS_BEYOND_THE_BATCH    loop     signals_before
 */

#include "control_word.pml"

#define SIGNALS (FIRST + NESTED + ON_LOOP)
#define TICKETS (POSTS + SIGNALS + FIRST_TICKET)
#define SLOTS 2
#define NONE 255
#define bit_of(ticket) (1 << (ticket))

byte lane_ticket[POSTS + SIGNALS + 1];
byte lane_callable[POSTS + SIGNALS + 1];
byte write;

/* The table, with one bit in each word: words are read one after the other. */
bit free[SLOTS] = true;
bit ready[SLOTS];
byte slot_ticket[SLOTS];
byte slot_callable[SLOTS];

byte visitors;
bit inproc_mutex;
bit inproc_rung;
bit eventfd_rung;

byte on_poster; /* handlers on top of each other on the poster's thread */
bit on_loop;    /* a handler on top of the loop */

/* ---- what is known from outside ------------------------------------------------------------- */

byte posted[TICKETS];         /* the callable that a ticket was taken for */
byte returned;                /* posts that have returned and were not taken yet */
byte signals;                 /* those that signal handlers made */
byte signals_before[TICKETS]; /* for each ticket, the signal posts returned before it began */
byte taken;
byte at_work;                 /* thread and handlers */
bit poster_returned;
byte posting;                 /* the poster's post, once published and until it returns */
bit to_ring;                  /* the poster has cleared the asleep flag and not rung yet */
bit dead;                     /* a handler never returns, nor does its thread go on */
byte excused;                 /* the post of a dead thread, published and never announced */
bit over;                     /* the loop has ended: what is left of a dead thread may fade away */

/* ---- posting -------------------------------------------------------------------------------- */

/* Within d_step. */
inline take_ticket_for(callable) {
  take_ticket(before);
  ticket = next_ticket(before);
  before = before & ASLEEP;
  posted[ticket] = callable
}

/* The first half of end_visit_or_wake(); whether to ring is in `before`. */
inline clear_asleep_if_seen() {
  if
  :: asleep(before) -> d_step { clear_asleep(before); before = before & ASLEEP }
  :: else
  fi
}

inline end_visit() { d_step { visitors--; before = 0; ticket = 0 } }

/* Waker::wake(): libzmq's socket under a mutex. */
inline ring_for_post() {
  atomic { !inproc_mutex -> inproc_mutex = true };
  inproc_rung = true;
  inproc_mutex = false
}

inline ring_for_signal() {
#ifdef HANDLER_RINGS_INPROC
  ring_for_post()
#else
  eventfd_rung = true
#endif
}

/* Within d_step. */
inline commit(slot) {
  lane_ticket[slot] = ticket;
  write++;
  returned = returned | bit_of(ticket);
  posting = bit_of(ticket)
}

inline post(callable) {
  slot = write; /* reserve() */
  d_step { take_ticket_for(callable) };
  if
  :: asleep(before) -> visitors++
  :: else
  fi;
  lane_callable[slot] = callable;
  d_step { commit(slot); slot = NONE };
  if
  :: asleep(before) ->
     d_step { clear_asleep(before); before = before & ASLEEP; to_ring = asleep(before) };
     if
     :: asleep(before) -> ring_for_post(); to_ring = false
     :: else
     fi;
     end_visit()
  :: else -> ticket = 0
  fi;
  posting = 0
}

proctype poster() provided (on_poster == 0 || over) {
  byte before;
  byte ticket;
  byte slot = NONE;
  byte posts;
  do
  :: posts < POSTS -> posts++; post(posts)
  :: posts == POSTS -> break
  od;
  atomic { at_work--; poster_returned = true }
}

inline claim() {
  do
  :: slot < SLOTS && free[slot] ->
#ifdef CLAIM_READS_THEN_WRITES
     free[slot] = false;
     break
#else
     d_step { claimed = free[slot]; free[slot] = false };
     if
     :: claimed -> claimed = false; break
     :: else -> slot++
     fi
#endif
  :: slot < SLOTS && !free[slot] -> slot++
  :: slot == SLOTS -> break
  od
}

/* Within d_step. */
inline mark_ready(slot) {
  ready[slot] = true;
  returned = returned | bit_of(ticket)
}

#ifdef DIES
#define may_die(may) if :: may && !to_ring -> goto dies :: true fi
#else
#define may_die(may) skip
#endif

inline post_from_signal(callable, may) {
  d_step { visitors++; seen = returned & signals };
  slot = 0;
  may_die(may);
  claim();
  may_die(may);
  if
  :: slot < SLOTS ->
     slot_callable[slot] = callable;
     d_step {
       take_ticket_for(callable);
       signals = signals | bit_of(ticket);
       signals_before[ticket] = seen & returned;
       seen = 0
     };
     may_die(may);
#ifdef READY_BEFORE_TICKET
     d_step { mark_ready(slot) };
     slot_ticket[slot] = ticket;
#else
     slot_ticket[slot] = ticket;
     may_die(may);
     d_step { mark_ready(slot) };
#endif
  :: else /* no slot: refused */
  fi;
  slot = NONE;
  clear_asleep_if_seen();
  if
  :: asleep(before) -> ring_for_signal()
  :: else
  fi;
  end_visit()
}

#ifdef HANDLER_USES_THE_LANE
#define post_from_handler(callable, may) post(callable)
#else
#define post_from_handler(callable, may) post_from_signal(callable, may)
#endif

/* Interrupts the poster; may be interrupted itself. */
proctype first_handler() provided (on_poster < 2) {
  byte before;
  byte ticket;
  byte slot = NONE;
  bit claimed;
  byte seen;
  atomic { on_poster == 0 -> on_poster = 1 };
  post_from_handler(POSTS + 1, true);
  d_step { on_poster = 0; at_work-- };
  goto end;
dies:
  atomic {
    dead = true;
    excused = posting;
    at_work = (poster_returned -> at_work - 1 : at_work - 2)
  };
end:
  skip
}

proctype nested_handler() {
  byte before;
  byte ticket;
  byte slot = NONE;
  bit claimed;
  byte seen;
  byte interrupted;
  d_step { interrupted = on_poster; on_poster = 2 };
  post_from_handler(POSTS + 2, false);
  d_step { on_poster = interrupted; at_work-- };
dies:
  skip
}

proctype handler_on_loop() {
  byte before;
  byte ticket;
  byte slot = NONE;
  bit claimed;
  byte seen;
  on_loop = true;
  post_from_handler(POSTS + 3, false);
  d_step { on_loop = false; at_work-- };
dies:
  skip
}

/* ---- loop ----------------------------------------------------------------------------------- */

#define nothing_to_run ((returned & ~excused) == 0)

hidden byte i;

/* Within d_step. */
inline run_callable(ticket, called) {
  assert(ticket != 0 && posted[ticket] == called);
  assert(signals_before[ticket] == 0);
  posted[ticket] = 0;
  taken++;
  due = due & ~bit_of(ticket);
  returned = returned & ~bit_of(ticket);
  i = 0;
  do
  :: i < TICKETS -> signals_before[i] = signals_before[i] & ~bit_of(ticket); i++
  :: else -> break
  od
}

#ifdef COLLECTS_BEYOND_THE_BATCH
#define in_batch(ticket) true
#else
#define in_batch(ticket) ((ticket) < limit)
#endif

inline collect() {
  do
  :: slot < SLOTS ->
     d_step {
       collected[slot] = (ready[slot] && in_batch(slot_ticket[slot]) -> slot_ticket[slot] : NONE);
       slot++
     }
  :: slot == SLOTS -> break
  od
}

inline pop_signal() { ready[slot] = false }
inline copy_callable() { scratch = slot_callable[slot] }
inline recycle() { free[slot] = true }

inline take_signal_post() {
#if defined(RECYCLED_BEFORE_COPIED)
  pop_signal();
  recycle();
  copy_callable();
#elif defined(READY_CLEARED_TOO_LATE)
  copy_callable();
  recycle();
  pop_signal();
#else
  pop_signal();
  copy_callable();
  recycle();
#endif
  d_step {
    run_callable(collected[slot], scratch);
    collected[slot] = NONE;
    scratch = 0
  }
}

/* The lane's oldest ticket, if the lane had one when the batch was gathered. */
#define here \
  (gathered && lane_ticket[read] != 0 && lane_ticket[read] < limit -> lane_ticket[read] : NONE)

proctype loop() provided (!on_loop) {
  byte before;
  byte limit;
  byte read;
  byte slot;
  byte collected[SLOTS] = NONE;
  byte scratch;
  byte due;
  bit gathered;
  bit slept;

iteration:
  skip;
  d_step { limit = next_ticket(word); due = returned; slot = 0 };
  gathered = (lane_ticket[read] != 0 && lane_ticket[read] < limit);
  collect();
  do
  :: d_step { /* the lowest ticket: in `slot` if it is a signal's */
       slot = (collected[0] < collected[1] -> 0 : 1);
       slot = (collected[slot] < (here) -> slot : NONE)
     };
     if
     :: slot != NONE -> take_signal_post()
     :: atomic { slot == NONE && (here) != NONE ->
          d_step { run_callable(lane_ticket[read], lane_callable[read]); read++ }
        }
     :: atomic { slot == NONE && (here) == NONE -> break }
     fi
  od;
  gathered = false;
  assert(due == 0);
  if
  :: atomic { at_work == 0 && nothing_to_run -> goto end }
  :: atomic { next_ticket(word) != taken + FIRST_TICKET && !(at_work == 0 && nothing_to_run) ->
       goto iteration
     }
  :: atomic { next_ticket(word) == taken + FIRST_TICKET && !(at_work == 0 && nothing_to_run) -> skip }
  fi;
  try_fall_asleep(taken + FIRST_TICKET, slept);
  if
  :: atomic { !slept -> goto iteration }
  :: atomic { slept -> slept = false }
  fi;
  inproc_rung || eventfd_rung || (at_work == 0 && nothing_to_run);
  d_step { clear_asleep(before); before = 0 };
  d_step { inproc_rung = false; eventfd_rung = false };
  goto iteration;

end:
  over = true;
  if
  :: dead
  :: else ->
     assert(visitors == 0);
     assert(free[0] && free[1])
  fi
}

init {
  atomic {
    at_work = 1 + SIGNALS;
    run poster();
    if :: FIRST > 0 -> run first_handler() :: else fi;
    if :: NESTED > 0 -> run nested_handler() :: else fi;
    if :: ON_LOOP > 0 -> run handler_on_loop() :: else fi;
    run loop()
  }
}
