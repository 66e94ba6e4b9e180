// Products of matrices, differentiable. In float on the CPU they are oneDNN's where LibTorch has that as a
// library of its own: at a model's narrow matrices it is faster than OpenBLAS. Elsewhere they are LibTorch's.
// Products of bf16 numbers are summed in float.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// x·weight. x: [..., in], weight [in, out], either of any strides.
torch::Tensor product(const torch::Tensor& x, const torch::Tensor& weight);
// add + x·weight; add: [..., out] as the product is, or [out].
torch::Tensor add_product(const torch::Tensor& add, const torch::Tensor& x, const torch::Tensor& weight);

// oneDNN compiles bf16 products for each size of matrices anew, in the time of several of them, so sizes are
// to repeat. The most of `count` rows that are a common size: a number of at most five significant bits.
int64_t common_size(int64_t count);

}  // namespace bytecpu
