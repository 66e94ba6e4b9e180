// A linear recurrence over sequences, gated.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace bytecpu {

// h[i] = a · h[i - 1] + (1 - |a|) · c along each sequence, for each of C channels; h before the first is its start. The
// second half of the channels goes from the sequence's end to its beginning. Of each half, a is the first half's
// sigmoid(z) or, in the second half, tanh(z), which can turn a sign; c = tanh(input). So |h| <= 1, and a carry, a
// comparison or a parity of 32 bits is exact once its gates are. Sequences are rows one after the other:
//   gates    [rows, 2 · C]: z, then inputs; C a multiple of 4
//   lengths  of the M sequences, which add up to the rows
//   start    [M, C], in -1 … 1
// Returns [rows, C]. Differentiable.
torch::Tensor scan(const torch::Tensor& gates, const std::vector<int64_t>& lengths,
                   const torch::Tensor& start);
// From zeros.
torch::Tensor scan(const torch::Tensor& gates, const std::vector<int64_t>& lengths);
// Over the 32 bits of words: gates [M, 32, 2 · C], start [M, C]. Returns [M, 32, C].
torch::Tensor scan_bits(const torch::Tensor& gates, const torch::Tensor& start);

}  // namespace bytecpu
