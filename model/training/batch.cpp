#include "model/training/batch.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "emulator/random.hpp"

namespace bytecpu {

BatchPlan plan_batches(std::span<const int64_t> lengths, int64_t most_patches, uint64_t seed) {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });

  BatchPlan plan;
  for (size_t next = 0; next < order.size();) {
    const int64_t longest = std::max<int64_t>(1, lengths[order[next]]);
    const size_t count = std::clamp<int64_t>(most_patches / longest, 1, order.size() - next);
    plan.emplace_back(order.begin() + next, order.begin() + next + count);
    next += count;
  }

  NativeRandom random(seed, 0);
  for (size_t i = plan.size(); i > 1; --i) std::swap(plan[i - 1], plan[random.below(i)]);
  return plan;
}

std::vector<bool> hardest(std::span<const float> losses, size_t count) {
  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  const auto loss = [&](size_t i) { return std::isnan(losses[i]) ? INFINITY : losses[i]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return loss(a) > loss(b); });
  std::vector<bool> chosen(losses.size());
  for (size_t i = 0; i < std::min(count, order.size()); ++i) chosen[order[i]] = true;
  return chosen;
}

}  // namespace bytecpu
