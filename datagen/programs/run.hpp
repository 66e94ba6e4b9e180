// Draws and runs batches of programs; generation, streams and verification share it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "datagen/programs/split.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

// No random program is run for longer.
inline constexpr uint64_t most_steps = 1'000'000;

// How far programs drawn with these options are run.
Limits limits_of(const ProgramOptions& options);

// `count` starts back to back, layout().start_bytes() each; all of one split, or as they are drawn.
std::vector<uint8_t> draw_starts(const Machine& machine, RandomSource& random, const ProgramOptions& options,
                                 std::optional<Split> split, int64_t count);

// Sets `stops` of traces from elsewhere, by running them again: step_limit where the machine goes on after
// the last state, unknown where it makes other states.
void find_stops(Machine& machine, TraceBatch& traces);

void append(const TraceBatch& batch, TraceBatch& out);
// Only the traces that halt, or that a limit ends.
void append_faultless(const TraceBatch& batch, TraceBatch& out);

}  // namespace bytecpu
