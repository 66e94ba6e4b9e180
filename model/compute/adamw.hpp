// AdamW's update of parameters (Loshchilov and Hutter, 2019; arXiv 1711.05101).
#pragma once

#include <torch/torch.h>

#include <vector>

namespace bytecpu {

// As many of each, of float numbers on one device; all but the gradients contiguous.
struct AdamWTensors {
  std::vector<torch::Tensor> parameters, gradients;
  std::vector<torch::Tensor> first, second;  // moments: running means of the gradients and of their squares
};

struct AdamWSettings {
  int64_t step;  // counts from 1
  double rate, beta1, beta2, decay;
};

// Updates the parameters and the moments, the gradients being divided by `divisor` (a scalar on their device);
// epsilon 1e-8.
void adamw(const AdamWTensors& tensors, const torch::Tensor& divisor, const AdamWSettings& settings);

}  // namespace bytecpu
