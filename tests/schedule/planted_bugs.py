# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

"""The bugs that are planted in copies of the library's files, and the scenario that must find each.

A bug changes a file in one or more places. Each `old` stands in the file exactly once; if the bug is
switched on, `new` replaces it: an expression an expression, a statement a statement. copy_sources
does it.
"""


class Bug:
    """One planted bug."""

    def __init__(self, name, scenario, what, file, *changes):
        self.name = name
        self.scenario = scenario
        self.what = what
        self.file = file
        self.changes = changes

    def identifier(self):
        return "k" + "".join(word.capitalize() for word in self.name.split("_"))

    def switched(self, old, new):
        """The text that does `old`, or `new` if the bug is switched on; as many lines as `old`."""
        if old.endswith(";"):
            return "if (PLANTED(%s)) { %s } else { %s }" % (self.identifier(), new, old)
        return "(PLANTED(%s) ? (%s) : (%s))" % (self.identifier(), new, old)


WORD = "threading/mailbox/control_word.h"
INLET = "threading/mailbox/mailbox_inlet.h"
INLET_SOURCE = "threading/mailbox/mailbox_inlet.cc"
LANE = "threading/mailbox/lane.h"
LANE_SET_SOURCE = "threading/mailbox/lane_set.cc"
LIMIT = "threading/mailbox/pending_limit.h"
MAILBOX = "threading/mailbox/mailbox.h"
MAILBOX_SOURCE = "threading/mailbox/mailbox.cc"
LOOP_SOURCE = "runtime/core/loop_core.cc"
RAISE_SOURCE = "runtime/signals/signal_callback.cc"

BUGS = [
    # ---- order and publication ----
    Bug("tickets_after_lanes", "hand_over",
        "the batch ends with what was posted after the lanes were looked at", MAILBOX_SOURCE,
        ("gathered_ = true;", "batch_limit_ = look().next_ticket(); gathered_ = true;")),
    Bug("order_is_whole_too_early", "order_past_a_straggler",
        "the loop counts on dense tickets while one of them is still missing", MAILBOX_SOURCE,
        ("taken_.get() + kFirst == highest_ + 1", "true")),
    Bug("heads_grow_stale", "many_lanes",
        "lanes are merged by the tickets they showed when the batch began", MAILBOX_SOURCE,
        ("if (!gathered_) gather();\n  move_up_heads();", "if (!gathered_) gather();")),

    # ---- limit ----
    Bug("limit_forgets_what_waits", "pending_limit",
        "there is room for as many posts again, whatever waits", LIMIT,
        ("ControlWord::kFirstTicket + mailbox.taken() + most_", "look.next_ticket() + most_")),

    # ---- lanes ----
    Bug("lane_shared_within_post", "post_within_a_post",
        "a post within a post uses the lane that is under construction", LANE,
        ("return constructing_;", "return false;")),
    Bug("slot_overtakes_ticket", "segments",
        "a slot counts as published if it was ever used", LANE,
        ("read_->ticket() > last_read_", "read_->ticket() != 0")),
    Bug("lanes_freed_under_owners", "thread_outlives_mailbox",
        "a mailbox keeps its lanes to itself, and frees them under their owners", LANE_SET_SOURCE,
        ("set.shared_from_this()", "std::shared_ptr<LaneSet>(&set, [](LaneSet*) {})")),
    Bug("ended_thread_looks_for_its_lanes", "posts_at_thread_end",
        "a thread that is ending looks into the table of its lanes, which is gone", LANE_SET_SOURCE,
        ("thread.ended_ = true;", ";")),
    Bug("ended_thread_remembers_its_lanes", "posts_at_thread_end",
        "a thread that is ending posts to lanes it has given back", LANE_SET_SOURCE,
        ("for (PostingThread::CacheLine& line : thread.cache_) line = {};", ";")),

    # ---- sleeping ----
    Bug("sleeps_without_looking_again", "post_against_sleep",
        "the loop falls asleep whatever has been posted since its look", WORD,
        ("word_.compare_exchange_strong(expected, expected | kAsleep, std::memory_order_relaxed)",
         "((word_.fetch_or(kAsleep, std::memory_order_relaxed), true))")),
    Bug("sleeps_over_a_stop", "stop_against_sleep",
        "the loop falls asleep although a stop is latched", WORD,
        ("next_ticket << kTicketShift",
         "next_ticket << kTicketShift | (word_.load(std::memory_order_relaxed) & kStop)")),
    Bug("drains_before_waiting", "post_against_sleep",
        "the loop silences its doorbells after it has said that it sleeps", LOOP_SOURCE,
        ("ready = poller_->wait_until(end_of_sleep(timeout));",
         "waker_.drain(); signal_doorbell_.drain();"
         " ready = poller_->wait_until(end_of_sleep(timeout));")),

    # ---- closing ----
    Bug("closed_is_looked_up_before", "post_against_close",
        "whether the mailbox is closed is asked before the ticket is taken", INLET,
        ("word_.take_ticket()",
         "[this] { const bool closed = look().closed(); const auto taken = word_.take_ticket();"
         " return ControlWord::View(taken.next_ticket() << 3 | (taken.asleep() ? 1u : 0u) |"
         " (closed ? 4u : 0u)); }()")),
    Bug("close_does_not_wait_for_posts", "post_against_close",
        "close() takes what it finds and does not wait for posts half-way through",
        MAILBOX_SOURCE,
        ("taken_.get() + kFirst == last.next_ticket()", "true")),
    Bug("close_does_not_wait_for_visitors", "last_callback_ends_loop",
        "close() does not wait for who is about to ring", MAILBOX_SOURCE,
        ("!no_visitors()", "false")),
    Bug("visit_ends_before_the_ring", "last_callback_ends_loop",
        "a poster says that it has left before it rings", LOOP_SOURCE,
        ("waker_.wake();\n  wakeups_sent_.add();\n  mailbox_.woken();",
         "mailbox_.woken(); waker_.wake(); wakeups_sent_.add();")),
    Bug("stop_is_no_visit", "last_signal_ends_loop",
        "a stop is requested before the visit that covers it begins", INLET_SOURCE,
        ("return end_visit_or_wake(word_.request_stop());",
         "end_visit(); const auto before = word_.request_stop(); begin_visit();"
         " return end_visit_or_wake(before);")),

    # ---- signals ----
    Bug("signal_slot_freed_unread", "signal_slots_full",
        "a signal slot is free again before its callable was copied", MAILBOX_SOURCE,
        ("signal_slots_.recycle(head);", ";"),
        ("signal_scratch_.copy_callable(head);",
         "signal_slots_.recycle(head); signal_scratch_.copy_callable(head);")),
    Bug("raises_cleared_after_the_call", "raises",
        "raises that come during the call are taken for answered", RAISE_SOURCE,
        ("raises_.exchange(0)", "raises_.load()"),
        ("if (!released_) function_(raises);",
         "if (!released_) function_(raises); raises_.store(0);")),
    Bug("slot_given_back_while_raised", "release_against_raises",
        "a prepared callback ends and its raise still waits", RAISE_SOURCE,
        ("prepared->raises_ == 0", "true")),
    Bug("raise_asks_late", "raise_against_close",
        "a raise that joined another asks afterwards whether the loop is closed", RAISE_SOURCE,
        ("!closed", "!core_->is_closed()")),
    Bug("slot_given_away_while_closing", "release_against_close",
        "a prepared callback gives a closed loop's slot back itself", RAISE_SOURCE,
        ("static_cast<void>(core.post(let_go));", "if (!core.post(let_go)) let_go();")),
    Bug("raise_is_lost", "raises",
        "the count of raises is read and cleared in two steps", RAISE_SOURCE,
        ("raises_.exchange(0)",
         "[this] { const auto found = raises_.load(); raises_.store(0); return found; }()")),
]
