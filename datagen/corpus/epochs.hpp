// The order in which a corpus of things that lie there gives them: all of them once an epoch, shuffled anew for
// each, cut into pools.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "datagen/programs/split.hpp"

namespace bytecpu {

// Pool i is pool i % pools_per_epoch() of epoch i / pools_per_epoch(), a pure function of (seed, split, count,
// pool size, i). An epoch's last pool may be smaller.
class Epochs {
 public:
  // 0 < count < 2^32; pool > 0.
  Epochs(uint64_t seed, Split split, size_t count, size_t pool)
      : seed_(seed), split_(split), count_(count), pool_(pool) {}

  uint64_t pools_per_epoch() const { return (count_ + pool_ - 1) / pool_; }
  // Numbers in 0 … count - 1; valid until the next call.
  std::span<const uint32_t> pool(uint64_t index);

 private:
  void shuffle(uint64_t epoch);

  uint64_t seed_;
  Split split_;
  size_t count_, pool_;
  std::optional<uint64_t> shuffled_;  // epoch
  std::vector<uint32_t> order_;       // of it
};

}  // namespace bytecpu
