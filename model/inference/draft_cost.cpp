#include "model/inference/draft_cost.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bytecpu {
namespace {

// Time of a pass over `length` positions of each of `rows` patches, in that of one position. A pass takes
// about 24 more, and 2 more for each patch (measured on two cores, with models of 2 M and 110 M parameters);
// launching a GPU's kernels takes that of thousands (estimated).
double pass_cost(torch::Device device, double rows, double length) {
  return rows * (length + 2) + (device.is_cuda() ? 4096 : 24);
}

}  // namespace

double bytewise_cost(torch::Device device, double rows, double length) {
  return length * pass_cost(device, rows, 1);
}

double checking_cost(torch::Device device, double rows, double length, double wrong) {
  const double passes = wrong < length ? std::log(length) / std::log(length / wrong) : length;
  return std::clamp(passes, 1.0, length) * pass_cost(device, rows, length);
}

torch::Tensor rejected(const torch::Tensor& chosen, const torch::Tensor& given) {
  const int64_t checked = given.size(1) - 1;
  return chosen.slice(1, 0, checked).ne(given.slice(1, 0, checked));
}

bool Acceptance::pays(torch::Device device, double rows, double patch) const {
  const double open = open_ * rows;
  double cost = pass_cost(device, rows, patch);
  if (open > 0)
    cost += std::min(checking_cost(device, open, patch, wrong_ / open_), bytewise_cost(device, open, patch));
  return cost <= bytewise_cost(device, rows, patch);
}

void Acceptance::observe(const torch::Tensor& draft, const Decoded& decoded) {
  double open = 0, wrong = 0;
  if (decoded.passes > 1) {
    const auto counts = (rejected(decoded.patches, draft) & ~decoded.ended.unsqueeze(1)).sum(1);
    const auto rows = static_cast<double>(draft.size(0));
    open = static_cast<double>(counts.count_nonzero().item<int64_t>()) / rows;
    wrong = static_cast<double>(counts.sum().item<int64_t>()) / rows;
  }
  const double weight = std::exchange(known_, true) ? 0.5 : 1;
  open_ += weight * (open - open_);
  wrong_ += weight * (wrong - wrong_);
}

}  // namespace bytecpu
