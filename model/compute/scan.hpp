// A linear recurrence over the 32 bits of words, gated.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// h[m, i] = a · h[m, i - 1] + (1 - |a|) · c, i = 0 … 31, for each of C channels; h[m, -1] = start[m]. The second half
// of the channels goes from bit 31 down. Of each half, a is the first half's sigmoid(z) or, in the second half,
// tanh(z), which can turn a sign; c = tanh(input). So |h| <= 1, and a carry, a comparison or a parity of 32 bits
// is exact once its gates are.
//   gates   [M, 32, 2 · C]: z, then inputs; C a multiple of 4
//   start   [M, C], in -1 … 1
// Returns [M, 32, C]. Differentiable.
torch::Tensor scan_bits(const torch::Tensor& gates, const torch::Tensor& start);

}  // namespace bytecpu
