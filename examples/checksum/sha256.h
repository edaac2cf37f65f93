// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Computes the SHA-256 of bytes that come in pieces, by OpenSSL.
//
// Threads: one at a time.
// Owns: OpenSSL's state.
// Errors: std::runtime_error if OpenSSL has no SHA-256, or no memory.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_SHA256_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_SHA256_H_

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include <openssl/evp.h>

namespace checksum {

using Sha256Digest = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256();

  void update(std::span<const std::byte> bytes);

  // Returns the digest of all bytes given to update(), and ends the computation.
  Sha256Digest finish();

 private:
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
  };

  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_SHA256_H_
