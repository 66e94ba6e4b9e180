// Symbols that stand beside each other, of files of any length.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "model/network/byte_model.hpp"

namespace bytecpu {

// At each of the documents' places the window around it, or before it: I64 [rows, width].
class ByteWindows {
 public:
  explicit ByteWindows(int64_t width) : width_(width) {}
  // Windows of symbols[first … first + count), which end `after` symbols behind each.
  void add(const std::vector<int64_t>& sequence, int64_t first, int64_t count, int64_t after) {
    for (int64_t i = first; i < first + count; ++i) {
      for (int64_t k = i + after - width_ + 1; k <= i + after; ++k)
        all_.push_back(k < 0 || k >= std::ssize(sequence) ? nothing : sequence[static_cast<size_t>(k)]);
    }
    rows_ += count;
  }
  int64_t rows() const { return rows_; }
  // Padded to `rows`.
  torch::Tensor padded(int64_t rows) {
    all_.resize(static_cast<size_t>(rows * width_), nothing);
    return torch::tensor(all_, torch::kLong).view({rows, width_});
  }

 private:
  int64_t width_, rows_ = 0;
  std::vector<int64_t> all_;
};

}  // namespace bytecpu
