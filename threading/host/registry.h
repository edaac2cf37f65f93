// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds the living objects of one kind in this process without a lock.
//
//   constinit Registry<Loop> loops;
//   Registry<Loop>::Place& place = loops.enter(loop);      // in its constructor
//   Registry<Loop>::Reference reference(place);            // may outlive the loop
//   loops.leave(place);                                    // in its destructor
//   Loop* found = reference.get();                         // null by now
//
// Places are never freed: the list is as long as the most objects that existed at one time. So
// places can be read at any moment, also in a forked child. References need no destructor: they may
// stand in thread-locals that outlive all others.
//
// Threads: any; the owner of an object calls its enter() and leave().
// Owns: the places, for the life of the process.
// Errors: std::bad_alloc from enter().
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_REGISTRY_H_
#define ZMQLOOP_THREADING_HOST_REGISTRY_H_

#include <atomic>
#include <cstdint>

namespace zmqloop {

template <class T>
class Registry {
 public:
  struct Place {
    std::atomic<T*> occupant;
    std::atomic<std::uint64_t> terms{0};  // number of occupants that have left
    Place* next = nullptr;
  };

  // Refers to an object while it is registered. A value.
  class Reference {
   public:
    constexpr Reference() = default;
    // Refers to the object that has the place at this moment.
    explicit Reference(Place& place) noexcept : place_(&place), term_(place.terms) {}
    // Returns the object, or null if it has left. The caller must make sure that the owner is not
    // destroying it at this moment.
    T* get() const noexcept {
      if (place_ == nullptr) return nullptr;
      T* const occupant = place_->occupant;  // before the term: same term, same occupant
      return place_->terms == term_ ? occupant : nullptr;
    }

   private:
    Place* place_ = nullptr;
    std::uint64_t term_ = 0;
  };

  constexpr Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Place& enter(T& object) {
    Place* const hint = left_last_;
    if (hint != nullptr && try_take(*hint, object)) return *hint;
    for (Place* place = first_; place != nullptr; place = place->next) {
      if (try_take(*place, object)) return *place;
    }
    Place* const added = new Place{&object};
    added->next = first_;
    while (!first_.compare_exchange_weak(added->next, added)) continue;
    return *added;
  }

  void leave(Place& place) noexcept {
    ++place.terms;
    place.occupant = nullptr;
    left_last_ = &place;
  }

  // Calls f(object) for each object. None may leave meanwhile.
  template <class F>
  void for_each(F f) const {
    for (const Place* place = first_; place != nullptr; place = place->next) {
      if (T* const occupant = place->occupant) f(*occupant);
    }
  }

 private:
  static bool try_take(Place& place, T& object) noexcept {
    T* nobody = nullptr;
    return place.occupant.load() == nullptr &&
           place.occupant.compare_exchange_strong(nobody, &object);
  }

  std::atomic<Place*> first_{nullptr};
  std::atomic<Place*> left_last_{nullptr};  // most likely free
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_REGISTRY_H_
