// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* Why a lane's memory may be filled again on any machine: segments that go from the producer to the
 * chain, from there through the bag, and back to the producer.
 *
 * Segments of one slot, as many posts as it takes to reuse both of them. The consumer looks at the
 * slots alone, as it does on the fast path, so that no other atomic orders anything for it.
 *
 * Promised, whatever each load returns of what it may return:
 *   view == last     a segment is seen made, a callable complete, and neither is overwritten before
 *                    the consumer is done with it                                         [L3]
 *   expected         tickets come in order, and none twice                                [L1] [L2]
 *
 * Mirrors:
 *   threading/mailbox/lane.cc  SegmentBag::put   b406a67f6e4e
 *   threading/mailbox/lane.cc  SegmentBag::take  4736ff1273af
 *   threading/mailbox/lane.cc  Lane::grow        8b4c3505aceb
 *   threading/mailbox/lane.cc  Lane::advance     d6920a055280
 *   threading/mailbox/lane.h   Segment::next     b3074c4628aa
 *   threading/mailbox/lane.h   Segment::link     7fa965c37637
 *   threading/mailbox/lane.h   Lane::commit      cdab184d8016
 *   threading/mailbox/lane.h   Lane::is_next     c3a64985e856
 *   threading/mailbox/lane.h   Lane::peek        e183338cf1b1
 *   threading/mailbox/slot.h   Slot::publish     89e9ba6d2196
 *   threading/mailbox/slot.h   Slot::ticket      d764c60750ba
 *
 * Runs:
 *   recycle  -DPOSTS=5
 *
 * Bugs:
 *   PUBLISH_ORDER=RELAXED   recycle  view
 *   SLOT_ORDER=RELAXED      recycle  view
 *   LINK_ORDER=RELAXED      recycle  view
 *   NEXT_ORDER=RELAXED      recycle  view
 *   PUT_ORDER=RELAXED       recycle  view
 *   TAKE_ORDER=RELAXED      recycle  view
 *   STALE_SLOT_IS_READABLE  recycle  expected
 */

#define PRODUCER 0
#define CONSUMER 1
#define THREADS 2

#define TICKET(segment) (segment)
#define NEXT(segment) (2 + (segment))
#define CALLABLE(segment) (4 + (segment))
#define MADE(segment) (6 + (segment)) /* the segment as memory */
#define BAG 8
#define LOCATIONS 9
#define MESSAGES (2 * POSTS)

#include "views.pml"

#ifndef PUBLISH_ORDER
#define PUBLISH_ORDER RELEASE
#endif
#ifndef SLOT_ORDER
#define SLOT_ORDER ACQUIRE
#endif
#ifndef LINK_ORDER
#define LINK_ORDER RELEASE
#endif
#ifndef NEXT_ORDER
#define NEXT_ORDER ACQUIRE
#endif
#ifndef PUT_ORDER
#define PUT_ORDER RELEASE
#endif
#ifndef TAKE_ORDER
#define TAKE_ORDER ACQUIRE
#endif

#define bag_is_full (memory[BAG].written[memory[BAG].last].value != NONE)
#define NONE 0 /* else a segment's number plus one */

active proctype producer() {
  byte segment;
  byte next;
  byte made = 1;
  byte ticket = 1;
  do
  :: ticket <= POSTS ->
     use_plain(PRODUCER, CALLABLE(segment));
     write_store(PRODUCER, TICKET(segment), ticket, PUBLISH_ORDER);
     ticket++;
     if
     :: ticket > POSTS -> break
     :: else
     fi;
     if /* grow(), with memory for two segments */
     :: made < 2 -> use_plain(PRODUCER, MADE(1)); made++; next = 2
     :: bag_is_full -> read_modify_write(PRODUCER, BAG, next, NONE, TAKE_ORDER)
     fi;
     next--;
     write_store(PRODUCER, NEXT(next), NONE, LINK_ORDER);
     write_store(PRODUCER, NEXT(segment), next + 1, LINK_ORDER);
     d_step { segment = next; next = 0 }
  od
}

active proctype consumer() {
  byte segment;
  byte next;
  byte found;
  byte expected = 1;
  do
  :: read_plain(CONSUMER, MADE(segment));
     do
     :: read_load(CONSUMER, TICKET(segment), found, SLOT_ORDER);
#ifdef STALE_SLOT_IS_READABLE
        if :: found != 0 -> break :: else fi
#else
        if :: found >= expected -> break :: else -> found = 0 fi
#endif
     od;
     assert(found == expected);
     use_plain(CONSUMER, CALLABLE(segment));
     d_step { expected++; found = 0 };
     if
     :: expected > POSTS -> break
     :: else
     fi;
     do
     :: read_load(CONSUMER, NEXT(segment), next, NEXT_ORDER);
        if :: next != NONE -> break :: else fi
     od;
     read_modify_write(CONSUMER, BAG, found, segment + 1, PUT_ORDER);
     assert(found == NONE);
     d_step { segment = next - 1; next = 0 }
  od
}
