// The bytes of words that are each either kept or written. What loss and decoding of the family "fields" share.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// Of M words, byte after byte.
class KeptOrWritten {
 public:
  // Logits of the bits F32 [M, 32] and of being written F32 [M]; the words as they were, I8 [M, 32].
  KeptOrWritten(const torch::Tensor& logits, const torch::Tensor& gates, const torch::Tensor& old)
      : log_set_(torch::log_sigmoid(logits).view({-1, 4, 8})),
        log_clear_(torch::log_sigmoid(-logits).view({-1, 4, 8})),
        best_(logits.gt(0).view({-1, 4, 8})),
        old_(old.gt(0).view({-1, 4, 8})),
        valid_(old.ne(0).view({-1, 4, 8})),
        log_written_(torch::log_sigmoid(gates)),
        log_kept_(torch::log_sigmoid(-gates)) {}

  // The most probable byte i given those before it, as bits: bool [M, 8].
  torch::Tensor choose(int64_t i) const {
    const auto best = best_.select(1, i), old = old_.select(1, i);
    const auto kept = torch::logaddexp(log_kept_, log_written_ + log_byte(i, old));
    const auto other = (best.logical_xor(old) & valid_.select(1, i)).any(1);
    const auto written = (log_written_ + log_byte(i, best)).masked_fill(~other, -1e9);
    return torch::where(kept.ge(written).unsqueeze(1), old, best);
  }
  // Goes on with this byte i.
  void given(int64_t i, const torch::Tensor& byte) {
    log_written_ = log_written_ + log_byte(i, byte);
    const auto differs = (byte.logical_xor(old_.select(1, i)) & valid_.select(1, i)).any(1);
    log_kept_ = log_kept_.masked_fill(differs, -1e9);
  }
  // Log-probability of all bytes given: [M].
  torch::Tensor log_all() const { return torch::logaddexp(log_kept_, log_written_); }

 private:
  torch::Tensor log_byte(int64_t i, const torch::Tensor& byte) const {
    return (torch::where(byte, log_set_.select(1, i), log_clear_.select(1, i)) * valid_.select(1, i)).sum(1);
  }
  torch::Tensor log_set_, log_clear_;     // F32 [M, 4, 8]
  torch::Tensor best_, old_, valid_;      // bool [M, 4, 8]
  torch::Tensor log_written_, log_kept_;  // F32 [M], with the bytes given so far
};

}  // namespace bytecpu
