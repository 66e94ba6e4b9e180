// Cross-entropy: the negative log-likelihood of target classes.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

struct ClassLoss {
  torch::Tensor nats;  // [N] negative log-likelihood of each target; only their mean has a gradient
  torch::Tensor mean;  // scalar, differentiable
  torch::Tensor best;  // I64 [N] the most probable class
};
// logits [N, classes], targets I64 [N].
ClassLoss class_loss(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace bytecpu
