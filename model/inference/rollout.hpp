// Free runs: the model goes on from given steps by itself, to its own end.
#pragma once

#include <span>
#include <vector>

#include "model/inference/prediction.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// How steps are decoded: from a draft (draft.hpp), which changes nothing but the speed, or byte by byte.
enum class Decoding { drafted, bytewise };

// What free runs cost: steps, ends included; passes of one patch through the byte-level decoder, and the
// positions that these computed.
struct RolloutCost {
  int64_t steps = 0, patch_passes = 0, positions = 0;
};

struct RolloutOptions {
  Decoding decoding = Decoding::drafted;
  // Whether what documents hold after their given steps is what the run may turn out to be: drafts for as
  // long as they are right.
  bool guess = false;
  // Added to, if any.
  RolloutCost* cost = nullptr;
};

// From each document's context and given steps, until the model ends it or most_steps[i] (or all that the
// model can take) are there. Documents that ended leave the batch.
std::vector<Rollout> roll_out(ByteModel& model, std::span<const Document> documents,
                              std::span<const int64_t> most_steps, const RolloutOptions& options = {});

// The plain way, from all steps that a document holds: the history and the patch begun are read anew for every
// byte. What roll_out() must equal, and what it is timed against.
Rollout roll_out_plainly(ByteModel& model, const Document& document, int64_t most_steps);

}  // namespace bytecpu
