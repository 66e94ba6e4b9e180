// Of the family "fields": an auxiliary loss, by operands that would explain a result.
#pragma once

#include <torch/torch.h>

#include "model/network/words.hpp"

namespace bytecpu {

// What M rows choose, as probabilities.
struct RowChoices {
  // F32 [M, heads, layout.sources()]: what a head reads.
  torch::Tensor sources;
  // F32 [M, memory heads, memory bytes]: where a head on the memory reads. Undefined without memory.
  torch::Tensor addresses;
  // F32 [M, arithmetic_results(heads, others)]: which result of arithmetic is used. The first of the others are what the heads on
  // the memory read.
  torch::Tensor results;
};

// From the likelihood alone a product is learned late: no head has a reason to read a factor before another one reads the other,
// nor the row to choose a product before both do. But which operands' product, quotient or remainder is just what is written can
// be found by trying all pairs: of registers, and of the word that is read from the memory. How probable the row's choices make
// one of these is learned, from the first example on: -log of it, summed over the rows that have any, F32 []. A product may also
// be added to a third operand, be taken from it, or be negated.
// Not explained is what often comes about in other ways: a number that fits 16 bits with its sign, an operand as it is, and
// products with 0 or powers of two; nor anything of a layout whose registers are of several words or are not named by instructions.
// Of N records: bits, I8 [N, W, 32], planes of the memory or undefined, and the bits of the next ones. Of M rows: which record,
// and which of its words; I64 [M].
torch::Tensor explanation_nats(const WordLayout& layout, const torch::Tensor& bits,
                               const torch::Tensor& memory, const torch::Tensor& next_bits,
                               const torch::Tensor& item, const torch::Tensor& word,
                               const RowChoices& choices);

}  // namespace bytecpu
