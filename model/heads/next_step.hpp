// The objective of simulators: to predict the bytes of each scored step, and the end, from all that is before them.
#pragma once

#include <optional>
#include <span>

#include "model/network/byte_model.hpp"

namespace bytecpu {

class NextStep {
 public:
  // `model` must outlive this.
  NextStep(ByteModel& model, Targets targets) : model_(model), targets_(targets) {}

  Targets targets() const { return targets_; }

  struct Outcome {
    Rows rows;
    Loss loss;
  };
  // Of the patches predicted, or of those that `chosen` (bool [N], on the CPU) says of the N; nothing where
  // there are none. Differentiable.
  std::optional<Outcome> predict(std::span<const Document> documents, const torch::Tensor& chosen = {}) const;
  // N: how many patches of the documents are predicted.
  int64_t count(std::span<const Document> documents) const;
  // For predict(): all of the N but a few, lying evenly, so that N is a common_size(). Bool [N] on the CPU;
  // undefined: all.
  torch::Tensor common_choice(std::span<const Document> documents) const;
  // Operations of predict() forward.
  double forward_flops(std::span<const Document> documents) const {
    return model_.forward_flops(documents, targets_);
  }

 private:
  ByteModel& model_;
  Targets targets_;
};

}  // namespace bytecpu
