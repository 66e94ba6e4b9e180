// What the evaluator's tests share: small true traces, and predictors with known mistakes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/measures/metrics.hpp"
#include "eval/predictors/baselines.hpp"

namespace bytecpu {

inline constexpr int test_memory = 64;

// The trace of a toy8 program whose state 0 has the given registers A …, all else 0.
inline std::vector<uint8_t> true_trace(Machine& machine, const std::string& program,
                                       const std::vector<uint8_t>& registers = {}) {
  auto start = machine.load_program(program, "test");
  start.resize(static_cast<size_t>(machine.layout().start_bytes()));
  std::ranges::copy(registers, start.begin() + machine.layout().memory_bytes + 6);
  TraceBatch run(machine.layout());
  machine.run(start, {}, run);
  return run.bytes;
}

// Predicts the truth and then applies the mistakes to it.
class CorruptedPredictor final : public Predictor {
 public:
  explicit CorruptedPredictor(const Layout& layout)
      : oracle_(make_machine(layout.machine, layout.memory_bytes)) {}

  std::function<void(StepPrediction&, const Trace& trace)> corrupt_step;
  std::function<void(Rollout&, const Trace& trace)> corrupt_rollout;

  std::string name() const override { return "corrupted"; }
  const Layout& layout() const override { return oracle_.layout(); }
  std::vector<StepPrediction> step(std::span<const Trace> traces) override {
    auto predictions = oracle_.step(traces);
    for (size_t i = 0; corrupt_step && i < traces.size(); ++i) corrupt_step(predictions[i], traces[i]);
    return predictions;
  }
  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override {
    auto predictions = oracle_.rollout(traces, most);
    for (size_t i = 0; corrupt_rollout && i < traces.size(); ++i) corrupt_rollout(predictions[i], traces[i]);
    return predictions;
  }

 private:
  OraclePredictor oracle_;
};

}  // namespace bytecpu
