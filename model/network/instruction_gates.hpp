// Of the family "fields": how an instruction goes on, once it is known how it begins.
#pragma once

#include <torch/torch.h>

#include "model/network/layers.hpp"
#include "model/network/words.hpp"

namespace bytecpu {

// How long an instruction is follows from how it begins, which stands in the memory: the record before does not tell
// whether the later words of the next one's instruction are written.
class InstructionGatesImpl : public torch::nn::Module {
 public:
  // Of an instruction of at least two words.
  InstructionGatesImpl(const WordLayout& layout, int64_t width);

  // Gates of all words, F32 [N, W + 1], corrected by the next records' bits, I8 [N, W, 32]: that of an instruction's word i
  // by its words before i. `precision`: of the products.
  torch::Tensor correct(const torch::Tensor& gates, const torch::Tensor& next_bits,
                        torch::ScalarType precision);

  // Multiply-adds for a record.
  double operations() const;

 private:
  const int64_t first_,
      later_;  // of the instruction's words: where the first is, and how many come behind it
  Matrix in_{nullptr}, out_{nullptr};
  PlainBlock block_{nullptr};
};
TORCH_MODULE(InstructionGates);

}  // namespace bytecpu
