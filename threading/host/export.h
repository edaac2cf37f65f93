// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Exports symbols that must exist once in a process, for all shared objects in it.
//
//   class ZMQLOOP_EXPORT Error : public std::exception {};  // the same type everywhere
//   ZMQLOOP_EXPORT int f();                                 // libzmqloop.so has and exports it
//
// The shared library hides all other symbols, and programs and plugins may be compiled with
// -fvisibility=hidden. Mark:
//
//   - functions with their bodies in a .cc that are public, or that code in headers calls;
//   - classes with virtual functions, and exceptions; at least one virtual function has its body in
//     a .cc. The mark covers all functions of the class: ZMQLOOP_LOCAL exempts one;
//   - variables that code in headers uses. Define them in a .cc: if they were inline, static in an
//     inline function or of a template, each shared object would have its own.
//
// The static library (ZMQLOOP_STATIC) hides all symbols: the shared object that links it keeps its
// copy private, even if other shared objects in the process have their own.
//
// tools/check_consumers links programs with the library, and checks its exported symbols.
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
