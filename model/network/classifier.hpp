// The published classifier (arXiv 2402.19155): bGPT's patch level, and a layer over the mean of its features, of all
// patches of a file with its extension and end, that says which of the labels it has. Parameter names and shapes are
// those of the published weights. It predicts no bytes: what it learns are documents that are labels (Document::label).
#pragma once

#include "model/network/byte_model.hpp"
#include "model/network/patch_level.hpp"

namespace bytecpu {

class Classifier final : public ByteModel {
 public:
  explicit Classifier(const ModelConfig& config);

  // One row a document: condition F32 [N, width], patches the number of its label. Throws Error for another document.
  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  using ByteModel::logits;
  // [N, 1, labels].
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  bool predicts_bytes() const override { return false; }
  // Of files, which are no labels: [N, labels].
  torch::Tensor label_logits(std::span<const Document> files);
  std::unique_ptr<History> begin(std::span<const Document> starts) override;  // throws Error
  int64_t most_steps() const override { return 0; }
  int64_t length(const Document& document) const override;
  int64_t predicted(const Document&, Targets) const override { return 1; }
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  torch::Tensor features(std::span<const Document> files);  // F32 [N, width]

  PatchLevel patch_level_{nullptr};
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace bytecpu
