#include "model/training/batch.hpp"

#include <algorithm>
#include <numeric>

#include "emulator/random.hpp"

namespace bytecpu {

BatchPlan plan_batches(std::span<const int64_t> trace_bytes, int patch_size, int extra_patches,
                       int64_t most_patches, uint64_t seed) {
  std::vector<size_t> order(trace_bytes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return trace_bytes[a] > trace_bytes[b]; });

  BatchPlan plan;
  for (size_t next = 0; next < order.size();) {
    const int64_t longest = trace_bytes[order[next]] / patch_size + extra_patches;
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
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return losses[a] > losses[b]; });
  std::vector<bool> chosen(losses.size());
  for (size_t i = 0; i < std::min(count, order.size()); ++i) chosen[order[i]] = true;
  return chosen;
}

}  // namespace bytecpu
