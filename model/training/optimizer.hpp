// AdamW and Muon over named float parameters, learning-rate schedules and gradient clipping.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "model/network/parameters.hpp"
#include "model/training/config.hpp"

namespace bytecpu {

// Learning rate as a share of the highest, `progress` of the training in [0, 1] being done: a linear rise
// over the warm-up, then cosine, linear or no decay to final_learning_rate.
double learning_rate_share(const TrainConfig& config, double progress);

// One step of the gradient of every parameter that has one.
//   AdamW (Loshchilov and Hutter, 2019; arXiv 1711.05101): decoupled weight decay, on tensors of two and more
//   dimensions only; epsilon 1e-8. The gradients of its parameters are clipped to a joint L2 norm of
//   config.clip. Muon (Jordan, 2024; kellerjordan.github.io/posts/muon): Nesterov momentum 0.95,
//   orthogonalised by five Newton-Schulz iterations, scaled by sqrt(max(1, outputs / inputs)). Its step does
//   not depend on the gradient's norm; weight decay as AdamW's. The iterations' products are in
//   config.precision.
class Optimizer {
 public:
  Optimizer(std::vector<TrainedParameter> parameters, const TrainConfig& config);
  void zero_gradients();
  // One after the other; those that have no gradient are not stepped.
  std::vector<torch::Tensor> parameters() const;
  // `share` of the configured learning rates. Returns the L2 norm of the whole gradient, before clipping: a
  // scalar, on a GPU one that is not waited for.
  torch::Tensor step(double share);
  // Exchanges every parameter with its running mean, where config.average asks for one: in it the parameter
  // after step t weighs about t^(1 / average - 1) (Karras et al., 2024; arXiv 2312.02696).
  void exchange_averages();
  // To save and to load in place: the moments "first.NAME", for AdamW's parameters "second.NAME"; and what a
  // parameter is exchanged with, "exchanged.NAME": its mean, or after exchange_averages() its newest value.
  std::vector<NamedTensor> state() const;
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  struct Slot {
    TrainedParameter parameter = {};
    bool muon = false;
    torch::Tensor first = {}, second = {}, average = {};
  };
  torch::Tensor clip(torch::Tensor& divisor);
  void adamw(double share, const torch::Tensor& divisor);
  void muon(double share);

  const TrainConfig config_;
  std::vector<Slot> slots_;
  int64_t steps_ = 0;
};

// The nearest matrix with singular values of about 1 (0.7 … 1.2), by five iterations of the quintic
// Newton-Schulz polynomial. F32 [batch, rows, columns] in and out, rows <= columns; products in `precision`.
torch::Tensor orthogonalize(const torch::Tensor& matrices, torch::ScalarType precision);

}  // namespace bytecpu
