// Products of matrices, differentiable. In float on the CPU they are oneDNN's where that is at hand
// (cpu/onednn.hpp), elsewhere LibTorch's. Products of bf16 numbers are summed in float.
#pragma once

#include <torch/torch.h>

#include <utility>

namespace bytecpu {

// x·weight. x: [..., in], weight [in, out], either of any strides.
torch::Tensor product(const torch::Tensor& x, const torch::Tensor& weight);
// add + x·weight. add: [..., out] as the product is, or [out].
torch::Tensor add_product(const torch::Tensor& add, const torch::Tensor& x, const torch::Tensor& weight);

// The parameters of a linear layer, which gives x·weight + bias. weight [in, out], bias [out] or undefined: none.
struct Linear {
  Linear(torch::Tensor weight_, torch::Tensor bias_ = {})
      : weight(std::move(weight_)), bias(std::move(bias_)) {}
  torch::Tensor weight, bias;
};
torch::Tensor product(const torch::Tensor& x, const Linear& linear);

// The most of `count` rows that are a common size: a number of at most five significant bits. oneDNN compiles bf16
// products anew for each size of matrices, in the time of several products, so sizes should repeat.
int64_t common_size(int64_t count);
// The least common size of at least `count`.
int64_t next_common_size(int64_t count);

}  // namespace bytecpu
