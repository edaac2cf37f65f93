// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Why the orders of the signal slots suffice on any machine: two bitmaps and the reserved bit.
 *
 * One handler's thread has the slot reserved, publishes it, and gives it up once its callable has
 * run; another claims it when it is free, publishes and loses it. The loop takes what is ready.
 *
 * Promised, whatever each load returns of what it may return:
 *   view == last     a slot is seen complete, and not written before the loop is done with it
 *   ticket           the loop sees the ticket that belongs to the ready bit
 *   is_reserved      the loop knows whether it may free a slot
 *
 * Mirrors:
 *   threading/mailbox/signal_slots.cc  SignalSlots::claim      089e4b51291b
 *   threading/mailbox/signal_slots.cc  SignalSlots::publish    dddec13c8b0e
 *   threading/mailbox/signal_slots.cc  SignalSlots::reserve    932d4ac34cfc
 *   threading/mailbox/signal_slots.cc  SignalSlots::unreserve  3f07d43d747f
 *   threading/mailbox/signal_slots.cc  SignalSlots::recycle    75a8701b304f
 *   threading/mailbox/signal_slots.cc  SignalSlots::set_free   019e68cc1779
 *   threading/mailbox/signal_slots.cc  SignalSlots::collect    94995e5fc568
 *   threading/mailbox/signal_slots.cc  SignalSlots::pop        735e0573e6ff
 *   threading/mailbox/slot.h           Slot::publish           89e9ba6d2196
 *   threading/mailbox/slot.h           Slot::ticket            d764c60750ba
 *
 * Runs:
 *   two_owners  -DCLAIMS=2
 *
 * Bugs:
 *   CLAIM_ORDER=RELAXED      two_owners  view
 *   SET_FREE_ORDER=RELAXED   two_owners  view
 *   READY_ORDER=RELAXED      two_owners  ticket
 *   COLLECT_ORDER=RELAXED    two_owners  ticket
 *   RESERVED_TOO_LATE        two_owners  is_reserved
 *   UNRESERVED_TOO_LATE      two_owners  is_reserved
 */

#define OWNER 0
#define HANDLER 1
#define LOOP 2
#define THREADS 3

#define FREE 0
#define READY 1
#define RESERVED 2
#define TICKET 3
#define RAISES 4 /* of the prepared callback: orders as seq_cst does, and more than is needed */
#define CALLABLE 5
#define LOCATIONS 6
#define MESSAGES 9

#include "views.pml"

#ifndef CLAIM_ORDER
#define CLAIM_ORDER ACQUIRE
#endif
#ifndef SET_FREE_ORDER
#define SET_FREE_ORDER RELEASE
#endif
#ifndef READY_ORDER
#define READY_ORDER RELEASE
#endif
#ifndef COLLECT_ORDER
#define COLLECT_ORDER ACQUIRE
#endif

#define last_value(location) memory[location].written[memory[location].last].value

byte ticket_taken; /* of the post that waits in the slot */
byte next_ticket = 1;
bit is_reserved;

/* The first slot is taken: FREE counts the times it was freed minus the times it was claimed. */
inline set_free(thread) { read_modify_write(thread, FREE, old, 1, SET_FREE_ORDER) }
inline claim(thread) { read_modify_write(thread, FREE, old, 0, CLAIM_ORDER) }

inline publish(thread) {
  d_step { ticket_taken = next_ticket; next_ticket++ };
  write_store(thread, TICKET, ticket_taken, RELEASE);
  read_modify_write(thread, READY, old, 1, READY_ORDER)
}

active proctype owner() {
  byte old;
#ifndef RESERVED_TOO_LATE
  read_modify_write(OWNER, RESERVED, old, 1, RELAXED);
#endif
  is_reserved = true;
  use_plain(OWNER, CALLABLE); /* construct() */
  publish(OWNER);
#ifdef RESERVED_TOO_LATE
  read_modify_write(OWNER, RESERVED, old, 1, RELAXED);
#endif
  last_value(RAISES) == 1; /* its call has begun */
  read_modify_write(OWNER, RAISES, old, 2, ACQ_REL);
  d_step { is_reserved = false; old = 0 };
#ifdef UNRESERVED_TOO_LATE
  set_free(OWNER);
  read_modify_write(OWNER, RESERVED, old, 0, RELAXED)
#else
  read_modify_write(OWNER, RESERVED, old, 0, RELAXED);
  set_free(OWNER)
#endif
}

active proctype handler() {
  byte old;
  byte claims;
  do
  :: claims < CLAIMS ->
     last_value(FREE) == 1;
     claim(HANDLER);
     use_plain(HANDLER, CALLABLE); /* construct() */
     publish(HANDLER);
     claims++
  :: claims == CLAIMS -> break
  od
}

active proctype loop() {
  byte old;
  byte found;
  byte ran;
  do
  :: ran < 1 + CLAIMS ->
     do
     :: read_load(LOOP, READY, found, COLLECT_ORDER);
        if :: found == 1 -> break :: else fi
     od;
     read_load(LOOP, TICKET, found, ACQUIRE);
     d_step { assert(found == ticket_taken); found = 0 };
     read_modify_write(LOOP, READY, old, 0, RELAXED); /* pop() */
     use_plain(LOOP, CALLABLE);                       /* copy_callable() */
     read_load(LOOP, RESERVED, found, RELAXED);       /* recycle() */
     assert(found == is_reserved);
     if
     :: found == 0 -> set_free(LOOP)
     :: else -> read_modify_write(LOOP, RAISES, old, 1, ACQ_REL) /* run() */
     fi;
     d_step { ran++; found = 0 }
  :: ran == 1 + CLAIMS -> break
  od
}
