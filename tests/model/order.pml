// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* The order promise: lanes, tickets, and the merge that takes them.
 *
 * Threads post to one mailbox; one begins when another has ended, and may take over its lane. Lanes
 * come into being while the consumer scans, segments wander through the bag and are filled again,
 * and a thread may be held up between any two steps, so also between its ticket and its slot.
 *
 * Promised, whatever the order of steps:
 *   returned_before == 0   a post runs after all that had returned before it began [M1]
 *   !taken                 each post runs once ...                                 [M2]
 *   callable == ticket     ... as it was posted ...
 *   running !=             ... and its slot is not written while it runs           [L3]
 *   due == 0               a batch takes whatever had returned when it began       [M2]
 *   last_read <            tickets grow along a lane, whoever owns it              [L1] [L2]
 *
 * Mirrors:
 *   threading/mailbox/lane.cc          SegmentBag::put                   b406a67f6e4e
 *   threading/mailbox/lane.cc          SegmentBag::take                  4736ff1273af
 *   threading/mailbox/lane.cc          SegmentBag::keep_at_most          17e11f9a283d
 *   threading/mailbox/lane.cc          Lane::grow                        8b4c3505aceb
 *   threading/mailbox/lane.cc          Lane::advance                     d6920a055280
 *   threading/mailbox/lane.h           Lane::reserve                     a2a68bf65684
 *   threading/mailbox/lane.h           Lane::commit                      cdab184d8016
 *   threading/mailbox/lane.h           Lane::peek                        e183338cf1b1
 *   threading/mailbox/lane.h           Lane::pop_if                      c3a3e017f669
 *   threading/mailbox/lane.h           Lane::is_next                     c3a64985e856
 *   threading/mailbox/lane.h           Lane::pop                         b0dec22588cc
 *   threading/mailbox/lane_set.cc      LaneSet::acquire                  9bef62498528
 *   threading/mailbox/lane_set.cc      LaneSet::release                  7c2794cf4f5f
 *   threading/mailbox/lane_set.cc      OwnedLanes::~OwnedLanes           a246c8aafcf9
 *   threading/mailbox/mailbox.cc       Mailbox::Mailbox                  48b8f55498fa
 *   threading/mailbox/mailbox.cc       Mailbox::take_elsewhere           b3379c305d34
 *   threading/mailbox/mailbox.cc       Mailbox::move_up_heads            aa0d0ebb5399
 *   threading/mailbox/mailbox.cc       Mailbox::note_taken               e765f4759f82
 *   threading/mailbox/mailbox.cc       Mailbox::take_merged              d9cb604cac28
 *   threading/mailbox/mailbox.cc       Mailbox::gather                   be2a34fd5f89
 *   threading/mailbox/mailbox.h        Mailbox::begin_batch              992a92cda67e
 *   threading/mailbox/mailbox.h        Mailbox::take                     13a0104694eb
 *   threading/mailbox/mailbox.h        Mailbox::take_next_in_lane        71442cbf1ce7
 *   threading/mailbox/mailbox.h        Mailbox::take_expected_of         c8e21daaa009
 *   threading/mailbox/mailbox.h        Mailbox::batch_is_over            47a8f7b75f84
 *   threading/mailbox/mailbox_inlet.h  MailboxInlet::post                aff0be4f50c0
 *   threading/mailbox/mailbox_inlet.h  MailboxInlet::post_in_other_lane  6f168c8b28ce
 *   threading/mailbox/mailbox_inlet.h  MailboxInlet::publish_in          236a385fd543
 *   threading/mailbox/mailbox_inlet.h  MailboxInlet::post_in             281e36258b89
 *
 * Runs (posts of three threads and of the first one's heir; slots in a segment):
 *   three_lanes   -DA=1 -DB=1 -DC=1 -DHEIR=0 -DSLOTS=2
 *   recycling     -DA=3 -DB=1 -DC=0 -DHEIR=0 -DSLOTS=1
 *   heir          -DA=1 -DB=1 -DC=0 -DHEIR=3 -DSLOTS=2
 *
 * Bugs:
 *   TICKET_AFTER_SLOT        heir         due
 *   NO_BATCH_LIMIT           heir         returned_before
 *   LIMIT_READ_AFTER_SCAN    heir         returned_before
 *   LANE_BY_LANE             heir         returned_before
 *   FAST_PATH_TAKES_ANY      heir         returned_before
 *   LANE_LISTED_AFTER_POST   heir         due
 *   HEADS_NOT_MOVED_UP       heir         found
 *   HEADS_KEPT_FOR_NEXT      heir         due
 *   ORDER_WHOLE_TOO_EARLY    heir         due
 *   TWO_OWNERS_OF_A_LANE     three_lanes  due
 *   STALE_SLOT_IS_READABLE   recycling    last_read
 *   SEGMENT_BACK_TOO_EARLY   recycling    running
 */

#include "control_word.pml"

#define POSTS (A + B + C + HEIR)
#define LANES 4      /* the constructor's, and one for each thread at most */
#define SEGMENTS (LANES + POSTS)
#define NONE 255
#define OUT_OF_ORDER 254
#define bit_of(ticket) (1 << (ticket))

/* ---- slots, segments, lanes ----------------------------------------------------------------- */

byte slot_ticket[SEGMENTS * SLOTS];   /* 0: never published */
byte slot_callable[SEGMENTS * SLOTS]; /* the ticket of the post it came with */
byte segment_next[SEGMENTS];
bit segment_used[SEGMENTS];

typedef Lane {
  byte write_segment; byte write; /* producer */
  byte read_segment; byte read;   /* consumer */
  byte last_read;
  byte bag;                       /* shared; one place instead of eight */
  byte next_listed;
  bit unowned                     /* guarded by LaneSet's mutex */
};
Lane lanes[LANES];
byte lanes_made;
byte first = NONE;

#define slot_at(segment, index) ((segment) * SLOTS + (index))
#define write_slot(lane) slot_at(lanes[lane].write_segment, lanes[lane].write)
#define read_slot(lane) slot_at(lanes[lane].read_segment, lanes[lane].read)
#define at_end(lane) (lanes[lane].read == SLOTS)
#define next_segment(lane) segment_next[lanes[lane].read_segment]

/* ---- what is known from outside ------------------------------------------------------------- */

short returned;                   /* posts that have returned and were not taken yet */
short returned_before[POSTS + 1]; /* of those, for each ticket, the ones from before it began */
bit taken[POSTS + 1];
byte taken_count;
byte running = NONE;              /* the slot of the callable that runs */

/* ---- memory; all of it within d_step -------------------------------------------------------- */

hidden byte i;
hidden byte made;

inline make_segment() {
  made = 0;
  do :: segment_used[made] -> made++ :: else -> break od;
  segment_used[made] = true;
  segment_next[made] = NONE
}

inline free_segment(segment) {
  segment_used[segment] = false;
  i = 0;
  do
  :: i < SLOTS -> slot_ticket[slot_at(segment, i)] = 0; i++
  :: else -> break
  od
}

inline put_in_bag(lane, segment) {
  if
  :: lanes[lane].bag == NONE -> lanes[lane].bag = segment
  :: else -> free_segment(segment)
  fi;
  segment = NONE
}

inline make_lane(lane) {
  lane = lanes_made;
  lanes_made++;
  make_segment();
  lanes[lane].write_segment = made;
  lanes[lane].read_segment = made;
  lanes[lane].bag = NONE
}

inline list_lane(lane) {
  lanes[lane].next_listed = first;
  first = lane
}

/* ---- producers ------------------------------------------------------------------------------ */

/* Within atomic: the mutex hides all of it but the listing, which is one store. */
inline acquire(lane) {
  if
  :: lanes[0].unowned -> lane = 0
  :: lanes[1].unowned -> lane = 1
  :: lanes[2].unowned -> lane = 2
  :: else ->
     d_step {
       make_lane(lane);
#ifndef LANE_LISTED_AFTER_POST
       list_lane(lane)
#endif
     }
  fi;
#ifndef TWO_OWNERS_OF_A_LANE
  lanes[lane].unowned = false
#endif
}

/* grow() in two steps: a segment from the bag, or a new one; then it is linked. Within atomic. */
inline take_segment(lane, segment) {
  d_step {
    segment = lanes[lane].bag;
    if
    :: segment == NONE -> make_segment(); segment = made
    :: else -> lanes[lane].bag = NONE; segment_next[segment] = NONE
    fi
  }
}

inline link_segment(lane, segment) {
  d_step {
    segment_next[lanes[lane].write_segment] = segment;
    lanes[lane].write_segment = segment;
    lanes[lane].write = 0;
    segment = NONE
  }
}

/* Within d_step. */
inline note_ticket() {
  i = FIRST_TICKET;
  do
  :: i <= POSTS -> seen = (taken[i] -> seen & ~bit_of(i) : seen); i++
  :: else -> break
  od;
  returned_before[ticket] = seen;
  seen = 0
}

inline post(lane) {
  atomic { /* it begins, as late as one could tell */
    seen = returned;
    if
    :: lane == NONE -> acquire(lane)
    :: else
    fi;
    if
    :: lanes[lane].write == SLOTS -> take_segment(lane, segment)
    :: else
    fi
  };
  if
  :: segment != NONE -> link_segment(lane, segment)
  :: else
  fi;
#ifdef TICKET_AFTER_SLOT
  d_step { ticket = next_ticket(word); note_ticket() };
#else
  d_step { take_ticket(ticket); ticket = next_ticket(ticket); note_ticket() };
#endif
  d_step { /* it returns, as early as one could tell */
    assert(running != write_slot(lane));
    slot_callable[write_slot(lane)] = ticket;
    slot_ticket[write_slot(lane)] = ticket;
    lanes[lane].write++;
    returned = returned | bit_of(ticket);
    ticket = 0;
    posts--
  }
#ifdef TICKET_AFTER_SLOT
  ; d_step { take_ticket(ticket); ticket = 0 }
#endif
#ifdef LANE_LISTED_AFTER_POST
  ; if
  :: lanes[lane].next_listed == 0 && lane != 0 -> list_lane(lane)
  :: else
  fi
#endif
}

proctype thread(byte posts; byte posts_of_heir) {
  byte lane = NONE;
  byte segment = NONE;
  byte ticket;
  short seen;
  do
  :: posts > 0 -> post(lane)
  :: atomic { posts == 0 -> break }
  od;
  atomic {
    lanes[lane].unowned = true;
    if
    :: posts_of_heir > 0 -> run thread(posts_of_heir, 0)
    :: else
    fi
  }
}

/* ---- consumer; the inlines within d_step ---------------------------------------------------- */

inline begin_batch() {
#if defined(NO_BATCH_LIMIT) || defined(LIMIT_READ_AFTER_SCAN)
  batch_limit = POSTS + FIRST_TICKET;
#else
  batch_limit = next_ticket(word);
#endif
#ifndef HEADS_KEPT_FOR_NEXT
  gathered = false;
#endif
  due = returned
}

/* The oldest ticket of a lane that is not at the end of a segment, or 0. */
inline peek_slot(lane, found) {
  found = slot_ticket[read_slot(lane)];
#ifndef STALE_SLOT_IS_READABLE
  found = (found > lanes[lane].last_read -> found : 0)
#endif
}

inline advance(lane, emptied) {
  emptied = lanes[lane].read_segment;
  lanes[lane].read_segment = segment_next[emptied];
  lanes[lane].read = 0
}

/* Takes the oldest slot, which carries `ticket`, and runs its callable. */
inline pop(lane, ticket) {
  assert(lanes[lane].last_read < ticket);
  assert(!taken[ticket]);
  assert(returned_before[ticket] == 0);
  running = read_slot(lane);
  assert(slot_callable[running] == ticket);
  slot_callable[running] = 0;
  lanes[lane].last_read = ticket;
  lanes[lane].read++;
  taken[ticket] = true;
  taken_count++;
  due = due & ~bit_of(ticket);
  returned = returned & ~bit_of(ticket);
  i = FIRST_TICKET;
  do
  :: i <= POSTS -> returned_before[i] = returned_before[i] & ~bit_of(ticket); i++
  :: else -> break
  od
#ifdef SEGMENT_BACK_TOO_EARLY
  ; if
  :: at_end(lane) && next_segment(lane) != NONE -> advance(lane, emptied); put_in_bag(lane, emptied)
  :: else
  fi
#endif
}

/* The lane with the lowest of the gathered heads into `lane`, that head into `lowest`. */
inline find_lowest_head() {
  lowest = NONE;
  lane = NONE;
  i = 0;
  do
  :: i < LANES ->
     if
     :: heads[i] != 0 && heads[i] < lowest -> lowest = heads[i]; lane = i
     :: else
     fi;
     i++
  :: else -> break
  od
#ifdef LANE_BY_LANE
  ; if
  :: heads[current] != 0 -> lowest = heads[current]; lane = current
  :: else
  fi
#endif
}

/* What take_merged() does with the lane it has found. */
inline take_lowest() {
  if
  :: lane != current ->
     recent[1] = recent[0];
     recent[0] = current;
     current = lane
  :: else
  fi;
  pop(lane, lowest);
  if /* note_taken() */
  :: lowest == expected -> expected = lowest + 1
  :: else ->
     highest = (expected == OUT_OF_ORDER && highest > lowest -> highest : lowest);
#ifdef ORDER_WHOLE_TOO_EARLY
     expected = highest + 1
#else
     expected = (taken_count + FIRST_TICKET == highest + 1 -> highest + 1 : OUT_OF_ORDER)
#endif
  fi;
  found = 0;
  lowest = 0;
  lane = NONE
}

/* ---- consumer, in the steps that others can see --------------------------------------------- */

/* Leaves a lane's oldest ticket of this batch in `found`, 0 if there is none. */
inline peek(lane) {
  if
  :: at_end(lane) && next_segment(lane) != NONE ->
     d_step { advance(lane, emptied) };
     d_step { put_in_bag(lane, emptied) }
  :: else
  fi;
  d_step {
    if
    :: at_end(lane) -> found = 0
    :: else -> peek_slot(lane, found)
    fi;
    found = (found < batch_limit -> found : 0)
  }
}

#ifdef FAST_PATH_TAKES_ANY
#define expected_is_next(lane) \
  (slot_ticket[read_slot(lane)] >= expected && slot_ticket[read_slot(lane)] < batch_limit)
#else
#define expected_is_next(lane) (slot_ticket[read_slot(lane)] == expected)
#endif

/* Takes the expected ticket from a lane if it is there: then `running` says so. */
inline take_expected_of(lane) {
  if
  :: atomic { at_end(lane) && next_segment(lane) != NONE -> d_step { advance(lane, emptied) } };
     d_step { put_in_bag(lane, emptied) }
  :: else
  fi;
  d_step {
    running = NONE;
    if
    :: !at_end(lane) && expected_is_next(lane) ->
       expected = slot_ticket[read_slot(lane)];
       pop(lane, expected);
       expected++
    :: else
    fi
  }
}

inline swap_with_recent(which) {
  lane = recent[which];
  recent[which] = current;
  current = lane;
  lane = NONE
}

proctype consumer() {
  byte batch_limit;
  byte expected = FIRST_TICKET;
  byte highest;
  byte current = 0;
  byte recent[2] = 0; /* instead of three */
  bit gathered;
  byte heads[LANES];
  byte lane = NONE;
  byte emptied = NONE;
  byte found; byte lowest;
  short due;

next_batch:
  if
  :: atomic { next_ticket(word) > taken_count + FIRST_TICKET -> d_step { begin_batch() } }
  :: atomic { taken_count == POSTS -> goto end }
  fi;

take:
  running = NONE; /* the last callable is done */
  if
  :: atomic { expected == OUT_OF_ORDER -> goto take_merged }
  :: atomic { expected != OUT_OF_ORDER && expected >= batch_limit -> goto end_of_batch }
  :: atomic { expected != OUT_OF_ORDER && expected < batch_limit -> skip }
  fi;
  take_expected_of(current);
  if
  :: running != NONE -> goto take
  :: else
  fi;
  take_expected_of(recent[0]);
  if
  :: atomic { running != NONE -> d_step { swap_with_recent(0) }; goto take }
  :: else
  fi;
  take_expected_of(recent[1]);
  if
  :: atomic { running != NONE -> d_step { swap_with_recent(1) }; goto take }
  :: else
  fi;

take_merged:
  if
  :: gathered
  :: else -> /* gather() */
     lane = first;
     do
     :: lane != NONE ->
        peek(lane);
        d_step { heads[lane] = found; found = 0; lane = lanes[lane].next_listed }
     :: else -> break
     od;
     gathered = true
#ifdef LIMIT_READ_AFTER_SCAN
     ; batch_limit = next_ticket(word)
#endif
  fi;
  do /* move_up_heads() */
  :: d_step { lane = NONE; find_lowest_head() };
     if
     :: atomic { lane == NONE -> lowest = 0; goto end_of_batch }
     :: lane != NONE -> peek(lane)
     fi;
     if
#ifdef HEADS_NOT_MOVED_UP
     :: true -> break
#endif
     :: found == lowest -> break
     :: else -> d_step { heads[lane] = found; found = 0; lowest = 0; lane = NONE }
     fi
  od;
  assert(found != 0);
  d_step { take_lowest() };
  goto take;

end_of_batch:
  assert(due == 0);
#ifndef HEADS_KEPT_FOR_NEXT
  d_step {
    i = 0;
    do
    :: i < LANES -> heads[i] = 0; i++
    :: else -> break
    od
  };
#endif
  if
  :: atomic { lanes[current].bag != NONE -> /* trim(), which keeps none here */
       d_step { free_segment(lanes[current].bag); lanes[current].bag = NONE }
     }
  :: skip
  fi;
  goto next_batch;

end:
  skip
}

init {
  byte lane = NONE;
  atomic {
    acquire(lane); /* Mailbox's constructor: a lane for the first thread that posts */
    lanes[lane].unowned = true;
    run consumer();
    run thread(A, HEIR);
    run thread(B, 0);
    if
    :: C > 0 -> run thread(C, 0)
    :: else
    fi
  }
}
