// Of the family "fields": operands that would explain a result, to learn from besides.
#pragma once

#include <torch/torch.h>

#include "model/network/words.hpp"

namespace bytecpu {

// What rows choose, M of them, as chances.
struct RowChoices {
  torch::Tensor sources;  // F32 [M, heads, layout.sources()]: what a head reads
  torch::Tensor
      addresses;  // F32 [M, memory heads, memory bytes]: where a head on the memory reads; undefined without memory
  torch::Tensor
      results;  // F32 [M, arithmetic_results(heads, others)]: which result of arithmetic is used; the first of the
                // others are what the heads on the memory read
};

// No head has a reason to read a factor before another one reads the other, nor the row to choose a product before both do.
// But which operands' product or quotient is just what is written can be found by trying all: registers, and the word where the
// memory is accessed. How likely the row's choices are to compute one of these is to be learned, from the first example on:
// -log of it, summed over the rows that have any, F32 []. A product may also have a third operand added to it or be taken
// from it. Nothing is explained by numbers below 2^15, which often come about by chance.
// Of N records: bits, I8 [N, W, 32], planes of the memory or undefined, and the bits of the next ones. Of M rows: which record,
// and which of its words; I64 [M].
torch::Tensor explanation_nats(const WordLayout& layout, const torch::Tensor& bits,
                               const torch::Tensor& memory, const torch::Tensor& next_bits,
                               const torch::Tensor& item, const torch::Tensor& word,
                               const RowChoices& choices);

}  // namespace bytecpu
