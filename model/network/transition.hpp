// A hierarchical byte model of transitions: the next record from the current one and the memory image.
//
//   record bytes ─ encoder (attention among the bytes) ─ patch feature (all bytes to one vector; MLPs; with
//   patch-history also causal attention over earlier records) ─ a condition for each byte position, which
//   reads bytes of the memory image by attention and mixes with the others ─ byte-level decoder (causal) ─
//   symbols, left to right.
//
// It knows of a machine only the lengths of its records and its memory. Its patch is a whole record. The memory
// image itself is not predicted.
#pragma once

#include "model/network/byte_model.hpp"
#include "model/network/layers.hpp"

namespace bytecpu {

class Transition final : public ByteModel {
 public:
  explicit Transition(const ModelConfig& config);

  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  using ByteModel::logits;
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  std::unique_ptr<History> begin(std::span<const Document> starts) override;
  int64_t most_steps() const override;
  int64_t length(const Document& document) const override { return document.count(); }
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  friend class TransitionHistory;
  // Embedded bytes of the memory images as keys and values, [B, M, 2 · memory width].
  torch::Tensor remember(const torch::Tensor& images);
  // Condition [N, P, d] of the records that follow `records` (I64 [N, P]), N in the order of documents and
  // time: counts[b] of document b, whose memory is memory[b]. With caches, one a patch layer, the records follow
  // `past` earlier ones.
  torch::Tensor condition(const torch::Tensor& records, const std::vector<int64_t>& counts,
                          const torch::Tensor& memory, std::vector<KeyValues>* caches = nullptr,
                          int64_t past = 0);

  Table symbol_{nullptr}, position_{nullptr}, address_{nullptr};
  torch::nn::ModuleList encoder_, patch_, mixer_, decoder_;
  Matrix patch_in_{nullptr}, patch_out_{nullptr}, query_{nullptr}, key_value_{nullptr}, read_{nullptr};
  Table patch_position_{nullptr}, condition_position_{nullptr}, previous_{nullptr},
      decoder_position_{nullptr}, head_{nullptr};
};

}  // namespace bytecpu
