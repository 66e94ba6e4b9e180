#include "eval/predictors/predictor.hpp"

namespace bytecpu {

std::vector<StepPrediction> Predictor::record(std::span<const Trace> traces, int64_t number) {
  const auto at = static_cast<size_t>(number - 1), bytes = static_cast<size_t>(layout().record_bytes);
  std::vector<StepPrediction> predictions;
  for (const StepPrediction& all : step(traces)) {
    const auto record = std::span(all.steps).subspan(at * bytes, bytes);
    auto& one =
        predictions.emplace_back(StepPrediction{{record.begin(), record.end()}, {all.ended[at]}, {}, {}});
    if (!all.nats.empty()) one.nats = {all.nats[at]};
    if (!all.confidence.empty()) one.confidence = {all.confidence[at]};
  }
  return predictions;
}

}  // namespace bytecpu
