// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Why the orders of a post suffice on any machine: the slot's publication, the order promise across
 * two lanes, and a lane that is listed while the loop looks.
 *
 * A posts, then hands over to B by an atomic of the user's; B makes a lane of its own and posts. The
 * loop sleeps and wakes once, which changes the word with relaxed orders, and takes batches.
 *
 * Promised, whatever each load returns of what it may return:
 *   view == last     a callable, and a lane, is seen complete                        [W1] [S1]
 *   taken_a          B's post does not run before A's, which had returned            [M1]
 *   first == 1       whoever sees B's ticket counted sees B's lane                   [S2]
 *
 * Mirrors:
 *   threading/mailbox/control_word.h  ControlWord::take_ticket      7a69a4f9127b
 *   threading/mailbox/control_word.h  ControlWord::look             27490dad9a64
 *   threading/mailbox/control_word.h  ControlWord::try_fall_asleep  afef0aab4526
 *   threading/mailbox/control_word.h  ControlWord::clear_asleep     655026217b40
 *   threading/mailbox/lane_set.cc     LaneSet::acquire              9bef62498528
 *   threading/mailbox/lane_set.h      LaneSet::first                a2a2b8acab76
 *   threading/mailbox/slot.h          Slot::publish                 89e9ba6d2196
 *   threading/mailbox/slot.h          Slot::ticket                  d764c60750ba
 *
 * Runs (B's lane is old, or made while the loop looks):
 *   old_lane   -DNEW_LANE=0
 *   new_lane   -DNEW_LANE=1
 *
 * Bugs:
 *   TICKET_ORDER=RELAXED    old_lane  taken_a
 *   LOOK_ORDER=RELAXED      old_lane  taken_a
 *   PUBLISH_ORDER=RELAXED   old_lane  view
 *   SLOT_ORDER=RELAXED      old_lane  view
 *   WOKEN_BY_A_STORE        old_lane  taken_a
 *   LISTED_AFTER_TICKET     new_lane  first
 *   LISTING_ORDER=RELAXED   new_lane  view
 *   FIRST_ORDER=RELAXED     new_lane  view
 */

#define A 0
#define B 1
#define LOOP 2
#define THREADS 3

#define WORD 0
#define SLOT_A 1
#define SLOT_B 2
#define FIRST 3
#define HANDED_OVER 4
#define CALLABLE_A 5
#define CALLABLE_B 6
#define LANE_B 7
#define LOCATIONS 8
#define MESSAGES 6

#include "views.pml"

#define ASLEEP 1
#define ONE_TICKET 8

#ifndef TICKET_ORDER
#define TICKET_ORDER RELEASE
#endif
#ifndef LOOK_ORDER
#define LOOK_ORDER ACQUIRE
#endif
#ifndef PUBLISH_ORDER
#define PUBLISH_ORDER RELEASE
#endif
#ifndef SLOT_ORDER
#define SLOT_ORDER ACQUIRE
#endif
#ifndef LISTING_ORDER
#define LISTING_ORDER RELEASE
#endif
#ifndef FIRST_ORDER
#define FIRST_ORDER ACQUIRE
#endif

byte ticket_b = 255;

/* The first ticket is 0 here, so that memory may begin as zeros; a slot holds it plus one. */
inline post(thread, slot, callable) {
  d_step {
    read_modify_write(thread, WORD, ticket, ticket + ONE_TICKET, TICKET_ORDER);
    ticket_b = (thread == B -> ticket / ONE_TICKET + 1 : ticket_b)
  };
  use_plain(thread, callable);
  write_store(thread, slot, ticket / ONE_TICKET + 1, PUBLISH_ORDER)
}

active proctype thread_a() {
  byte ticket;
  post(A, SLOT_A, CALLABLE_A);
  write_store(A, HANDED_OVER, 1, RELEASE)
}

active proctype thread_b() {
  byte ticket;
  do
  :: read_load(B, HANDED_OVER, ticket, ACQUIRE);
     if :: ticket == 1 -> break :: else fi
  od;
#ifdef LISTED_AFTER_TICKET
  use_plain(B, LANE_B);
  post(B, SLOT_B, CALLABLE_B);
  write_store(B, FIRST, 1, LISTING_ORDER)
#else
  if
  :: NEW_LANE -> use_plain(B, LANE_B); write_store(B, FIRST, 1, LISTING_ORDER)
  :: else
  fi;
  post(B, SLOT_B, CALLABLE_B)
#endif
}

inline look_at_a() { read_load(LOOP, SLOT_A, a, SLOT_ORDER) }

inline look_at_b() {
  if
  :: first == 1 -> read_plain(LOOP, LANE_B); read_load(LOOP, SLOT_B, b, SLOT_ORDER)
  :: else
  fi
}

active proctype loop() {
  byte word;
  byte limit;
  byte first;
  byte a;
  byte b;
  bit slept;
  bit taken_a;
  bit taken_b;
  do
  :: !slept ->
     slept = true;
     read_modify_write(LOOP, WORD, word, word | ASLEEP, RELAXED);
#ifdef WOKEN_BY_A_STORE
     atomic {
       word = memory[WORD].written[memory[WORD].last].value;
       view[LOOP].at[WORD] = memory[WORD].last;
       write_store(LOOP, WORD, word & ~ASLEEP, RELAXED)
     };
#else
     read_modify_write(LOOP, WORD, word, word & ~ASLEEP, RELAXED);
#endif
     word = 0
  :: !taken_a || !taken_b ->
     read_load(LOOP, WORD, limit, LOOK_ORDER);
     limit = limit / ONE_TICKET;
     if
     :: NEW_LANE -> read_load(LOOP, FIRST, first, FIRST_ORDER)
     :: else -> first = 1
     fi;
     assert(first == 1 || limit < ticket_b);
     if /* lanes stand in any order */
     :: look_at_b(); look_at_a()
     :: look_at_a(); look_at_b()
     fi;
     if
     :: !taken_a && a != 0 && a <= limit -> read_plain(LOOP, CALLABLE_A); taken_a = true
     :: else
     fi;
     if
     :: !taken_b && b != 0 && b <= limit ->
        read_plain(LOOP, CALLABLE_B);
        assert(taken_a);
        taken_b = true
     :: else
     fi;
     d_step { limit = 0; first = 0; a = 0; b = 0 }
  :: taken_a && taken_b && slept -> break
  od
}
