#include "model/training/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "model/compute/adamw.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {

double learning_rate_share(const TrainConfig& config, double progress) {
  progress = std::clamp(progress, 0.0, 1.0);
  if (progress < config.warmup) return progress / config.warmup;
  const double decayed = (progress - config.warmup) / (1 - config.warmup);  // 0 … 1
  double share = 1;
  if (config.schedule == "cosine") share = 0.5 * (1 + std::cos(std::numbers::pi * decayed));
  if (config.schedule == "linear") share = 1 - decayed;
  return config.final_learning_rate + (1 - config.final_learning_rate) * share;
}

torch::Tensor orthogonalize(const torch::Tensor& matrices, torch::ScalarType precision) {
  const auto norms = matrices.flatten(1).norm(2, {1}).add_(1e-12);
  auto x = (matrices / norms.view({-1, 1, 1})).to(precision);
  for (int i = 0; i < 5; ++i) {
    const auto gram = torch::bmm(x, x.transpose(1, 2));
    const auto polynomial = torch::baddbmm(gram, gram, gram, /*beta=*/-4.7750, /*alpha=*/2.0315);
    x = torch::baddbmm(x, polynomial, x, /*beta=*/3.4445, /*alpha=*/1);
  }
  return x.to(matrices.dtype());
}

Optimizer::Optimizer(std::vector<TrainedParameter> parameters, const TrainConfig& config) : config_(config) {
  for (auto& p : parameters) {
    Slot slot{.muon = config.optimizer == "muon" && p.hidden_matrix};
    slot.first = torch::zeros_like(p.tensor).detach();
    if (!slot.muon) slot.second = torch::zeros_like(p.tensor).detach();
    if (config.average > 0) slot.average = p.tensor.detach().clone();
    slot.parameter = std::move(p);
    slots_.push_back(std::move(slot));
  }
}

void Optimizer::zero_gradients() {
  for (auto& slot : slots_) slot.parameter.tensor.mutable_grad() = torch::Tensor();
}

std::vector<torch::Tensor> Optimizer::parameters() const {
  std::vector<torch::Tensor> all;
  for (const auto& slot : slots_) all.push_back(slot.parameter.tensor);
  return all;
}

// Returns the norm of all gradients, and in `divisor` what those of AdamW are to be divided by.
torch::Tensor Optimizer::clip(torch::Tensor& divisor) {
  std::vector<torch::Tensor> all, clipped;
  for (const auto& slot : slots_) {
    const auto& gradient = slot.parameter.tensor.grad();
    if (!gradient.defined()) continue;
    all.push_back(gradient.norm());
    if (!slot.muon) clipped.push_back(all.back());
  }
  if (all.empty()) return torch::zeros({});
  divisor = torch::ones_like(all[0]);
  if (config_.clip > 0 && !clipped.empty()) {
    divisor = (torch::stack(clipped).norm() / config_.clip).clamp_min(1);
  }
  return torch::stack(all).norm();
}

torch::Tensor Optimizer::step(double share) {
  torch::NoGradGuard no_grad;
  torch::Tensor divisor;
  const auto norm = clip(divisor);
  ++steps_;
  adamw(share, divisor);
  muon(share);
  if (config_.average > 0) {
    const double weight = std::min(1.0, 1 / (config_.average * static_cast<double>(steps_)));
    for (auto& slot : slots_) slot.average.lerp_(slot.parameter.tensor, weight);
  }
  return norm;
}

void Optimizer::exchange_averages() {
  for (auto& slot : slots_) {
    if (!slot.average.defined()) continue;
    const auto parameter = slot.parameter.tensor.data();
    slot.parameter.tensor.set_data(slot.average);
    slot.average = parameter;
  }
}

void Optimizer::adamw(double share, const torch::Tensor& divisor) {
  AdamWTensors matrices, vectors;  // only matrices decay
  for (auto& slot : slots_) {
    auto& p = slot.parameter.tensor;
    if (slot.muon || !p.grad().defined()) continue;
    auto& group = p.dim() >= 2 ? matrices : vectors;
    group.parameters.push_back(p);
    group.gradients.push_back(p.grad());
    group.first.push_back(slot.first);
    group.second.push_back(slot.second);
  }
  AdamWSettings settings{.step = steps_,
                         .rate = config_.learning_rate * share,
                         .beta1 = config_.beta1,
                         .beta2 = config_.beta2,
                         .decay = config_.weight_decay};
  bytecpu::adamw(matrices, divisor, settings);
  settings.decay = 0;
  bytecpu::adamw(vectors, divisor, settings);
}

void Optimizer::muon(double share) {
  constexpr double momentum = 0.95;
  // Matrices of one shape are orthogonalised together.
  std::map<std::pair<int64_t, int64_t>, std::vector<Slot*>> groups;
  for (auto& slot : slots_) {
    const auto& p = slot.parameter;
    if (!slot.muon || !p.tensor.grad().defined()) continue;
    groups[{p.tensor.size(-2), p.tensor.size(-1) / p.parts}].push_back(&slot);
  }
  for (auto& [shape, members] : groups) {
    const auto [rows, columns] = shape;
    std::vector<torch::Tensor> updates;
    for (Slot* slot : members) {
      const auto& gradient = slot->parameter.tensor.grad();
      slot->first.mul_(momentum).add_(gradient);
      updates.push_back(gradient.add(slot->first, momentum)
                            .view({-1, rows, slot->parameter.parts, columns})
                            .transpose(1, 2)
                            .reshape({-1, rows, columns}));
    }
    auto update = torch::cat(updates);
    const bool tall = rows > columns;
    if (tall) update = update.transpose(1, 2).contiguous();
    const bool bf16 = config_.precision == "bf16" && (update.is_cuda() || cpu_has_bf16());
    update = orthogonalize(update, bf16 ? torch::kBFloat16 : torch::kFloat);
    if (tall) update = update.transpose(1, 2);
    // Matrices are stored (inputs, outputs).
    const double scale = std::sqrt(std::max(1.0, static_cast<double>(columns) / static_cast<double>(rows)));
    int64_t first = 0;
    for (Slot* slot : members) {
      auto& p = slot->parameter.tensor;
      const int64_t count = p.numel() / (rows * columns);
      const auto mine = update.slice(0, first, first + count)
                            .reshape({-1, slot->parameter.parts, rows, columns})
                            .transpose(1, 2)
                            .reshape(p.sizes());
      first += count;
      const double rate = config_.muon_learning_rate * share;
      if (config_.weight_decay > 0) p.mul_(1 - rate * config_.weight_decay);
      p.add_(mine, -rate * scale);
    }
  }
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> tensors;
  for (const auto& slot : slots_) {
    tensors.push_back({"first." + slot.parameter.name, slot.first});
    if (slot.second.defined()) tensors.push_back({"second." + slot.parameter.name, slot.second});
    if (slot.average.defined()) tensors.push_back({"exchanged." + slot.parameter.name, slot.average});
  }
  return tensors;
}

}  // namespace bytecpu
