// Of the family "fields": bits that the instruction chooses, and what they are together.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "model/network/layers.hpp"
#include "model/network/words.hpp"

namespace bytecpu {

// A condition is a bit that the instruction chooses, or two or three of them that are equal or not: flags, and a bit that
// says whether they are to be set. Heads choose bits, by keys; a product of bits that are -1 and 1 says whether an even
// number of them is clear. To learn which bit is meant is quick where it is handed on as it is.
class ConditionHeadsImpl : public torch::nn::Module {
 public:
  // Of the bits of the layout's selecting words; `width` of what is thought of them.
  ConditionHeadsImpl(const WordLayout& layout, int64_t width);

  // What is added to x, [N, width]: of `words`, I8 [N, W, 32].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& words);

  // Multiply-adds for a record.
  double operations() const;

 private:
  torch::Tensor bits_;                      // I64 [B]: those that the records have, of W · 32
  std::vector<torch::Tensor> together_[2];  // pairs, and triples: of each member which head it is, I64
  Matrix query_{nullptr}, out_{nullptr};
  torch::Tensor key_;
};
TORCH_MODULE(ConditionHeads);

}  // namespace bytecpu
