// What one backward pass trains on: a batch, or the hardest rows of several.
#pragma once

#include <functional>
#include <vector>

#include "model/heads/next_step.hpp"
#include "model/training/feed.hpp"

namespace bytecpu {

struct StepPart {
  std::vector<Batch> batches = {};
  // Of all of them.
  std::vector<Document> documents = {};
  // Of each batch, which of its rows are looked at, as in NextStep::common_choice.
  std::vector<torch::Tensor> looked_at = {};
  // Rows: the documents', those looked at, and those trained on.
  int64_t predicted = 0, seen = 0, trained = 0;
  // Those trained on, bool [predicted]; undefined: all.
  torch::Tensor chosen = {};
  // Scalars, means over all rows seen: nats a byte, and the share of wrong rows.
  torch::Tensor loss = {}, wrong = {};
};

// The next `candidates` batches; all of them are trained on, if there is one.
StepPart gather(const ByteModel& model, const NextStep& objective, Feed& feed, int64_t candidates);

// Looks at all candidates, forward only, and chooses the hardest rows of them: as many as a batch has.
// `observe` is told of each batch.
using Observe = std::function<void(std::span<const Document>, const NextStep::Outcome&)>;
void choose_hardest(const NextStep& objective, StepPart& part, const Observe& observe);

// How many batches are worth looking at for one to train on: so many that about a tenth of its rows is wrong,
// at most `most`.
int64_t candidates(double wrong_share, int64_t most);

}  // namespace bytecpu
