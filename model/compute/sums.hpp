// Words of 32 bits as numbers: their sums and products, as a row of columns to be carried from.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// What long multiplication adds up in each column, of words of bits 0 … 1, [R, 32] each: how often bit i of
// one and bit k - i of the other are both set. [R, 3, 32]: the product's low word; its high word, with what
// is carried into it in column 0; the same of signed words. Differentiable.
torch::Tensor product_columns(const torch::Tensor& a, const torch::Tensor& b);

// Of columns [..., 32]: at bit k the sum of all columns up to it, in units of bit k. So it is what column k
// holds with what is carried into it, and where that is whole its lowest bit is the result's. [..., 32];
// differentiable.
torch::Tensor carried_sums(const torch::Tensor& columns);

// sin and cos of numbers at periods 2, 4, 8 …: [..., 2 · periods] of [...].
torch::Tensor binary_waves(const torch::Tensor& numbers, int64_t periods);

}  // namespace bytecpu
