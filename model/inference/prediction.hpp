// What is predicted of one document. Plain data, without LibTorch, so that predictions from anywhere are
// measured alike.
#pragma once

#include <cstdint>
#include <vector>

namespace bytecpu {

// Teacher-forced, each from the true steps before it. Of a document of which steps 1 … n are to be predicted
// there are n + 1: the steps, and the end. A predicted end is a whole step of "nothing"; the bytes of any
// other are the most probable of 0 … 255.
struct StepPrediction {
  // (n + 1) × step length; a predicted end is zeros.
  std::vector<uint8_t> steps = {};
  // n + 1 flags: the end was predicted here.
  std::vector<uint8_t> ended = {};
  // n + 1 each where there are probabilities, else empty: negative log-likelihood of the true step, summed
  // over its bytes; and the probability given to the predicted step.
  std::vector<float> nats = {};
  std::vector<float> confidence = {};
};

// A free run: steps predicted after the given ones, each from the model's own steps before it.
struct Rollout {
  std::vector<uint8_t> steps = {};
  // Whether the model ended it; else it was cut.
  bool ended = false;
  // Probability given to each step; empty without probabilities.
  std::vector<float> confidence = {};
};

// What follows the beginning of a file.
struct Continuation {
  std::vector<uint8_t> bytes = {};
  // Whether the model ended it; else it was cut.
  bool ended = false;
};

}  // namespace bytecpu
