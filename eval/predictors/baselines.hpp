// Predictors that need no training, to check the evaluator and to compare with.
#pragma once

#include <memory>
#include <string_view>

#include "emulator/machine.hpp"
#include "eval/predictors/predictor.hpp"

namespace bytecpu {

// Predicts that nothing changes: every record is the one before it, and the end never comes.
class CopyPredictor final : public Predictor {
 public:
  explicit CopyPredictor(Layout layout) : layout_(std::move(layout)) {}
  std::string name() const override { return "copy"; }
  const Layout& layout() const override { return layout_; }
  std::vector<StepPrediction> step(std::span<const Trace> traces) override;
  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override;

 private:
  Layout layout_;
};

// Unicorn itself: runs the start of every trace.
class OraclePredictor final : public Predictor {
 public:
  explicit OraclePredictor(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}
  std::string name() const override { return "oracle"; }
  const Layout& layout() const override { return machine_->layout(); }
  std::vector<StepPrediction> step(std::span<const Trace> traces) override;
  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override;

 private:
  std::unique_ptr<Machine> machine_;
};

// "copy" or "oracle"; throws UsageError for any other name.
std::unique_ptr<Predictor> make_baseline(std::string_view name, const Layout& layout);

}  // namespace bytecpu
