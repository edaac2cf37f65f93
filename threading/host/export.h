// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Marks what exists once in a process, whichever shared objects use it.
//
//   class ZMQLOOP_EXPORT LoopClosedError …      // its type is the same one everywhere
//   ZMQLOOP_EXPORT int f();                     // libzmqloop.so has it, and shows it
//
// The shared library hides everything else, and programs and plugins may be compiled with
// -fvisibility=hidden. Marked are:
//
//   - functions with their bodies in a .cc that are public, or that code in headers calls;
//   - classes with virtual functions, and exceptions; at least one virtual function has its body in
//     a .cc. With the class all its functions are marked: ZMQLOOP_LOCAL takes one out;
//   - variables that code in headers uses. They are defined in a .cc: if they were inline, static in
//     an inline function or of a template, each shared object would have one of its own.
//
// The static library hides all of it (ZMQLOOP_STATIC): the shared object that it is linked into
// keeps its copy to itself, also where others in the process have one of their own.
//
// tools/check_consumers links programs with it, and looks at what it shows.
//
// Threads: none; marks for the linker.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_EXPORT_H_
#define ZMQLOOP_THREADING_HOST_EXPORT_H_

#ifdef ZMQLOOP_STATIC
#define ZMQLOOP_EXPORT
#else
#define ZMQLOOP_EXPORT [[gnu::visibility("default")]]
#endif
#define ZMQLOOP_LOCAL [[gnu::visibility("hidden")]]

#endif  // ZMQLOOP_THREADING_HOST_EXPORT_H_
