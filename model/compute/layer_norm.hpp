// Layer norm without gain and bias.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// Normalises the last dimension to mean 0 and variance 1 (eps 1e-5).
torch::Tensor layer_norm(const torch::Tensor& x);

}  // namespace bytecpu
