// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Calling the loop to look beside its posts: those who wait for room (call_when_below), and posters
 * that were refused.
 *
 * Two threads leave something in a list and set a flag of the word; the loop clears the flag and takes
 * the list. A waiter for which there is no room yet stays, and the loop calls itself.
 *
 * Promised, in whichever order of steps:
 *   (no invalid end state)   the loop does not sleep for ever with a waiter unanswered [W5]
 *   answered <= asked        nobody is answered twice
 *   rings_due > 0            one ring for each sleep at most [W4]
 *
 * Mirrors:
 *   threading/mailbox_inlet.h  MailboxInlet::call         1a6f232f8ae0
 *   threading/mailbox.h        Mailbox::clear_called      db1428d1b17d
 *   runtime/loop_core.cc       LoopCore::call_when_below  19932c6a3dd3
 *   runtime/loop_core.cc       LoopCore::note_full        e193c6e93bfe
 *   runtime/loop_core.cc       LoopCore::heeds            126b70897539
 *   runtime/loop_core.cc       LoopCore::answer_call      e1b6c6d9ce59
 *   runtime/loop_core.cc       LoopCore::call_waiters     95f7e36a6af5
 *   runtime/room_waiters.h     RoomWaiters::add           9a2808665b52
 *   runtime/room_waiters.h     RoomWaiters::collect       7b9d669385e0
 *
 * Runs (how many of two waiters wait for a second iteration):
 *   asked  -DWITHOUT_ROOM=0
 *   waits  -DWITHOUT_ROOM=1
 *
 * Bugs:
 *   CALLS_BEFORE_IT_PUTS    asked  invalid end state
 *   CLEARS_AFTER_ITS_LOOK   asked  invalid end state
 *   SLEEPS_THOUGH_CALLED    asked  invalid end state
 *   FORGETS_THOSE_WHO_WAIT  waits  invalid end state
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
byte without_room = WITHOUT_ROOM;

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

/* Those for which there is room; the rest waits for the next iteration. */
inline call_waiters() {
  do
  :: atomic { waiting > without_room -> waiting--; answered++; assert(answered <= asked) }
  :: atomic { waiting <= without_room -> without_room = 0; break }
  od
}

active proctype loop() {
  byte look;
  byte before;
  bit slept;

iteration:
  look = word;
  if
  :: called(look) ->
#ifdef CLEARS_AFTER_ITS_LOOK
     collect();
     clear_called();
#else
     clear_called();
     collect();
#endif
     call_waiters();
#ifndef FORGETS_THOSE_WHO_WAIT
     if
     :: waiting > 0 -> call(before)
     :: else
     fi;
     before = 0
#endif
  :: else
  fi;
  look = 0;
  d_step {
#ifdef SLEEPS_THOUGH_CALLED
    slept = true;
    word = word | ASLEEP;
#else
    try_fall_asleep(FIRST_TICKET, slept);
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
