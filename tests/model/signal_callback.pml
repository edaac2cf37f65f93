// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Prepared signal callbacks: one reserved slot that is published again and again.
 *
 * Two handlers raise the callback; the loop runs it, then is closed. When nobody raises it any more
 * it is released, by any thread. A signal post takes whatever slot is free.
 *
 * Promised, whatever the order of steps:
 *   told >= called        no raise is part of a call that was told false
 *   told == called        each raise that was told true is part of a call; unless close() reports it
 *                         as abandoned, the raise it joined was told false, or it was released
 *   prepared_refs > 0     the callback outlives its calls
 *   !ready, !reading      a slot is not written while it waits, nor while the loop reads it
 *   slot_is_back          a released slot is free again
 *   (no invalid end state) close() returns
 *
 * Mirrors:
 *   threading/mailbox/mailbox.cc        Mailbox::take_signal_post            c09d1a70e7a9
 *   threading/mailbox/mailbox.cc        Mailbox::close                       9a2406d86005
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::raise                  fc627dc735b6
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::publish_signal_post    b88ddbecf717
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::unreserve_signal_slot  eaa9305ce4bd
 *   threading/mailbox/signal_slots.cc   SignalSlots::claim                   089e4b51291b
 *   threading/mailbox/signal_slots.cc   SignalSlots::publish                 dddec13c8b0e
 *   threading/mailbox/signal_slots.cc   SignalSlots::reserve                 932d4ac34cfc
 *   threading/mailbox/signal_slots.cc   SignalSlots::unreserve               3f07d43d747f
 *   threading/mailbox/signal_slots.cc   SignalSlots::recycle                 75a8701b304f
 *   threading/mailbox/signal_slots.cc   SignalSlots::pop                     735e0573e6ff
 *   runtime/signals/signal_callback.cc  PreparedCallback::raise              1435c8ae5e10
 *   runtime/signals/signal_callback.cc  PreparedCallback::run                9de5f14492e5
 *   runtime/signals/signal_callback.cc  PreparedCallback::release            1283a0e1c302
 *
 * Runs (raises of one of the two handlers):
 *   raise      -DRAISES=3 -DRELEASES=0 -DPLAIN=0
 *   release    -DRAISES=1 -DRELEASES=1 -DPLAIN=1
 *   for_each   -DRAISES=2 -DRELEASES=0 -DPLAIN=0 -DONCE_FOR_EACH
 *
 * Bugs:
 *   COUNT_CLEARED_AFTER_CALL    raise     told
 *   CLOSED_READ_AFTER_COUNT     raise     told>=called
 *   EACH_RAISE_PUBLISHES        raise     ready
 *   RESERVED_SLOT_RECYCLED      release   ready
 *   UNRESERVED_THOUGH_WAITING   release   reading
 *   UNRESERVED_THOUGH_CLOSED    release   reading
 *   RUN_DOES_NOT_HOLD_IT        release   prepared_refs
 *   REST_IS_NOT_RAISED          for_each  told
 */

#include "control_word.pml"

#define PREPARED 1
#define SIGNAL_POST 2

/* The only slot there is; reserved for the callback until that is released. */
bit free;
bit reserved = true;
bit ready;
byte slot_ticket;
byte slot_callable = PREPARED;

byte raises;
bit released;
byte let_go_ticket; /* a post in a lane: 0, or published */
byte visitors;

/* ---- what is known from outside ------------------------------------------------------------- */

byte prepared_refs = 1;
bit reading;           /* the loop copies what is in the slot */
byte told;             /* raises that returned true */
byte called;           /* raises that calls were told of */
bit slot_abandoned;    /* close() reports the callback */
bit first_refused;     /* its raiser was told false, those that had joined it were not */
byte raisers;          /* at work */
byte at_work;

inline touch_prepared() { assert(prepared_refs > 0) }

/* ---- signal handlers ------------------------------------------------------------------------ */

inline recycle() {
#ifdef RESERVED_SLOT_RECYCLED
  free = true
#else
  free = (reserved -> free : true)
#endif
}

/* MailboxInlet::raise() and publish_signal_post(): leaves in `accepted` whether it was. */
inline publish_signal_post() {
  take_ticket(before);
  if
  :: closed(before) -> recycle(); accepted = false
  :: else ->
     slot_ticket = next_ticket(before);
     d_step { assert(!ready); ready = true; accepted = true }
  fi;
  d_step { before = 0; visitors-- }
}

inline raise() {
#ifdef CLOSED_READ_AFTER_COUNT
  d_step { touch_prepared(); first = (raises == 0); raises++ };
  open = !closed(word);
#else
  d_step { touch_prepared(); open = !closed(word) };
  d_step { first = (raises == 0); raises++ };
#endif
  if
#ifdef EACH_RAISE_PUBLISHES
  :: true ->
#else
  :: first ->
#endif
     visitors++;
     publish_signal_post();
     first_refused = first_refused || !accepted
  :: else -> accepted = open
  fi;
  d_step {
    told = (accepted -> told + 1 : told);
    accepted = false;
    first = false;
    open = false
  }
}

proctype raiser(byte times) {
  byte before;
  bit open;
  bit first;
  bit accepted;
  do
  :: times > 0 -> raise(); times--
  :: times == 0 -> break
  od;
  atomic { raisers--; at_work-- }
}

proctype signal_poster() {
  byte before;
  bit accepted;
  bit claimed;
  visitors++;
  d_step { claimed = free; free = false };
  if
  :: claimed ->
     d_step { assert(!ready); assert(!reading); slot_callable = SIGNAL_POST };
     publish_signal_post()
  :: else -> visitors--
  fi;
  at_work--
}

/* ---- release: any thread -------------------------------------------------------------------- */

inline unreserve() {
  reserved = false;
  free = true
}

proctype releaser() {
  byte before;
  raisers == 0; /* "not while the object is being assigned or destroyed" */
  released = true;
  if
#ifdef UNRESERVED_THOUGH_WAITING
  :: true -> unreserve(); prepared_refs--
#else
  :: raises == 0 -> unreserve(); prepared_refs--
#endif
  :: else ->
     take_ticket(before);
     if
     :: closed(before) ->
#ifdef UNRESERVED_THOUGH_CLOSED
        unreserve();
#endif
        prepared_refs--
     :: else -> let_go_ticket = next_ticket(before)
     fi
  fi;
  at_work--
}

/* ---- loop ----------------------------------------------------------------------------------- */

inline take_signal_post() {
  d_step { ready = false; reading = true };
  d_step { scratch = slot_callable; reading = false };
  recycle()
}

inline hold() {
#ifndef RUN_DOES_NOT_HOLD_IT
  d_step { touch_prepared(); prepared_refs++ }
#else
  skip
#endif
}
inline let_go_of_it() {
#ifndef RUN_DOES_NOT_HOLD_IT
  prepared_refs--
#else
  skip
#endif
}

#ifdef ONCE_FOR_EACH
/* One call for each raise; any of them may throw: then the rest waits for the next iteration. */
inline call_it() {
  do
  :: count > 0 -> d_step { count--; called++ }
  :: count > 0 -> d_step { count--; called++ }; break
  :: count == 0 -> break
  od;
#ifndef REST_IS_NOT_RAISED
  if
  :: count > 0 ->
     d_step { first = (raises == 0); raises = raises + count };
     if
     :: first -> visitors++; publish_signal_post()
     :: else
     fi
  :: else
  fi;
#endif
  count = 0
}
#else
inline call_it() {
  if
  :: !released -> d_step { touch_prepared(); called = called + count; count = 0 }
  :: else -> count = 0
  fi
}
#endif

inline run_prepared() {
  hold();
#ifdef COUNT_CLEARED_AFTER_CALL
  count = raises;
  call_it();
  raises = 0;
#else
  d_step { count = raises; raises = 0 };
  call_it();
#endif
  let_go_of_it()
}

#define slot_is_back (free && !reserved)
#define slot_is_next(limit) \
  (ready && slot_ticket < limit && (let_go_ticket == 0 || slot_ticket < let_go_ticket))
#define let_go_is_next(limit) \
  (let_go_ticket != 0 && let_go_ticket < limit && (!ready || let_go_ticket < slot_ticket))

proctype loop() {
  byte before;
  byte limit;
  byte taken;
  byte scratch;
  byte count;
  bit first;
  bit accepted;

iteration:
  limit = next_ticket(word);
  do
  :: slot_is_next(limit) ->
     take_signal_post();
     taken++;
     if
     :: scratch == PREPARED -> run_prepared()
     :: else
     fi;
     scratch = 0
  :: let_go_is_next(limit) ->
     let_go_ticket = 0;
     taken++;
     unreserve();
     prepared_refs--
  :: else -> break
  od;
  if
  :: taken + FIRST_TICKET != next_ticket(word) -> goto iteration
  :: at_work == 0 && taken + FIRST_TICKET == next_ticket(word) -> goto end
  :: taken + FIRST_TICKET == next_ticket(word) -> skip
  fi;

  close_word(before);
  limit = next_ticket(before);
  before = 0;
  do
  :: slot_is_next(limit) ->
     d_step { slot_abandoned = (slot_callable == PREPARED) };
     take_signal_post();
     taken++;
     scratch = 0
  :: let_go_is_next(limit) ->
     let_go_ticket = 0;
     taken++;
     prepared_refs--
  :: taken + FIRST_TICKET == limit -> break
  od;
  visitors == 0;
  at_work == 0;

end:
  assert(told >= called);
  assert(told == called || slot_abandoned || first_refused || released);
  assert(slot_is_back || !released || closed(word))
}

init {
  atomic {
    raisers = 2;
    at_work = 2 + RELEASES + PLAIN;
    run raiser(RAISES);
    run raiser(1);
    if :: RELEASES > 0 -> run releaser() :: else fi;
    if :: PLAIN > 0 -> run signal_poster() :: else fi;
    run loop()
  }
}
