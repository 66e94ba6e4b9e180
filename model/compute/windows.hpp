// Words of 32 bits: chosen softly out of longer rows of bits, turned, added up.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

inline constexpr int64_t word_bits = 32;

// For each of M queries and each of H heads the mean of words, weighted: [M, H, 32], F32.
//   weights  F32 [M, H, S]: of each of S words
//   planes   I8 [N, P, L]: bits as -1, 0, 1. Bit b of word s of item n is planes[n, b % P, s + b / P].
//            P = 32: the words lie apart. P = 8: a word begins at every byte of a memory.
//   item     I64 [M]: whose words a query reads
//   shift    I64 [M], or undefined: how many words further on it reads, S + 32/P - 1 + shift <= L
// Differentiable in the weights.
torch::Tensor mix_words(const torch::Tensor& weights, const torch::Tensor& planes, const torch::Tensor& item,
                        const torch::Tensor& shift = {});

// out[r, i] = sum over d of weights[r, d] · words[r, (i + d) mod 32]. All F32 [R, 32]; differentiable in
// both.
torch::Tensor rotate_words(const torch::Tensor& weights, const torch::Tensor& words);

// Sums of a row's own words, weighted: out[r, h, i] = sum over s of weights[r, h, s] · words[r, s, i]. F32
// [R, H, S] and [R, S, 32]; differentiable in both.
torch::Tensor sum_words(const torch::Tensor& weights, const torch::Tensor& words);

}  // namespace bytecpu
