#include "model/inference/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace bytecpu {
namespace {

// Uniform over [0, 1).
double uniform(NativeRandom& random) { return static_cast<double>(random.next() >> 11) * 0x1p-53; }

}  // namespace

int64_t sample(std::span<const float> logits, const Sampling& sampling, NativeRandom& random) {
  const auto best = std::ranges::max_element(logits);
  if (sampling.temperature == 0) return best - logits.begin();

  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  if (sampling.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(sampling.top_k)));

  std::vector<double> weights;
  for (const size_t i : order) weights.push_back(std::exp(static_cast<double>(logits[i]) - *best));
  if (sampling.top_p < 1) {
    const double share = sampling.top_p * std::accumulate(weights.begin(), weights.end(), 0.0);
    double sum = 0;
    size_t kept = 0;
    while (kept < weights.size() && sum < share) sum += weights[kept++];
    weights.resize(std::max<size_t>(kept, 1));
  }
  for (double& weight : weights) weight = std::pow(weight, 1 / sampling.temperature);

  double left = uniform(random) * std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t chosen = 0;
  while (chosen + 1 < weights.size() && left >= weights[chosen]) left -= weights[chosen++];
  return static_cast<int64_t>(order[chosen]);
}

}  // namespace bytecpu
