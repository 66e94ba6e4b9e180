// oneDNN's products of float numbers: for a model's narrow matrices they are faster than OpenBLAS's.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// a·b, plus `add` if it is defined; undefined, and nothing done, where LibTorch has no oneDNN as a library of its
// own, where OpenBLAS is the faster, and for other tensors than float ones on the CPU. a: [m, k], b: [k, n],
// any strides; add: [m, n] or [n].
torch::Tensor onednn_product(const torch::Tensor& add, const torch::Tensor& a, const torch::Tensor& b);

}  // namespace bytecpu
