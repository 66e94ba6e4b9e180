// The choice of one symbol from its logits.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/random.hpp"

namespace bytecpu {

// As the published bGPT does: the top_k most probable symbols, of these the most probable ones that together have
// the share top_p, and of these one by its probability to the power of 1 / temperature.
struct Sampling {
  double temperature = 1;  // 0: the most probable symbol
  int top_k = 0;           // 0: all
  double top_p = 1;
};

// One of the logits, by its index; of equal ones the first comes first. `logits` has no NaN.
int64_t sample(std::span<const float> logits, const Sampling& sampling, NativeRandom& random);

}  // namespace bytecpu
