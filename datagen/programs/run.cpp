#include "datagen/programs/run.hpp"

#include <algorithm>

namespace bytecpu {

Limits limits_of(const ProgramOptions& options) {
  Limits limits;
  limits.steps = options.window_steps > 0 ? options.window_steps : most_steps;
  return limits;
}

std::vector<uint8_t> draw_starts(const Machine& machine, RandomSource& random, const ProgramOptions& options,
                                 std::optional<Split> split, int64_t count) {
  const size_t each = machine.layout().start_bytes();
  std::vector<uint8_t> starts(count * each);
  for (int64_t i = 0; i < count; ++i) {
    const auto start = std::span(starts).subspan(i * each, each);
    if (split) {
      random_start(machine, random, options, *split, start);
    } else {
      machine.random_start(random, options, start);
    }
  }
  return starts;
}

void find_stops(Machine& machine, TraceBatch& traces) {
  std::vector<uint8_t> starts;
  int64_t longest = 0;
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto start = traces[i].start();
    starts.insert(starts.end(), start.begin(), start.end());
    longest = std::max(longest, traces[i].states());
  }
  TraceBatch made(machine.layout());
  machine.run(starts, {.steps = static_cast<uint64_t>(longest) + 1}, made);
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto is = traces[i].bytes, is_made = made[i].bytes;
    const bool same = is.size() <= is_made.size() && std::equal(is.begin(), is.end(), is_made.begin());
    traces.stops[i] = !same                         ? StopReason::unknown
                      : is.size() == is_made.size() ? made.stops[i]
                                                    : StopReason::step_limit;
  }
}

void append(const TraceBatch& batch, TraceBatch& out) {
  const int64_t base = out.offsets.back();
  out.bytes.insert(out.bytes.end(), batch.bytes.begin(), batch.bytes.end());
  for (size_t i = 0; i < batch.size(); ++i) out.offsets.push_back(base + batch.offsets[i + 1]);
  out.stops.insert(out.stops.end(), batch.stops.begin(), batch.stops.end());
}

void append_faultless(const TraceBatch& batch, TraceBatch& out) {
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch.stops[i] <= StopReason::time_limit) out.add(batch[i]);
  }
}

}  // namespace bytecpu
