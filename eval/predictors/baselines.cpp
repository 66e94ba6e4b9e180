#include "eval/predictors/baselines.hpp"

#include <algorithm>

#include "emulator/error.hpp"

namespace bytecpu {

std::vector<StepPrediction> CopyPredictor::step(std::span<const std::span<const uint8_t>> traces) {
  std::vector<StepPrediction> predictions;
  for (const auto trace : traces) {
    const auto states = trace.subspan(static_cast<size_t>(layout_.memory_bytes));
    const size_t places = states.size() / static_cast<size_t>(layout_.record_bytes);
    predictions.push_back({{states.begin(), states.end()}, std::vector<uint8_t>(places), {}, {}});
  }
  return predictions;
}

std::vector<RolloutPrediction> CopyPredictor::rollout(std::span<const std::span<const uint8_t>> starts,
                                                      std::span<const int64_t> max_records,
                                                      std::span<const std::span<const uint8_t>>) {
  std::vector<RolloutPrediction> predictions(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto state = starts[i].subspan(static_cast<size_t>(layout_.memory_bytes));
    auto& records = predictions[i].records;
    for (int64_t t = 0; t < max_records[i]; ++t) records.insert(records.end(), state.begin(), state.end());
  }
  return predictions;
}

std::vector<StepPrediction> OraclePredictor::step(std::span<const std::span<const uint8_t>> traces) {
  const Layout& layout = machine_->layout();
  const auto record = static_cast<size_t>(layout.record_bytes),
             start = static_cast<size_t>(layout.start_bytes());
  std::vector<uint8_t> starts;
  size_t most = 0;
  for (const auto trace : traces) {
    starts.insert(starts.end(), trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(start));
    most = std::max(most, (trace.size() - start) / record + 1);
  }
  TraceBatch run;
  machine_->run(starts, {.steps = most}, run);
  std::vector<StepPrediction> predictions(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    const size_t places = (traces[i].size() - start) / record + 1;
    const auto states = run.trace(i).subspan(start);
    auto& [records, ended, nats, confidence] = predictions[i];
    records.assign(states.begin(),
                   states.begin() + static_cast<std::ptrdiff_t>(std::min(states.size(), places * record)));
    ended.assign(places, 0);
    std::fill(ended.begin() + static_cast<std::ptrdiff_t>(records.size() / record), ended.end(), 1);
    records.resize(places * record);
  }
  return predictions;
}

std::vector<RolloutPrediction> OraclePredictor::rollout(std::span<const std::span<const uint8_t>> starts,
                                                        std::span<const int64_t> max_records,
                                                        std::span<const std::span<const uint8_t>>) {
  const auto record = static_cast<size_t>(machine_->layout().record_bytes);
  std::vector<uint8_t> all;
  uint64_t most = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    all.insert(all.end(), starts[i].begin(), starts[i].end());
    most = std::max(most, static_cast<uint64_t>(max_records[i]));
  }
  TraceBatch run;
  machine_->run(all, {.steps = most}, run);
  std::vector<RolloutPrediction> predictions(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto states = run.trace(i).subspan(starts[i].size());
    const auto size = std::min(states.size(), static_cast<size_t>(max_records[i]) * record);
    predictions[i].records.assign(states.begin(), states.begin() + static_cast<std::ptrdiff_t>(size));
    predictions[i].ended = size == states.size() && run.stops[i] != StopReason::step_limit;
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
