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

// Results of each two words, kind by kind: 3 of a product, 4 of a quotient.
inline constexpr int64_t product_kinds = 3, quotient_kinds = 4,
                         arithmetic_kinds = product_kinds + quotient_kinds;

// Where the results are that arithmetic() makes of `all` words, for pairs of the first `words`, of which the first is one of the
// first `heads`: I64, each place among the results, and the same result's place in [kinds, words, words].
struct ArithmeticPlaces {
  torch::Tensor result, kind_and_pair;
};
ArithmeticPlaces arithmetic_places(int64_t heads, int64_t words, int64_t all);

// out[m, h, i] = sum over s of weights[m, h, s] · (bit i of numbers[m, s] ? 1 : -1). F32 [M, H, S] and I32 [M, S];
// differentiable in the weights.
torch::Tensor mix_numbers(const torch::Tensor& weights, const torch::Tensor& numbers);

}  // namespace bytecpu
