#include "zmqloop/threading/thread_checker.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace zmqloop {
namespace {

absl::string_view as_absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void ThreadChecker::bind() noexcept {
  const std::lock_guard lock(mutex_);
  label_ = fixed_thread_label();
  owner_.store(here());  // after the label: whoever sees the owner finds its name
}

void ThreadChecker::unbind() noexcept { owner_.store(nullptr); }

std::string ThreadChecker::bound_label() const {
  const std::lock_guard lock(mutex_);
  return label_.data();
}

void ThreadChecker::fail(std::string_view operation, std::string_view object) const {
  throw std::logic_error(absl::StrCat(as_absl(operation), ": '", as_absl(object), "' runs on ",
                                      bound_label(), "; called on ", current_thread_label(),
                                      ". Post a callback to it instead (add_callback)."));
}

}  // namespace zmqloop
