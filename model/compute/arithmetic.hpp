// Words of 32 bits that arithmetic makes of two others, as candidates to choose of.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// How many results arithmetic() gives of `words` words and `others`.
int64_t arithmetic_results(int64_t words, int64_t others);

// I32 [M, arithmetic_results(words, W - words)] of F32 [M, W, 32], whose bits are set where they are above 0; 1 <= words <= W.
// Of each two of the first `words`, and of each of them with each that follows, in the order (0, 1), (0, 2) … (1, 2) …:
// the lower half of their product, the upper half without and with sign. Then of each of the first with each other one,
// (0, 1), (0, 2) … (1, 0), (1, 2) …: quotient and remainder without sign, and with it, rounded towards 0; by 0 the quotient
// is 0, and the remainder what is divided. No gradient goes to the bits.
torch::Tensor arithmetic(const torch::Tensor& bits, int64_t words);

// out[m, h, i] = sum over s of weights[m, h, s] · (bit i of numbers[m, s] ? 1 : -1). F32 [M, H, S] and I32 [M, S];
// differentiable in the weights.
torch::Tensor mix_numbers(const torch::Tensor& weights, const torch::Tensor& numbers);

}  // namespace bytecpu
