// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* The sleep protocol that was rejected: an asleep flag beside the queue instead of a bit of the word
 * that gives out tickets. It shows what the one word saves, and that this kind of model sees the
 * bugs which a stress test does not.
 *
 * Each thread has an x86 store buffer: its stores reach memory later, in order, and its own loads see
 * them at once. Hence "store the item, load the flag" and "store the flag, load the items" may both
 * load the old value, unless both sides have a fence, or the sleeper pays for both with membarrier(2).
 *
 * Promised, whatever the order of steps:
 *   (no invalid end state)   the loop does not sleep for ever on an item
 *
 * Runs:
 *   fences       -DPOSTER_FENCE -DLOOP_FENCE
 *   membarrier   -DMEMBARRIER
 *
 * Bugs:
 *   NO_POSTER_FENCE        fences       invalid end state
 *   NO_LOOP_FENCE          fences       invalid end state
 *   NO_SECOND_LOOK         fences       invalid end state
 *   DOORBELL_CLEARED_LATE  fences       invalid end state
 *   FLAG_CLEARED_BY_STORE  fences       invalid end state
 *   NO_MEMBARRIER          membarrier   invalid end state
 */

#define POSTERS 2
#define POSTS 2

/* ---- memory behind store buffers ------------------------------------------------------------ */

#define ITEMS(poster) (poster) /* how many a poster has posted */
#define ASLEEP POSTERS
#define VARIABLES (POSTERS + 1)
#define LOOP POSTERS
#define THREADS (POSTERS + 1)
#define DEEP 2

byte memory[VARIABLES];

typedef Buffer {
  byte variable[DEEP];
  byte value[DEEP];
  byte used
};
Buffer buffers[THREADS];

#define empty(thread) (buffers[thread].used == 0)

inline store(thread, to, what) {
  d_step {
    buffers[thread].used < DEEP ->
    buffers[thread].variable[buffers[thread].used] = to;
    buffers[thread].value[buffers[thread].used] = what;
    buffers[thread].used++
  }
}

inline load(thread, from, into) {
  d_step {
    into = memory[from];
    if
    :: buffers[thread].used > 0 && buffers[thread].variable[0] == from ->
       into = buffers[thread].value[0]
    :: else
    fi;
    if
    :: buffers[thread].used > 1 && buffers[thread].variable[1] == from ->
       into = buffers[thread].value[1]
    :: else
    fi
  }
}

/* Within d_step: the oldest store reaches memory. */
inline flush_one(thread) {
  memory[buffers[thread].variable[0]] = buffers[thread].value[0];
  buffers[thread].variable[0] = buffers[thread].variable[1];
  buffers[thread].value[0] = buffers[thread].value[1];
  buffers[thread].variable[1] = 0;
  buffers[thread].value[1] = 0;
  buffers[thread].used--
}

active proctype memory_system() {
end:
  do
  :: d_step { !empty(0) -> flush_one(0) }
  :: d_step { !empty(1) -> flush_one(1) }
  :: d_step { !empty(LOOP) -> flush_one(LOOP) }
  od
}

inline fence(thread) { empty(thread) }

/* membarrier(2): a fence here, then one in every other thread, one after the other. */
inline membarrier() {
  fence(LOOP);
  fence(0);
  fence(1)
}

/* ---- protocol ------------------------------------------------------------------------------- */

bit doorbell;

proctype poster(byte me) {
  byte posted;
  byte asleep;
  do
  :: posted < POSTS ->
     posted++;
     store(me, ITEMS(me), posted);
#if defined(POSTER_FENCE) && !defined(NO_POSTER_FENCE)
     fence(me);
#endif
     load(me, ASLEEP, asleep);
     if
     :: asleep != 0 ->
#ifdef FLAG_CLEARED_BY_STORE
        store(me, ASLEEP, 0);
        doorbell = true
#else
        /* An exchange is a fence as well. */
        atomic { empty(me) -> asleep = memory[ASLEEP]; memory[ASLEEP] = 0 };
        if
        :: asleep != 0 -> doorbell = true; asleep = 0
        :: else
        fi
#endif
     :: else
     fi
  :: posted == POSTS -> break
  od
}

inline look() {
  load(LOOP, ITEMS(0), a);
  load(LOOP, ITEMS(1), b)
}

proctype loop() {
  byte taken;
  byte a;
  byte b;
  do
  :: look();
     d_step { taken = a + b; a = 0; b = 0 };
     if
     :: taken == POSTERS * POSTS -> break
     :: else
     fi;
     store(LOOP, ASLEEP, 1);
#if defined(LOOP_FENCE) && !defined(NO_LOOP_FENCE)
     fence(LOOP);
#endif
#if defined(MEMBARRIER) && !defined(NO_MEMBARRIER)
     membarrier();
#endif
#ifndef NO_SECOND_LOOK
     look();
     if
     :: a + b != taken -> goto awake
     :: else -> skip
     fi;
#endif
#ifdef DOORBELL_CLEARED_LATE
     doorbell = false;
#endif
     doorbell;
#ifndef DOORBELL_CLEARED_LATE
     doorbell = false;
#endif
awake:
     store(LOOP, ASLEEP, 0)
  od
}

init {
  atomic {
    run poster(0);
    run poster(1);
    run loop()
  }
}
