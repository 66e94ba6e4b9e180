// New files: a model goes on from a beginning, byte after byte, to an end of its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/inference/prediction.hpp"
#include "model/inference/sampling.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

struct ContinuationOptions {
  Sampling sampling = {};
  // File i draws from the stream `first_stream` + i of the seed: what it becomes does not depend on the others.
  uint64_t seed = 0, first_stream = 0;
  // Of the whole file, its beginning included; at most what the model takes.
  int64_t most_bytes = INT64_MAX;
};

// Goes on from each document, of which the steps are the beginning: any number of bytes, none included. The
// documents are in batches of equal lengths; those that ended leave. A model that writes from the end cuts what would come
// before. Throws Error where one leaves the model no room for a patch, where such a model is given a beginning, and for a
// model that tells labels.
std::vector<Continuation> continue_files(ByteModel& model, std::span<const Document> beginnings,
                                         const ContinuationOptions& options);

}  // namespace bytecpu
