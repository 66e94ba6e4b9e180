#include "eval/predictors/baselines.hpp"

#include <algorithm>

#include "emulator/error.hpp"

namespace bytecpu {

std::vector<StepPrediction> CopyPredictor::step(std::span<const Trace> traces) {
  std::vector<StepPrediction> predictions;
  for (const Trace& trace : traces) {
    const auto states = trace.records();
    predictions.push_back({.steps = {states.begin(), states.end()},
                           .ended = std::vector<uint8_t>(static_cast<size_t>(trace.states() + 1))});
  }
  return predictions;
}

std::vector<Rollout> CopyPredictor::rollout(std::span<const Trace> traces, std::span<const int64_t> most) {
  std::vector<Rollout> predictions(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto state = traces[i].record(0);
    auto& steps = predictions[i].steps;
    for (int64_t t = 0; t < most[i]; ++t) steps.insert(steps.end(), state.begin(), state.end());
  }
  return predictions;
}

namespace {

TraceBatch run_again(Machine& machine, std::span<const Trace> traces, int64_t steps) {
  std::vector<uint8_t> starts;
  for (const Trace& trace : traces) {
    const auto start = trace.start();
    starts.insert(starts.end(), start.begin(), start.end());
  }
  TraceBatch run(machine.layout());
  machine.run(starts, {.steps = static_cast<uint64_t>(steps)}, run);
  return run;
}

// The records 1 … `count` of a trace, or fewer.
std::vector<uint8_t> records_after_start(const Trace& trace, int64_t count) {
  const auto records = trace.records().subspan(static_cast<size_t>(trace.record_bytes));
  const auto kept = records.first(static_cast<size_t>(std::min(trace.states(), count) * trace.record_bytes));
  return {kept.begin(), kept.end()};
}

}  // namespace

std::vector<StepPrediction> OraclePredictor::step(std::span<const Trace> traces) {
  int64_t most = 0;
  for (const Trace& trace : traces) most = std::max(most, trace.states() + 1);
  const TraceBatch run = run_again(*machine_, traces, most);
  std::vector<StepPrediction> predictions(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    const int64_t places = traces[i].states() + 1;
    auto& [steps, ended, nats, confidence] = predictions[i];
    steps = records_after_start(run[i], places);
    ended.assign(static_cast<size_t>(places), 0);
    std::fill(ended.begin() + std::min(run[i].states(), places), ended.end(), 1);
    steps.resize(static_cast<size_t>(places * traces[i].record_bytes));
  }
  return predictions;
}

std::vector<Rollout> OraclePredictor::rollout(std::span<const Trace> traces, std::span<const int64_t> most) {
  const int64_t longest = most.empty() ? 0 : std::ranges::max(most);
  const TraceBatch run = run_again(*machine_, traces, longest);
  std::vector<Rollout> predictions(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    predictions[i].steps = records_after_start(run[i], most[i]);
    predictions[i].ended = run[i].states() <= most[i] && run[i].stop != StopReason::step_limit;
  }
  return predictions;
}

std::unique_ptr<Predictor> make_baseline(std::string_view name, const Layout& layout) {
  if (name == "copy") return std::make_unique<CopyPredictor>(layout);
  if (name == "oracle")
    return std::make_unique<OraclePredictor>(make_machine(layout.machine, layout.memory_bytes));
  throw UsageError("--predictor: \"{}\" is neither copy nor oracle", name);
}

}  // namespace bytecpu
