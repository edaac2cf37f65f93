// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Whose a loop is at this moment: who runs it, sets it up or closes it, and the destructors of
 * timers that come from any thread.
 *
 * A thread that sets the loop up says so before it looks at the state; a destructor holds the state
 * before it looks at who sets the loop up. At least one of the two sees the other. What a thread says
 * stays in its x86 store buffer for a while, unless it fences (FENCED): the destructor has the kernel
 * empty all buffers before it looks. All other accesses are seq_cst, so steps in some order are all
 * that there is.
 *
 * The user keeps the rule that one thread at a time sets the loop up, begins to run it or closes it:
 * USER_RULE. Calls of that kind while another thread runs the loop, and destructors at any moment,
 * are not the user's to order.
 *
 * Promised, whatever the order of steps:
 *   (no invalid end state)    nobody waits for ever
 *   user==0                   no two threads use timers and handlers at one time
 *   !elsewhere                a call that belongs to the loop's thread is refused while it runs on
 *                             another one, and while it belongs to another one
 *   !alone                    a destructor is sent away only if another thread had the loop; that
 *                             one has it no more once others can see a store it made afterwards
 *   bound==me                 the thread that has the loop is the one it is bound to
 *
 * Mirrors:
 *   runtime/core/loop_affinity.h   Access::Access                    58106c59f17d
 *   runtime/core/loop_affinity.h   Access::~Access                   2a85cf77c2dd
 *   runtime/core/loop_affinity.h   LoopAffinity::try_use             2753370e0e64
 *   runtime/core/loop_affinity.h   LoopAffinity::enter               c1ad23163337
 *   runtime/core/loop_affinity.h   LoopAffinity::is_set_up_here      7c8dae164070
 *   runtime/core/loop_affinity.h   LoopAffinity::is_owned_elsewhere  af014c3afc3e
 *   runtime/core/loop_affinity.h   LoopAffinity::begin_ownership     b87ab4cbbb20
 *   runtime/core/loop_affinity.h   LoopAffinity::end_ownership       6743ae521d4c
 *   threading/mailbox/claim.h         Claim::take                       f0875c7926a3
 *   threading/mailbox/claim.h         Claim::drop                       37d6089a48b1
 *   threading/mailbox/claim.h         Claim::is_held_by                 7d41c15cdd30
 *   threading/mailbox/claim.h         Claim::holder                     7d4350aa8872
 *   runtime/core/loop_affinity.cc  LoopAffinity::require_owner       0a278230944e
 *   runtime/core/loop_affinity.cc  LoopAffinity::open                0b4119eff49e
 *   runtime/core/loop_affinity.cc  LoopAffinity::take_to_run         6a6ff91337e4
 *   runtime/core/loop_affinity.cc  LoopAffinity::end_run             5c2b6a48ad7e
 *   runtime/core/loop_affinity.cc  LoopAffinity::take_to_close       0a08493a9f65
 *   runtime/core/loop_affinity.cc  LoopAffinity::end_close           4907f0b1531b
 *   runtime/core/loop_affinity.cc  LoopAffinity::take                1118147fec28
 *   runtime/core/loop_affinity.cc  LoopAffinity::bind                a3da005b0440
 *   runtime/core/loop_affinity.cc  LoopAffinity::unbind              8b8fe87ad69b
 *
 * Runs (threads that set the loop up, run it and close it, and destructors; OWNED: a LoopThread's):
 *   set_up   -DSETTERS=1 -DCALLS=2 -DRUNNERS=1 -DCLOSERS=0 -DDESTRUCTORS=2
 *   fenced   -DFENCED -DSETTERS=1 -DCALLS=2 -DRUNNERS=1 -DCLOSERS=0 -DDESTRUCTORS=2
 *   closing  -DSETTERS=1 -DCALLS=1 -DRUNNERS=1 -DCLOSERS=1 -DDESTRUCTORS=1
 *   runs     -DSETTERS=1 -DCALLS=1 -DRUNNERS=2 -DCLOSERS=0 -DDESTRUCTORS=1
 *   owned    -DOWNED -DSETTERS=1 -DCALLS=2 -DRUNNERS=1 -DCLOSERS=1 -DDESTRUCTORS=1
 *
 * Bugs:
 *   STATE_LOOKED_AT_FIRST        set_up   user
 *   SETTING_UP_LOOKED_AT_FIRST   set_up   user
 *   SETTING_UP_NEVER_SAID        set_up   setting_up_said==me
 *   BUFFERS_NOT_EMPTIED          set_up   user
 *   SAID_WITHOUT_A_FENCE         fenced   user
 *   NOT_HELD                     runs     user
 *   HELD_BY_STORE                runs     elsewhere
 *   HELD_COUNTS_AS_REST          runs     elsewhere
 *   CLOSES_WHAT_IS_HELD          closing  bound
 *   LEFT_HELD                    set_up   invalid end state
 *   SETTING_UP_NOT_TAKEN_BACK    set_up   setting_up_said!=me
 *   OWN_SETTING_UP_IS_ANOTHERS   set_up   alone
 *   AT_REST_BEFORE_UNBOUND       runs     elsewhere
 *   RUNNING_IS_NOT_LOOKED_AT     runs     elsewhere
 *   OWNED_ONLY_ONCE_BOUND        owned    elsewhere
 *   OWNED_ONLY_WHILE_IT_RUNS     owned    elsewhere
 *   TRY_USE_OF_OWNED_AT_REST     owned    elsewhere
 */

mtype = { idle, held, running, closed };
mtype state = idle;
byte bound;      /* the thread that has the loop; 0: none */
byte setting_up; /* the thread that uses it at rest, as others see it */
byte setting_up_said; /* as that thread has stored it */

#define THREADS (1 + SETTERS + RUNNERS + CLOSERS + DESTRUCTORS)
#define SETTER(i) (1 + i)
#define RUNNER(i) (1 + SETTERS + i)
#define CLOSER(i) (1 + SETTERS + RUNNERS + i)
#define DESTRUCTOR(i) (1 + SETTERS + RUNNERS + CLOSERS + i)

/* ---- what is known from outside ------------------------------------------------------------- */

byte user;            /* who uses timers and handlers */
byte at_work;         /* threads that have the loop, want it, or try */
bit alone[THREADS];   /* since its destructor began, no other thread was at work */
byte in_set_up_calls; /* USER_RULE */
bit beginning;

inline enter() {
  at_work++;
  for (i : 0 .. THREADS - 1) { alone[i] = false };
  i = 0;
  alone[me] = at_work == 1
}
inline leave() { at_work-- }
/* Others learn it from a store of the setter's that follows all that it made before. */
inline leave_set_up() { d_step { empty_buffer(); leave() } }

inline begin_use() { d_step { assert(user == 0); user = me } }
inline end_use() { d_step { assert(user == me); user = 0 } }
/* Also within another use of the same thread. */
inline use() {
  d_step { assert(user == 0 || user == me); within = user == me; user = me };
  d_step {
    assert(user == me);
    if
    :: !within -> user = 0
    :: else
    fi;
    within = false
  }
}

/* USER_RULE */
inline begin_set_up_call() { atomic { !beginning -> in_set_up_calls++ } }
inline end_set_up_call() { in_set_up_calls-- }
inline begin_beginning() { atomic { !beginning && in_set_up_calls == 0 -> beginning = true } }
inline end_beginning() { beginning = false }

/* ---- the code ------------------------------------------------------------------------------- */

#ifdef OWNED
#define owned true
#else
#define owned false
#endif

#ifdef OWNED_ONLY_ONCE_BOUND
#define owned_elsewhere (owned && bound != 0 && bound != me)
#elif defined(OWNED_ONLY_WHILE_IT_RUNS)
#define owned_elsewhere (owned && state == running && bound != me)
#else
#define owned_elsewhere (owned && bound != me)
#endif

#ifdef RUNNING_IS_NOT_LOOKED_AT
#define bound_elsewhere false
#else
#define bound_elsewhere (bound != 0)
#endif

mtype = { own, set_up, refused, after_close };

/* The setter's store buffer. */
inline empty_buffer() { setting_up = setting_up_said }
active proctype store_buffer() {
end:
  do
  :: setting_up != setting_up_said -> empty_buffer()
  od
}

/* Claim */
inline say_setting_up() {
#if defined(FENCED) && !defined(SAID_WITHOUT_A_FENCE)
  d_step { setting_up_said = me; empty_buffer() }
#else
  setting_up_said = me
#endif
}
inline take_back_setting_up() { setting_up_said = 0 }
inline look_who_sets_up() {
#if defined(FENCED) || defined(BUFFERS_NOT_EMPTIED)
  seen = setting_up
#else
  d_step { empty_buffer(); seen = setting_up }
#endif
}

/* open(): `granted` is own or set_up, else the call was refused or came after the close. */
inline open_here() {
  if
  :: state == closed -> granted = after_close
  :: else -> assert(bound == me); granted = own
  fi
}
inline open_elsewhere() {
  do
  :: /* enter() */
#ifdef RUNNING_IS_NOT_LOOKED_AT
     at_rest = !owned && (state == idle || state == running);
#else
     at_rest = !owned && state == idle;
#endif
     if
     :: at_rest ->
        assert(setting_up_said != me);
#ifdef STATE_LOOKED_AT_FIRST
        say_setting_up();
        granted = set_up; break
#else
#ifndef SETTING_UP_NEVER_SAID
        say_setting_up();
#endif
        if
#ifdef RUNNING_IS_NOT_LOOKED_AT
        :: state == idle || state == running -> granted = set_up; break
#else
        :: state == idle -> granted = set_up; break
#endif
        :: else
        fi;
#ifndef SETTING_UP_NOT_TAKEN_BACK
        take_back_setting_up()
#endif
#endif
     :: else
     fi;
     if
     :: state == closed -> granted = after_close; break
     :: else
     fi;
     assert(bound != me);
     if
     :: owned_elsewhere || (!owned && bound_elsewhere) -> granted = refused; break
     :: else
     fi;
     state == idle || state == closed || bound != 0 /* the back-off */
  od;
  at_rest = false
}

inline try_use_here() {
  if
  :: state == closed -> outcome = after_close
  :: else -> assert(bound == me); use(); outcome = own
  fi
}
inline try_use_elsewhere() {
  if
  :: state == closed -> outcome = after_close
  :: else ->
     assert(bound != me);
#ifdef SETTING_UP_LOOKED_AT_FIRST
     look_who_sets_up();
#endif
#ifdef HELD_BY_STORE
     if
     :: !owned && state == idle -> state = held; got = true
     :: else -> got = false
     fi;
#elif defined(NOT_HELD)
     got = !owned && state == idle;
#else
     atomic {
#ifdef TRY_USE_OF_OWNED_AT_REST
       got = state == idle;
#else
       got = !owned && state == idle;
#endif
       if
       :: got -> state = held
       :: else
       fi
     };
#endif
     if
     :: !got -> outcome = refused
     :: else ->
#ifndef SETTING_UP_LOOKED_AT_FIRST
        look_who_sets_up();
#endif
        if
#ifdef OWN_SETTING_UP_IS_ANOTHERS
        :: seen == 0 -> use(); outcome = own
#else
        :: seen == 0 || seen == me -> use(); outcome = own
#endif
        :: else -> outcome = refused
        fi;
#ifdef LEFT_HELD
        if
        :: outcome == own -> state = idle
        :: else
        fi
#elif !defined(NOT_HELD)
        state = idle
#else
        skip
#endif
     fi
  fi;
  seen = 0;
  got = false
}

/* take(): waits while the loop is held. */
inline take(next) {
  atomic {
#if defined(HELD_COUNTS_AS_REST)
    before = (state == held -> idle : state);
#elif defined(CLOSES_WHAT_IS_HELD)
    (next == closed || state != held) -> before = (state == held -> idle : state);
#else
    state != held -> before = state;
#endif
    if
    :: before == idle -> state = next
    :: else
    fi
  }
}

inline bind() {
  if
  :: !owned -> d_step { assert(bound == 0); bound = me }
  :: else
  fi
}
inline unbind() {
  if
  :: !owned -> bound = 0
  :: else
  fi
}

inline end_run() {
#ifdef AT_REST_BEFORE_UNBOUND
  state = idle;
  unbind()
#else
  unbind();
  state = idle
#endif
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Calls add_timeout and the like. In the first call, what it does makes another one, and destroys a
 * timer's owner. */
proctype setter(byte me) {
  byte calls, seen, i;
  mtype granted, outcome;
  bit got, within, elsewhere, at_rest;
  do
  :: calls < CALLS ->
     begin_set_up_call();
     d_step { enter() };
     open_elsewhere();
     elsewhere = (granted == own || granted == set_up) && (owned || bound != 0);
     assert(!elsewhere);
#ifndef OWNED
     if
     :: granted == set_up ->
        begin_use();
        if
        :: calls == 0 ->
           assert(setting_up_said == me && state != closed && bound == 0); /* open() returns own */
           use();
           empty_buffer(); /* compare_exchange */
           try_use_elsewhere();
           assert(outcome == own || !alone[me])
        :: else
        fi;
        end_use();
        take_back_setting_up() /* ~Access() */
     :: else
     fi;
#endif
     leave_set_up();
     end_set_up_call();
     calls++
  :: else -> break
  od
}

/* Runs the loop: IOLoop::start(). Of a LoopThread's, on its own thread, which then closes it. */
proctype runner(byte me) {
  byte i;
  mtype before, outcome, granted;
  bit within;
#ifdef OWNED
  bound = me; /* begin_ownership() */
  open_here();
  assert(granted == own);
  use();
#else
  begin_beginning();
#endif
  d_step { enter() };
  take(held);
#ifdef OWNED
  assert(before == idle);
#else
  if
  :: before == idle ->
#endif
     bind();
     state = running;
     end_beginning();
     begin_use();
     try_use_here();
     assert(outcome == own);
     end_use();
     assert(bound == me);
     end_run();
#ifndef OWNED
  :: else -> end_beginning()
  fi;
#endif
  leave();
#ifdef OWNED
  open_here();
  assert(granted == own);
  use();
  take(closed);
  assert(before == idle);
  use();
  open_here();
  try_use_here();
  assert(granted == after_close && outcome == after_close);
  bound = 0 /* end_ownership() */
#endif
}

/* Closes it. Of a LoopThread's that is for its own thread: elsewhere it is refused. */
proctype closer(byte me) {
  byte i;
  mtype before;
  bit within, elsewhere;
#ifdef OWNED
  if
  :: state != closed && owned_elsewhere -> skip /* require_owner() throws */
  :: else ->
     take(closed);
     elsewhere = before != closed;
     assert(!elsewhere)
  fi
#else
  begin_beginning();
  d_step { enter() };
  take(closed);
  if
  :: before == idle ->
     bind();
     end_beginning();
     use();
     assert(bound == me);
     unbind()
  :: else -> end_beginning()
  fi;
  leave()
#endif
}

/* Destroys the owner of a timer. */
proctype destructor(byte me) {
  byte seen, i;
  mtype outcome;
  bit got, within, elsewhere;
  d_step { enter() };
  try_use_elsewhere();
  assert(outcome != refused || !alone[me] || owned);
  elsewhere = owned && outcome == own;
  assert(!elsewhere);
  leave()
}

init {
  byte i;
  atomic {
    for (i : 0 .. SETTERS - 1) { run setter(SETTER(i)) };
    for (i : 0 .. RUNNERS - 1) { run runner(RUNNER(i)) };
#if CLOSERS
    for (i : 0 .. CLOSERS - 1) { run closer(CLOSER(i)) };
#endif
    for (i : 0 .. DESTRUCTORS - 1) { run destructor(DESTRUCTOR(i)) }
  }
}
