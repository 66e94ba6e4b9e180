// The benchmarks behind bytecpu-bench: each result is one JSON object. Times are wall clock. Both sides of a ratio
// were measured in the same call.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "emulator/machine.hpp"
#include "eval/truth/evaluation.hpp"
#include "model/network/byte_model.hpp"
#include "model/training/config.hpp"

namespace bytecpu {

using OnResult = std::function<void(const nlohmann::ordered_json&)>;

// Free runs of the traces of `set`: "uncached" (history and patch read anew for every byte; one state after
// another, their histories taken from the traces), then "bytewise" (keys and values cached at both levels)
// and "drafted", each with one trace at a time and with `batch` traces at once. States and traces are spread
// evenly over the set; each measurement takes `seconds`, and longer where one state or batch of traces does.
// Members: "decoding", "batch", "states", "seconds", "states_per_second", "passes_per_state" (of the
// byte-level decoder, 1 being the least), "positions_per_byte" (that they compute; likewise),
// "times_uncached".
void benchmark_rollout(ByteModel& model, const TestSet& set, int64_t batch, double seconds,
                       const OnResult& result);

// Training steps on fresh programs of the model's machine for about `seconds`, after a warm-up: states a
// second, operations a state (forward, and twice that backward), the rate of operations beside that of one
// large product of matrices in the same precision, and the share of the time that each part takes.
void benchmark_train(ByteModel& model, const TrainConfig& config, const ProgramOptions& programs,
                     double seconds, const OnResult& result);

// Random programs drawn and run, with one thread and with `threads`.
void benchmark_generate(const Layout& layout, const ProgramOptions& programs, int threads, double seconds,
                        const OnResult& result);

}  // namespace bytecpu
