// What is evaluated: anything that predicts the next record from the history. A model is one; so are the copy
// baseline, files of other programs, and the perfect and corrupted predictors of the tests.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "emulator/trace.hpp"
#include "model/inference/prediction.hpp"

namespace bytecpu {

class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual std::string name() const = 0;
  // Of the traces that it predicts; the data evaluated on must agree in machine, memory and record length.
  virtual const Layout& layout() const = 0;
  // For the report: configuration, checkpoint, training step, precision; whatever there is to know.
  virtual nlohmann::ordered_json details() const { return nlohmann::ordered_json::object(); }
  // Teacher-forced: records 1 … n and the end, each predicted from the true history.
  virtual std::vector<StepPrediction> step(std::span<const Trace> traces) = 0;
  // What step() says of record `number` (n + 1: the end) alone: one prediction for each trace.
  virtual std::vector<StepPrediction> record(std::span<const Trace> traces, int64_t number);
  // Free run from each trace's start() until the predictor ends it, or after most[i] records. What the trace
  // holds after its start is what the run may turn out to be: it may save time, but changes nothing.
  virtual std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) = 0;
};

}  // namespace bytecpu
