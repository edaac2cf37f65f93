// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/exception_text.h"

#include <cxxabi.h>
#include <utility>

#include "zmqloop/threading/host/type_name.h"

namespace zmqloop {

std::string exception_text(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const std::exception& e) {
    return type_name(&typeid(e)) + ": " + e.what();
  } catch (...) {
    return type_name(abi::__cxa_current_exception_type()) + ": not a std::exception";
  }
}

}  // namespace zmqloop
