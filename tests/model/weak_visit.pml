// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Why the orders of a visit suffice on any machine: nobody touches the mailbox once it is destroyed.
 *
 * A poster found the loop asleep, a thread stops the loop; both still have to ring. The loop runs the
 * post, sees the stop, and its owner destroys the mailbox, however little else it has seen.
 *
 * Promised, whatever each load returns of what it may return:
 *   view == last     what a visitor does to the mailbox is over before it is destroyed [M4]
 *                    and what the stopper wrote before is seen by whoever ends the loop
 *
 * Mirrors:
 *   threading/mailbox/control_word.h    ControlWord::look                    27490dad9a64
 *   threading/mailbox/control_word.h    ControlWord::request_stop            f9e0e613df96
 *   threading/mailbox/control_word.h    ControlWord::clear_stop              35586b8d43ad
 *   threading/mailbox/mailbox.h         Mailbox::stop_requested              16b0e0a8d9fd
 *   threading/mailbox/mailbox.h         Mailbox::clear_stop                  b0931357e39b
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::request_stop           dc1db0921aa8
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::begin_visit            105227fecfc9
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::end_visit              4466b805406e
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::no_visitors            cc0a3235e3b9
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_asleep_or_closed  958c4d40af40
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_in                281e36258b89
 *   threading/mailbox/slot.h            Slot::publish                        89e9ba6d2196
 *   threading/mailbox/slot.h            Slot::ticket                         d764c60750ba
 *
 * Runs (the stop is seen by a running loop, or latched and seen by start()):
 *   running  -DLATCHED=0
 *   latched  -DLATCHED=1
 *
 * Bugs:
 *   PUBLISH_ORDER=RELAXED      running  view
 *   SLOT_ORDER=RELAXED         running  view
 *   STOP_ORDER=RELAXED         running  view
 *   LOOK_ORDER=RELAXED         running  view
 *   CLEAR_STOP_ORDER=RELAXED   latched  view
 *   END_VISIT_ORDER=RELAXED    running  view
 *   VISITORS_ORDER=RELAXED     running  view
 *   VISIT_BEGUN_TOO_LATE       running  view
 */

#define POSTER 0
#define STOPPER 1
#define LOOP 2
#define THREADS 3

#define WORD 0
#define SLOT 1
#define VISITORS 2
#define TOUCHED(visitor) (3 + (visitor)) /* the mailbox, as each of them touches it */
#define WRITTEN 5 /* by the stopper, before */
#define LOCATIONS 6
#define MESSAGES 6

#include "views.pml"

#ifndef PUBLISH_ORDER
#define PUBLISH_ORDER RELEASE
#endif
#ifndef SLOT_ORDER
#define SLOT_ORDER ACQUIRE
#endif
#ifndef STOP_ORDER
#define STOP_ORDER RELEASE
#endif
#ifndef LOOK_ORDER
#define LOOK_ORDER ACQUIRE
#endif
#ifndef CLEAR_STOP_ORDER
#define CLEAR_STOP_ORDER ACQUIRE
#endif
#ifndef END_VISIT_ORDER
#define END_VISIT_ORDER RELEASE
#endif
#ifndef VISITORS_ORDER
#define VISITORS_ORDER ACQUIRE
#endif

#define STOP 2

inline begin_visit(thread) { read_modify_write(thread, VISITORS, old, old + 1, RELAXED) }
inline end_visit(thread) { read_modify_write(thread, VISITORS, old, old - 1, END_VISIT_ORDER) }

active proctype poster() {
  byte old;
#ifdef VISIT_BEGUN_TOO_LATE
  write_store(POSTER, SLOT, 1, PUBLISH_ORDER);
  begin_visit(POSTER);
#else
  begin_visit(POSTER);
  write_store(POSTER, SLOT, 1, PUBLISH_ORDER);
#endif
  use_plain(POSTER, TOUCHED(POSTER)); /* rings */
  end_visit(POSTER)
}

active proctype stopper() {
  byte old;
  use_plain(STOPPER, WRITTEN);
  begin_visit(STOPPER);
  read_modify_write(STOPPER, WORD, old, old | STOP, STOP_ORDER);
  use_plain(STOPPER, TOUCHED(STOPPER)); /* rings */
  end_visit(STOPPER)
}

active proctype loop() {
  byte found;
  do /* the callback has run */
  :: read_load(LOOP, SLOT, found, SLOT_ORDER);
     if :: found == 1 -> break :: else fi
  od;
  if
  :: LATCHED ->
     (memory[WORD].written[memory[WORD].last].value & STOP) != 0; /* or it would run */
     read_modify_write(LOOP, WORD, found, found & ~STOP, CLEAR_STOP_ORDER)
  :: else ->
     do
     :: read_load(LOOP, WORD, found, LOOK_ORDER);
        if :: found == STOP -> break :: else fi
     od
  fi;
  read_plain(LOOP, WRITTEN);
  do
  :: read_load(LOOP, VISITORS, found, VISITORS_ORDER);
     if :: found == 0 -> break :: else fi
  od;
  use_plain(LOOP, TOUCHED(POSTER));
  use_plain(LOOP, TOUCHED(STOPPER))
}
