// By what contents are told apart.
#pragma once

#include <xxhash.h>

#include <compare>
#include <cstdint>
#include <span>

namespace bytecpu {

// XXH3-128. Among 10^9 contents two different ones have the same with a probability of 10^-21.
struct Digest {
  uint64_t high = 0, low = 0;

  auto operator<=>(const Digest&) const = default;
};

inline Digest digest(std::span<const uint8_t> bytes) {
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

}  // namespace bytecpu
