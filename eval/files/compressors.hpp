// What general compressors need for the same bytes: figures to compare a model's with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bytecpu {

using Parts = std::vector<std::span<const uint8_t>>;

// Bytes that `tested` adds to a compressed stream in which `before` comes first, as training bytes come before
// those that a model is tested on. At the highest level (xz -9e; zstd -19), windows of up to 128 MB, with at most
// the last 64 MB of `before`. Throws Error where the library refuses.
int64_t xz_bytes(const Parts& before, const Parts& tested);
int64_t zstd_bytes(const Parts& before, const Parts& tested);

}  // namespace bytecpu
