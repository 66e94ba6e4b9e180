// The MLPs of transformer blocks, with the layer norm before and the residual sum after them.
#pragma once

#include "model/compute/product.hpp"

namespace bytecpu {

// x + max(layer_norm(x)·up, 0)²·down. x: [..., width], up [width, hidden], down [hidden, width].
torch::Tensor residual_mlp(const torch::Tensor& x, const torch::Tensor& up, const torch::Tensor& down);
// x + down(GELU(up(layer_norm(x)))), GELU by its tanh approximation; both with biases.
torch::Tensor residual_gelu_mlp(const torch::Tensor& x, const Linear& up, const Linear& down);

}  // namespace bytecpu
