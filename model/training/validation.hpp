// How good a model is on held-out documents, every byte predicted from the true bytes before it.
#pragma once

#include "model/heads/next_step.hpp"
#include "model/ranks/ranks.hpp"
#include "model/training/batch.hpp"

namespace bytecpu {

struct Validation {
  // Nats a byte.
  double loss = 0;
  int64_t bytes = 0, wrong_bytes = 0, steps = 0, wrong_steps = 0;
  // Bits a byte of the documents: what fills a file's last step, and the end, cost bits and are no bytes.
  double bits_per_byte = 0;
};

// Of the pool's documents, in batches of at most so many patches, which the ranks share; counts are of the scored
// steps.
Validation validate(ByteModel& model, const Pool& held_out, int64_t batch_patches, Ranks& ranks);

// Throws Error where a file is longer than the model takes.
void check_length(const ByteModel& model, const Document& document);
// Throws Error where the documents have nothing to predict, or one is longer than the model takes.
void check_held_out(const ByteModel& model, const Pool& held_out);

}  // namespace bytecpu
