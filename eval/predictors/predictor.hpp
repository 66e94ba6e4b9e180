// What is evaluated: anything that predicts the next record from the history. The model is one, the tests'
// perfect and corrupted predictors, the copy baseline and other people's files are others.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "emulator/layout.hpp"

namespace bytecpu {

// A trace with n states after state 0 has n + 1 predictions: records 1 … n, and the end.
// A predicted end is a whole record of "nothing"; the bytes of any other record are the most probable of 0 …
// 255.
struct StepPrediction {
  std::vector<uint8_t> records;  // (n + 1) × record_bytes; a predicted end is zeros
  std::vector<uint8_t> ended;    // n + 1 flags: the end was predicted here
  // Where the predictor has probabilities, else empty:
  std::vector<float> nats;        // n + 1: negative log-likelihood of the true record, summed over its bytes
  std::vector<float> confidence;  // n + 1: probability given to the predicted record
};

// Records predicted after state 0, each from the model's own records before it.
struct RolloutPrediction {
  std::vector<uint8_t> records;
  bool ended = false;                  // the predictor ended the trace itself; false: it was cut at its limit
  std::vector<float> confidence = {};  // probability given to each record; empty without probabilities
};

class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual std::string name() const = 0;
  // Of the traces that it predicts; the data evaluated on must agree in machine, memory and record length.
  virtual const Layout& layout() const = 0;
  // For the report: configuration, checkpoint, training step, precision; whatever there is to know.
  virtual nlohmann::ordered_json details() const { return nlohmann::ordered_json::object(); }
  // Teacher-forced: every record predicted from the true history. Traces are image ‖ state 0 ‖ ….
  virtual std::vector<StepPrediction> step(std::span<const std::span<const uint8_t>> traces) = 0;
  // What step() says of record `number` (n + 1: the end) alone: one prediction for each trace.
  virtual std::vector<StepPrediction> record(std::span<const std::span<const uint8_t>> traces,
                                             int64_t number);
  // Free run from image ‖ state 0 until the predictor ends it, or after max_records[i] records. `guesses`:
  // none, or what each run may turn out to be, the true trace for example; it may save time, but changes
  // nothing.
  virtual std::vector<RolloutPrediction> rollout(std::span<const std::span<const uint8_t>> starts,
                                                 std::span<const int64_t> max_records,
                                                 std::span<const std::span<const uint8_t>> guesses) = 0;
};

}  // namespace bytecpu
