// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/basics/exception_report.h"

#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/exception_text.h"
#include "zmqloop/threading/host/type_name.h"

namespace zmqloop {

void report_exception(std::string_view loop_name, const std::type_info* callable,
                      std::exception_ptr error, std::uint64_t suppressed) noexcept {
  try {
    std::string text = absl::StrCat(
        "zmqloop: loop '", absl::string_view(loop_name.data(), loop_name.size()),
        "': exception", callable ? absl::StrCat(" in callback ", type_name(callable)) : "", ": ",
        exception_text(std::move(error)));
    if (suppressed != 0) absl::StrAppend(&text, " (", suppressed, " more not reported)");
    write_error(absl::StrCat(text, "\n"));
  } catch (const std::bad_alloc&) {
    write_error("zmqloop: exception in a callback, and no memory to say more\n");
  }
}

}  // namespace zmqloop
