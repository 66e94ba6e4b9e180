// Greedy decoding's choice, and its probability.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// What greedy decoding asks of logits [N, classes], the last class being the end; without gradients.
struct Greedy {
  torch::Tensor best;       // I64 [N] the most probable class but the last; of equal ones the first
  torch::Tensor log_best;   // F32 [N] its log-probability among all classes
  torch::Tensor log_last;   // F32 [N] that of the last class
  torch::Tensor log_given;  // F32 [N] that of `given`, I64 [N]
};
Greedy greedy(const torch::Tensor& logits, const torch::Tensor& given);

}  // namespace bytecpu
