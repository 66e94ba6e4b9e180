// Greedy decoding of patches. The same for every model family.
//
// A patch is drafted (draft.hpp), the byte-level decoder scores the whole draft in one pass, and what follows
// the first byte that differs from its own choice is scored again with that choice in place, until nothing
// differs. Every pass makes at least one more byte final, from the left, so the result is byte for byte that
// of decoding one byte at a time, in far fewer passes. Where so much of a draft is rejected that its passes
// would cost more than the bytes one by one, those are decoded instead. Keys and values are cached.
#pragma once

#include "model/network/byte_model.hpp"

namespace bytecpu {

// Decodes N patches. `draft` I64 [N, P] is where to start: any symbols, the better guessed the fewer passes.
// `may_end` bool [N]: whether the patch opens a step, where "nothing" as the first symbol means the end of
// the document; elsewhere only bytes can be chosen.
Decoded decode(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& draft,
               const torch::Tensor& may_end);

// The same one byte after the other, without a draft.
Decoded decode_bytewise(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& may_end);

// Greedy choices for the positions from the cached ones on, [N, T] each.
struct Choice {
  // I64.
  torch::Tensor symbol;
  // F32: its log-probability, and that of the symbol in `patches`.
  torch::Tensor log_chosen, log_given;
};
// The most probable byte of each position before `end`; the end of the document, where may_end (bool [N];
// undefined: nowhere) allows it and it is more probable than any byte, at position 0. "Nothing" keeps its
// probability mass elsewhere: it is only never chosen.
Choice choose(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
              ByteCache* cache, const torch::Tensor& may_end);

}  // namespace bytecpu
