// Teacher-forced prediction: each step, and the end, from the true steps before it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/inference/prediction.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// Of every document, whole ones; whether its end is known makes no difference. Of a step of several patches,
// later ones are predicted from the step's true earlier patches. `only`: one prediction a document, that of
// this step (n + 1: the end).
std::vector<StepPrediction> predict_steps(ByteModel& model, std::span<const Document> documents,
                                          std::optional<int64_t> only = {});

}  // namespace bytecpu
