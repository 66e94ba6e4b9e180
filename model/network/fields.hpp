// A model of transitions that thinks in fields: which fields of the record an instruction changes, and for each
// of those which words it is made of.
//
//   instruction, PC, flags ─ MLPs ─ a gate for each word: is it written? ─ the words that are, one after the other:
//     heads that choose words of this record, of what is known of the next one, or of the memory, and hand on
//     their bits as they are, each turned by a distance of its own ─ a recurrence over the 32 bits ─ the word's bits
//
// One word is hidden: it is in no record, and the words behind it can read it as they read those of the next record.
//
// A word's bytes have the likelihood gate · P(bits) + (1 - gate) · [as before]: exact, where what is written equals
// what was there. It knows of a machine only the layout: fields, widths, where a write is told. Its patch is a
// whole record; the memory is kept as the machine's writes leave it.
#pragma once

#include "model/network/byte_model.hpp"
#include "model/network/word_thinker.hpp"

namespace bytecpu {

class Fields final : public ByteModel {
 public:
  explicit Fields(const ModelConfig& config);

  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  Loss loss(const torch::Tensor& condition, const torch::Tensor& patches) override;
  bool decodes_itself() const override { return true; }
  Decoded decode(const torch::Tensor& condition, const torch::Tensor& may_end) override;
  std::unique_ptr<History> begin(std::span<const Document> starts) override;
  int64_t most_steps() const override;
  int64_t length(const Document& document) const override { return document.count(); }
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  torch::Tensor offsets() const;
  // Of what is not a product: float, or double in a model of doubles.
  torch::ScalarType wide() const { return precision_ == torch::kDouble ? torch::kDouble : torch::kFloat; }

  WordThinker words_{nullptr};
};

}  // namespace bytecpu
