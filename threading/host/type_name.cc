// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/type_name.h"

#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace zmqloop {

std::string type_name(const std::type_info* type) {
  return type == nullptr ? "unknown" : demangled(type->name());
}

std::string demangled(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : mangled;
}

}  // namespace zmqloop
