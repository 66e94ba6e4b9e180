// Documents of similar length, packed for the model: how a pool is cut into batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bytecpu {

// Indices into a pool of documents that make up a batch.
using BatchPlan = std::vector<std::vector<size_t>>;

// Sorts the documents by length, which is in patches, and cuts them into batches of at most `most_patches`
// each, padding included (a longer document is a batch of its own). Batches come in an order shuffled by
// `seed`; the plan depends on nothing else.
BatchPlan plan_batches(std::span<const int64_t> lengths, int64_t most_patches, uint64_t seed);

// For each loss, whether it is among the `count` greatest; of equal ones the first. One that is not a
// number counts as the greatest: the training is about to stop because of it.
std::vector<bool> hardest(std::span<const float> losses, size_t count);

}  // namespace bytecpu
