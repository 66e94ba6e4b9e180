// bGPT as published (arXiv 2402.19155): a patch-level decoder over the patches of a file, and a byte-level
// decoder that writes each next patch from the patch-level feature. Sequence: one patch with the file's
// extension, the file's patches, the last one filled with "nothing", one patch of "nothing" for the end. A file
// made from another one: that one's extension and patches come first. Parameter names and shapes are those of the
// published weights.
#pragma once

#include "model/network/byte_model.hpp"
#include "model/network/layers.hpp"
#include "model/network/patch_level.hpp"

namespace bytecpu {

class Bgpt final : public ByteModel {
 public:
  explicit Bgpt(const ModelConfig& config);

  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  using ByteModel::logits;
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  std::unique_ptr<History> begin(std::span<const Document> starts) override;
  int64_t most_steps() const override;
  int64_t length(const Document& document) const override;
  int64_t predicted(const Document& document, Targets targets) const override;
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  friend class BgptHistory;
  // The first patch of the document's sequence that is predicted.
  int64_t first_predicted(const Document& document, Targets targets) const;

  struct ByteLevelBase : torch::nn::Module {
    Gpt2 transformer{nullptr};
    Table wte{nullptr};
    torch::nn::Linear projection{nullptr};  // patch width → byte width, only where they differ
  };
  PatchLevel patch_level_{nullptr};
  std::shared_ptr<ByteLevelBase> byte_level_;
};

}  // namespace bytecpu
