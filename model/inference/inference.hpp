// Greedy decoding: of every record given its true history, and of free runs. The same for every model family.
//
// The next record is drafted (draft.hpp), the byte-level decoder scores the whole draft in one pass, and what
// follows the first byte that differs from its own choice is scored again with that choice in place, until
// nothing differs. Every pass makes at least one more byte final, from the left, so the result is byte for
// byte that of decoding one byte at a time, in far fewer passes. Where so much of a draft is rejected that
// its passes would cost more than the bytes one by one, those are decoded instead; and free runs whose drafts
// fare so have none checked until they would pay. Keys and values are cached at both levels.
#pragma once

#include <optional>

#include "model/network/byte_model.hpp"

namespace bytecpu {

struct Decoded {
  torch::Tensor patches = {};     // I64 [N, P]; all "nothing" where the end was chosen
  torch::Tensor ended = {};       // bool [N]
  torch::Tensor confidence = {};  // F32 [N]: log-probability of the chosen patch
  torch::Tensor draft_nats = {};  // F32 [N]: negative log-likelihood of the draft, summed over its bytes
  int64_t passes = 0;             // of the byte-level decoder
  int64_t patch_passes = 0;       // summed over the patches in each pass
  int64_t positions = 0;          // that the passes computed
};

// Decodes N patches. `draft` I64 [N, P] is where to start: any symbols, the better guessed the fewer passes.
// `may_end` bool [N]: whether the patch opens a record, where "nothing" as the first symbol means the end of
// the trace; elsewhere only bytes can be chosen.
Decoded decode(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& draft,
               const torch::Tensor& may_end);

// The same one byte after the other, without a draft.
Decoded decode_bytewise(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& may_end);

// Records predicted for one trace.
struct PredictedTrace {
  std::vector<uint8_t> records;   // a predicted end is zeros
  std::vector<uint8_t> ended;     // a flag for each
  std::vector<float> nats;        // of the true record, summed over its bytes
  std::vector<float> confidence;  // probability given to the predicted record
};

// Teacher-forced: records 1 … n and the end of each trace, each from the true records before it; n + 1
// predictions. Of a record of several patches, later ones are predicted from the record's true earlier
// patches. `only`: one prediction a trace, that of this record (n + 1: the end).
std::vector<PredictedTrace> predict_steps(ByteModel& model, std::span<const TraceView> traces,
                                          std::optional<int64_t> only = {});

struct Rollout {
  std::vector<uint8_t> records;
  std::vector<float> confidence;  // probability given to each record
  bool ended = false;             // the model ended the trace; false: it was cut
};

enum class Decoding { drafted, bytewise };

// What free runs cost: records, ends included; passes of one patch through the byte-level decoder, and the
// positions that these computed.
struct RolloutCost {
  int64_t records = 0, patch_passes = 0, positions = 0;
};

// Free runs from image ‖ state 0, until the model ends each or most_records[i] (or all that the model can
// take) are there. Traces that ended leave the batch. `cost`, if any, is added to. `guesses`, if any: what
// each run may turn out to be, image ‖ state 0 ‖ …, the truth for example. They are drafts for as long as
// they are right, and make runs faster but no different.
std::vector<Rollout> roll_out(ByteModel& model, std::span<const TraceView> starts,
                              std::span<const int64_t> most_records, Decoding decoding = Decoding::drafted,
                              RolloutCost* cost = nullptr, std::span<const TraceView> guesses = {});

// The plain way: one trace, the history and the patch begun read anew for every byte. What roll_out() must
// equal, and what it is timed against.
Rollout roll_out_plainly(ByteModel& model, const TraceView& start, int64_t most_records);

}  // namespace bytecpu
