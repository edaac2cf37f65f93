// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Calling the loop to look beside its posts: those who wait for room (call_when_below), and posters
 * that were refused.
 *
 * Two threads leave something in a list and set a flag of the word; the loop clears the flag and takes
 * the list. A waiter for which there is no room yet stays, and is looked at again in each iteration:
 * while a post is pending the loop does not sleep for long. What is left when the time is used up has
 * room, and nothing else may be pending: for that the loop calls itself.
 *
 * Promised, in whichever order of steps:
 *   (no invalid end state)   the loop does not sleep for ever with a waiter unanswered [W5]
 *   answered <= asked        nobody is answered twice
 *   rings_due > 0            one ring for each sleep at most [W4]
 *
 * Mirrors:
 *   threading/mailbox/mailbox_inlet.h  MailboxInlet::call         1a6f232f8ae0
 *   threading/mailbox/mailbox.h        Mailbox::clear_called      db1428d1b17d
 *   runtime/core/loop_core.cc       LoopCore::call_when_below  1e426db57150
 *   runtime/core/loop_core.cc       LoopCore::note_full        2d77ee95555a
 *   runtime/core/loop_core.cc       LoopCore::heeds            7ccc6caef415
 *   runtime/core/loop_core.cc       LoopCore::answer_call      3ce561ed4076
 *   runtime/core/loop_core.cc       LoopCore::call_waiters     54d7129934fa
 *   runtime/core/room_waiters.h     RoomWaiters::add           1e66a073ecdc
 *   runtime/core/room_waiters.h     RoomWaiters::collect       7b9d669385e0
 *
 * Runs (without a post, and with one that the loop takes at some time):
 *   asked  -DPENDING=0
 *   waits  -DPENDING=1
 *
 * Bugs:
 *   CALLS_BEFORE_IT_PUTS    asked  invalid end state
 *   CLEARS_AFTER_ITS_LOOK   asked  invalid end state
 *   SLEEPS_THOUGH_CALLED    asked  invalid end state
 *   FORGETS_THOSE_WHO_WAIT  waits  invalid end state
 *   FORGETS_THE_REST        asked  invalid end state
 *   EVERY_CALL_RINGS        asked  rings_due
 */

#include "control_word.pml"

#define ASKERS 2

byte list;    /* left by others, not collected */
byte waiting; /* collected */
bit rung;

/* ---- what is known from outside ------------------------------------------------------------- */

byte asked;
byte answered;
byte rings_due;
bit pending = PENDING;

/* ---- any thread ------------------------------------------------------------------------------ */

inline put() { d_step { list++; asked++ } }

inline call_and_wake() {
  call(before);
#ifdef EVERY_CALL_RINGS
  before = before | ASLEEP;
#else
  if
  :: asleep(before) -> clear_asleep(before)
  :: else
  fi;
#endif
  if
  :: asleep(before) -> d_step { assert(rings_due > 0); rings_due--; rung = true }
  :: else
  fi;
  before = 0
}

proctype asker() {
  byte before;
#ifdef CALLS_BEFORE_IT_PUTS
  call_and_wake();
  put()
#else
  put();
  call_and_wake()
#endif
}

/* ---- loop ------------------------------------------------------------------------------------ */

inline collect() { d_step { waiting = waiting + list; list = 0 } }

/* All for whom there is room, unless the time is used up after one. */
inline call_waiters() {
  do
  :: atomic { waiting > 0 && !pending -> waiting--; answered++; assert(answered <= asked) };
     if
     :: true
     :: waiting > 0 ->
#ifndef FORGETS_THE_REST
        call(before);
        before = 0;
#endif
        break
     fi
  :: waiting == 0 || pending -> break
  od
}

active proctype loop() {
  byte look;
  byte before;
  bit slept;

iteration:
  look = word;
  if
  :: pending -> pending = false
  :: true /* it came later, or is half-way */
  fi;
  if
  :: called(look) ->
#ifdef CLEARS_AFTER_ITS_LOOK
     collect();
     clear_called()
#else
     clear_called();
     collect()
#endif
  :: else
  fi;
#ifdef FORGETS_THOSE_WHO_WAIT
  if
  :: called(look) -> call_waiters()
  :: else
  fi;
#else
  call_waiters();
#endif
  look = 0;
  d_step {
#ifdef SLEEPS_THOUGH_CALLED
    slept = true;
    word = word | ASLEEP;
#else
    if
    :: !pending -> try_fall_asleep(FIRST_TICKET, slept)
    :: else
    fi;
#endif
    rings_due = (slept -> rings_due + 1 : rings_due)
  };
  if
  :: slept -> slept = false
  :: else -> goto iteration
  fi;
  if
  :: atomic { rung -> rung = false }
  :: atomic { answered == ASKERS && !rung -> goto done } /* it may sleep for good */
  fi;
  d_step {
    clear_asleep(before);
    rings_due = (asleep(before) -> rings_due - 1 : rings_due);
    before = 0
  };
  goto iteration;

done:
  skip
}

init {
  atomic {
    run asker();
    run asker()
  }
}
