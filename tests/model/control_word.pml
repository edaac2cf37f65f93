// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

/* The one word of a mailbox, as threading/mailbox/control_word.h has it: four flags below the ticket count.
 * Each operation is one atomic step; weak_*.pml say why nothing weaker can be seen of it.
 *
 * Mirrors:
 *   threading/mailbox/control_word.h  ControlWord::take_ticket      7a69a4f9127b
 *   threading/mailbox/control_word.h  ControlWord::look             27490dad9a64
 *   threading/mailbox/control_word.h  ControlWord::try_fall_asleep  afef0aab4526
 *   threading/mailbox/control_word.h  ControlWord::clear_asleep     655026217b40
 *   threading/mailbox/control_word.h  ControlWord::request_stop     f9e0e613df96
 *   threading/mailbox/control_word.h  ControlWord::clear_stop       35586b8d43ad
 *   threading/mailbox/control_word.h  ControlWord::call             89e29765dddd
 *   threading/mailbox/control_word.h  ControlWord::clear_called     e5f0d1a2d120
 *   threading/mailbox/control_word.h  ControlWord::close            fa3d9adae2ab
 */

#define ASLEEP 1
#define STOP 2
#define CLOSED 4
#define CALLED 8
#define ONE_TICKET 16

#define next_ticket(view) ((view) >> 4)
#define asleep(view) (((view) & ASLEEP) != 0)
#define stop_requested(view) (((view) & STOP) != 0)
#define called(view) (((view) & CALLED) != 0)
#define closed(view) (((view) & CLOSED) != 0)

#define FIRST_TICKET 1
#define NEW_WORD (FIRST_TICKET * ONE_TICKET)

byte word = NEW_WORD;

inline take_ticket(before) {
  d_step { before = word; word = word + ONE_TICKET }
}
inline try_fall_asleep(ticket, done) {
  d_step {
    done = (word == (ticket) * ONE_TICKET);
    word = (done -> word | ASLEEP : word)
  }
}
inline clear_asleep(before) {
  d_step { before = word; word = word & ~ASLEEP }
}
inline request_stop(before) {
  d_step { before = word; word = word | STOP }
}
inline clear_stop(before) {
  d_step { before = word; word = word & ~STOP }
}
inline call(before) {
  d_step { before = word; word = word | CALLED }
}
inline clear_called() {
  word = word & ~CALLED
}
inline close_word(before) {
  d_step { before = word; word = word | CLOSED }
}
