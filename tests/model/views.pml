// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* C++'s release and acquire, by views, for models to include that define THREADS, LOCATIONS and
 * MESSAGES (most writes to one location).
 *
 * A location keeps every value written to it, in modification order. A thread's view says for each
 * location how far it has seen that order: a load may return any value from there on. A release
 * write carries the writer's view, an acquire load takes it over; a read-modify-write reads the last
 * value and passes on what that carried, also when it is relaxed itself (the release sequence).
 * Plain data is a location without values: who touches it must have seen all that was done to it
 * before, or there is a data race.
 *
 * Left out, because the code has none of it: fences, seq_cst, and two threads that store to a
 * location without one having seen the other's store. Loads never return a value that is written
 * later; in this code no store hangs on such a load.
 */

#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 2
#define ACQ_REL 3
#define acquires(order) (((order) & ACQUIRE) != 0)
#define releases(order) (((order) & RELEASE) != 0)

typedef Message {
  byte value;
  byte carries[LOCATIONS]
};
typedef Location {
  byte last;
  Message written[MESSAGES]
};
typedef View {
  byte at[LOCATIONS]
};
Location memory[LOCATIONS];
View view[THREADS];

byte choice; /* of the value that a load returns */
hidden byte l;
hidden byte m;

/* Within d_step: the thread takes over what the message carries. */
inline take_over(thread, from, message) {
  l = 0;
  do
  :: l < LOCATIONS ->
     view[thread].at[l] =
       (memory[from].written[message].carries[l] > view[thread].at[l] ->
        memory[from].written[message].carries[l] : view[thread].at[l]);
     l++
  :: else -> break
  od
}

/* Within d_step: message m carries the thread's view, beside what it carries already. */
inline give_on(thread, to) {
  l = 0;
  do
  :: l < LOCATIONS ->
     memory[to].written[m].carries[l] =
       (view[thread].at[l] > memory[to].written[m].carries[l] ->
        view[thread].at[l] : memory[to].written[m].carries[l]);
     l++
  :: else -> break
  od
}

inline write_store(thread, to, what, order) {
  d_step {
    assert(view[thread].at[to] == memory[to].last);
    m = memory[to].last + 1;
    memory[to].last = m;
    memory[to].written[m].value = what;
    memory[to].written[m].carries[to] = m;
    view[thread].at[to] = m;
    if
    :: releases(order) -> give_on(thread, to)
    :: else
    fi
  }
}

inline read_load(thread, from, into, order) {
  atomic {
    choice = view[thread].at[from];
    do
    :: choice < memory[from].last -> choice++
    :: break
    od;
    d_step {
      into = memory[from].written[choice].value;
      view[thread].at[from] = choice;
      if
      :: acquires(order) -> take_over(thread, from, choice)
      :: else
      fi;
      choice = 0
    }
  }
}

/* The old value goes into `old`; `what` is the new one and may use it. */
inline read_modify_write(thread, where, old, what, order) {
  d_step {
    old = memory[where].written[memory[where].last].value;
    if
    :: acquires(order) -> take_over(thread, where, memory[where].last)
    :: else
    fi;
    m = memory[where].last + 1;
    l = 0;
    do
    :: l < LOCATIONS ->
       memory[where].written[m].carries[l] = memory[where].written[m - 1].carries[l];
       l++
    :: else -> break
    od;
    memory[where].last = m;
    memory[where].written[m].value = what;
    memory[where].written[m].carries[where] = m;
    view[thread].at[where] = m;
    if
    :: releases(order) -> give_on(thread, where)
    :: else
    fi
  }
}

/* Plain data: only looks at it. */
inline read_plain(thread, data) {
  assert(view[thread].at[data] == memory[data].last)
}

/* Plain data: changes it, or reads it where a later write must wait for that. */
inline use_plain(thread, data) {
  d_step {
    assert(view[thread].at[data] == memory[data].last);
    memory[data].last++;
    view[thread].at[data] = memory[data].last
  }
}
