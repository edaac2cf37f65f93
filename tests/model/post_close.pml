// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Posting against closing: what is accepted is run, or destroyed and counted; what is refused is
 * destroyed by its poster.
 *
 * Threads and a signal handler post; the loop runs some of it, ends, and is closed. Destructors of
 * abandoned callables post, too. Then the mailbox goes, unless somebody may still begin a post.
 *
 * Promised, whatever the order of steps:
 *   accepted == run + abandoned   nothing accepted is lost, and close() reports what did not run [M2]
 *   !ended                        no callable is run or destroyed twice                         [M2]
 *   closed(before)                close() is not passed by a post that comes later              [W2]
 *   slot_free                     a refused signal post gives its slot back
 *   alive                         nobody touches the mailbox once it is destroyed               [M4]
 *   (no invalid end state)        close() returns, the second one at once
 *
 * Mirrors:
 *   threading/mailbox/mailbox.cc        Mailbox::close                       9a2406d86005
 *   threading/mailbox/mailbox.cc        Mailbox::~Mailbox                    559d69e8a36d
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::publish_signal_post    b88ddbecf717
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::refuse_signal_post     3fde5c00632f
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::begin_visit            105227fecfc9
 *   threading/mailbox/mailbox_inlet.cc  MailboxInlet::end_visit              4466b805406e
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post                   aff0be4f50c0
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_in_other_lane     6f168c8b28ce
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_asleep_or_closed  958c4d40af40
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_in                281e36258b89
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::refuse                 5fb1cb249f35
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::post_from_signal       133d4d13f3ab
 *   threading/mailbox/mailbox_inlet.h   MailboxInlet::no_visitors            cc0a3235e3b9
 *   threading/mailbox/signal_slots.cc   SignalSlots::claim                   089e4b51291b
 *   threading/mailbox/signal_slots.cc   SignalSlots::recycle                 75a8701b304f
 *   runtime/core/loop_core.cc        LoopCore::close                      399ab9f6f548
 *
 * Runs (posts of two threads and a signal handler):
 *   threads   -DA=2 -DB=2 -DSIGNALS=0
 *   handler   -DA=2 -DB=1 -DSIGNALS=2
 *
 * Bugs:
 *   CLOSED_READ_BEFORE_TICKET  threads   accepted
 *   COUNT_READ_BEFORE_CLOSED   threads   accepted
 *   CLOSE_TAKES_ONCE           threads   accepted
 *   CLOSE_TWICE_TAKES_TWICE    threads   invalid end state
 *   CLOSE_IGNORES_VISITORS     handler   alive
 *   VISIT_BEGUN_TOO_LATE       handler   alive
 *   REFUSED_KEEPS_ITS_SLOT     handler   slot_free
 */

#include "control_word.pml"

#define POSTS (A + B + SIGNALS)
#define TICKETS (2 * POSTS + FIRST_TICKET) /* destructors post as well */

bit published[TICKETS];
byte visitors;
bit slot_free = true; /* the one signal slot there is */
byte slot_ticket;

/* ---- what is known from outside ------------------------------------------------------------- */

bit alive = true;
bit ended[TICKETS]; /* the callable was run or destroyed */
byte accepted;      /* as the posters were told */
byte refused;       /* and destroyed by them */
byte bound;         /* threads and handlers to whom the mailbox must not vanish yet */
byte at_work;       /* threads and handlers */

/* ---- any thread, any signal handler --------------------------------------------------------- */

inline begin_visit() { d_step { assert(alive); visitors++ } }
inline end_visit() { d_step { assert(alive); visitors-- } }

inline take_ticket_alive() {
#ifdef CLOSED_READ_BEFORE_TICKET
  was_closed = closed(word);
  d_step { take_ticket(before); before = (was_closed -> before | CLOSED : before & ~CLOSED) }
#else
  d_step { assert(alive); take_ticket(before) }
#endif
}

/* From its last post on, whoever was accepted relies on nothing but that post. */
inline publish() {
  d_step {
    published[next_ticket(before)] = true;
    accepted++;
    before = 0;
    posts--;
    bound = (posts == 0 -> bound - 1 : bound)
  }
}

inline refuse() {
  d_step {
    assert(alive);
    refused++;
    before = 0;
    posts--
  }
}

inline return_refused() {
  if
  :: posts == 0 -> bound--
  :: else
  fi
}

proctype poster(byte posts) {
  byte before;
#ifdef CLOSED_READ_BEFORE_TICKET
  bit was_closed;
#endif
  do
  :: posts > 0 ->
     take_ticket_alive();
     if
     :: closed(before) -> refuse(); return_refused()
     :: else -> publish()
     fi
  :: posts == 0 -> break
  od;
  at_work--
}

inline claim() {
  d_step { assert(alive); claimed = slot_free; slot_free = false }
}

inline recycle() {
  d_step {
    assert(alive);
#ifndef REFUSED_KEEPS_ITS_SLOT
    slot_free = true
#endif
  }
}

inline post_from_signal() {
#ifndef VISIT_BEGUN_TOO_LATE
  begin_visit();
#endif
  claim();
  if
  :: claimed ->
     take_ticket_alive();
     if
     :: closed(before) -> recycle(); refuse(); claimed = false
     :: else -> d_step { slot_ticket = next_ticket(before); publish() }
     fi
  :: else -> refuse()
  fi;
#ifdef VISIT_BEGUN_TOO_LATE
  begin_visit();
#endif
  end_visit();
  if
  :: !claimed -> return_refused()
  :: else -> claimed = false
  fi
}

proctype handler(byte posts) {
  byte before;
#ifdef CLOSED_READ_BEFORE_TICKET
  bit was_closed;
#endif
  bit claimed;
  do
  :: posts > 0 -> post_from_signal()
  :: posts == 0 -> break
  od;
  at_work--
}

/* ---- owner ---------------------------------------------------------------------------------- */

hidden byte i;

/* Within d_step: takes what is published of the tickets below `limit`. */
inline take_all(limit) {
  i = FIRST_TICKET;
  do
  :: i < limit ->
     if
     :: published[i] ->
        assert(!ended[i]);
        ended[i] = true;
        published[i] = false;
        taken++;
        slot_free = (slot_ticket == i -> true : slot_free);
        slot_ticket = (slot_ticket == i -> 0 : slot_ticket)
     :: else
     fi;
     i++
  :: else -> break
  od
}

/* Leaves in `found` how many were destroyed. */
inline close(found) {
#ifdef COUNT_READ_BEFORE_CLOSED
  last = word;
  close_word(before);
#else
  close_word(last);
#endif
  found = 0;
  if
#ifndef CLOSE_TWICE_TAKES_TWICE
  :: closed(last) -> skip
#endif
  :: else ->
     found = taken;
#ifdef CLOSE_TAKES_ONCE
     d_step { take_all(next_ticket(last)) };
#else
     do
     :: accepted > taken && taken + FIRST_TICKET < next_ticket(last) -> /* or looks in vain */
        d_step { take_all(next_ticket(last)) };
        take_ticket(before); /* by the destructor of one of them */
        d_step { assert(closed(before)); before = 0 }
     :: taken + FIRST_TICKET >= next_ticket(last) -> break
     od;
#endif
#ifndef CLOSE_IGNORES_VISITORS
     visitors == 0;
#endif
     found = taken - found
  fi
}

proctype owner() {
  byte look;
  byte last;
  byte before;
  byte taken;
  byte ran;
  byte found;
  byte abandoned;
  byte closings;
  byte batches;

  do
  :: batches < 2 ->
     look = word;
     d_step { take_all(next_ticket(look)); look = 0; batches++ }
  :: break
  od;
  ran = taken;
  do
  :: closings < 2 -> /* the second time by the destructor */
     close(found);
     d_step { abandoned = abandoned + found; found = 0; closings++ };
     if
     :: closings == 2 && bound == 0 -> alive = false
     :: else
     fi
  :: closings == 2 -> break
  od;
  at_work == 0;
  assert(accepted == ran + abandoned);
  assert(accepted + refused == POSTS);
  assert(slot_free)
}

init {
  atomic {
    bound = 2;
    at_work = 2;
    run owner();
    run poster(A);
    run poster(B);
    if
    :: SIGNALS > 0 -> bound++; at_work++; run handler(SIGNALS)
    :: else
    fi
  }
}
