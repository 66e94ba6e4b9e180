#include "datagen/corpus/epochs.hpp"

#include <algorithm>
#include <numeric>

namespace bytecpu {

std::span<const uint32_t> Epochs::pool(uint64_t index) {
  shuffle(index / pools_per_epoch());
  const size_t first = index % pools_per_epoch() * pool_;
  return std::span(order_).subspan(first, std::min(pool_, count_ - first));
}

void Epochs::shuffle(uint64_t epoch) {
  if (shuffled_ == epoch) return;
  order_.resize(count_);
  std::iota(order_.begin(), order_.end(), 0);
  auto random = native_random(seed_, Purpose::shuffle, split_, epoch);
  for (size_t i = count_; i > 1; --i)
    std::swap(order_[i - 1], order_[random.below(static_cast<uint32_t>(i))]);
  shuffled_ = epoch;
}

}  // namespace bytecpu
