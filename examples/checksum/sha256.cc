// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/sha256.h"

#include <stdexcept>
#include <string>

#include <openssl/evp.h>

namespace checksum {
namespace {

void require(bool succeeded, const char* operation) {
  if (!succeeded) throw std::runtime_error(std::string("OpenSSL: ") + operation + " failed");
}

// Looked up once: otherwise OpenSSL would search its providers for each file.
const EVP_MD* algorithm() {
  static const EVP_MD* const sha256 = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return sha256;
}

}  // namespace

Sha256::Sha256() : context_(::EVP_MD_CTX_new()) {
  require(algorithm() != nullptr, "EVP_MD_fetch(SHA256)");
  require(context_ != nullptr, "EVP_MD_CTX_new");
  require(::EVP_DigestInit_ex(context_.get(), algorithm(), nullptr) == 1, "EVP_DigestInit_ex");
}

void Sha256::update(std::span<const std::byte> bytes) {
  require(::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "EVP_DigestUpdate");
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  require(::EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1, "EVP_DigestFinal_ex");
  return digest;
}

}  // namespace checksum
