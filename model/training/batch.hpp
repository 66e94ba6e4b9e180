// Traces of similar length, packed for the model; and how a pool of traces is cut into such batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "emulator/layout.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

// A trace for the model: memory image ‖ state 0 ‖ …, borrowed; complete if the machine halted after the last
// state, so that the end of the trace is there to be predicted too.
struct TraceView {
  std::span<const uint8_t> bytes;
  bool complete = true;
};

// Indices into a pool of traces that make up a batch.
using BatchPlan = std::vector<std::vector<size_t>>;

// Sorts the traces by length and cuts them into batches of at most `most_patches` patches each, padding
// included (a longer trace is a batch of its own), `extra_patches` a trace besides its bytes. Batches come in
// an order shuffled by `seed`; the plan depends on nothing else.
BatchPlan plan_batches(std::span<const int64_t> trace_bytes, int patch_size, int extra_patches,
                       int64_t most_patches, uint64_t seed);

// For each loss, whether it is among the `count` greatest; of equal ones the first.
std::vector<bool> hardest(std::span<const float> losses, size_t count);

}  // namespace bytecpu
