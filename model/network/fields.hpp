// A model of transitions that thinks in fields: which fields of the record an instruction changes, and for each
// of those which words it is made of.
//
//   instruction, PC, flags ─ MLPs ─ a gate for each word: is it written? ─ the words that are, one after the other:
//     heads that choose words of this record, of what is known of the next one, or of the memory, and hand on
//     their bits as they are, each turned by a distance of its own ─ a recurrence over the 32 bits ─ the word's bits
//
// A word's bytes have the likelihood gate · P(bits) + (1 - gate) · [as before]: exact, where what is written equals
// what was there. It knows of a machine only the layout: fields, widths, where a write is told. Its patch is a
// whole record; the memory is kept as the machine's writes leave it.
#pragma once

#include "model/network/byte_model.hpp"
#include "model/network/words.hpp"

namespace bytecpu {

class Fields final : public ByteModel {
 public:
  explicit Fields(const ModelConfig& config);

  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  Loss loss(const torch::Tensor& condition, const torch::Tensor& patches) override;
  std::optional<Decoded> decode(const torch::Tensor& condition, const torch::Tensor& may_end) override;
  std::unique_ptr<History> begin(std::span<const Document> starts) override;
  int64_t most_steps() const override;
  int64_t length(const Document& document) const override { return document.count(); }
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  // What a batch's N records say before the next ones are looked at.
  struct Known {
    torch::Tensor records;    // U8 [N, P]
    torch::Tensor bits;       // I8 [N, W, 32]
    torch::Tensor windows;    // I8 [N, windows, 32]
    torch::Tensor memory;     // planes
    torch::Tensor selecting;  // [N, S · 32 + 8]: the bits of the selecting words, and ones
    torch::Tensor named;      // F32 [N, numbers, 5]: bits of the numbers that the instruction may name
    torch::Tensor feature;    // [N, patch width], normalised
    torch::Tensor gates;      // F32 [N, W + 1] logits: that a word is written; last, that the document ends
  };
  Known know(const torch::Tensor& condition);
  // Of what is not a product: float, or double in a model of doubles.
  torch::ScalarType wide() const { return precision_ == torch::kDouble ? torch::kDouble : torch::kFloat; }
  // What is known of the next records: bits I8 [N, W, 32], and which words differ, bool [N, W]. Of a word only
  // what is before it is looked at.
  struct Next {
    torch::Tensor bits, changed;
  };
  // M words to think of: whose, and which; I64 [M].
  struct Places {
    torch::Tensor item, word;
  };
  // F32 [M, 32]: the logit of each bit.
  torch::Tensor word_logits(const Known& known, const Next& next, const Places& places);
  // Its parts. thought [M, row width], normalised; read F32 [M, heads, 32].
  torch::Tensor choose_words(const Known& known, const Next& next, const Places& at,
                             const torch::Tensor& thought);
  torch::Tensor dereference(const Known& known, const Places& at, const torch::Tensor& thought,
                            const torch::Tensor& read);
  torch::Tensor numbers(const Known& known, const Places& at, const torch::Tensor& thought,
                        const torch::Tensor& read);
  torch::Tensor wire(const torch::Tensor& thought, const torch::Tensor& read);
  torch::Tensor spell(const torch::Tensor& thought, const torch::Tensor& words);

  const WordLayout layout_;
  Matrix feature_in_{nullptr}, gate_{nullptr}, row_in_{nullptr};
  torch::nn::ModuleList feature_, row_, bit_in_, bit_out_, bit_mlp_;
  Table word_{nullptr};
  // The heads on words.
  Matrix query_{nullptr}, direct_query_{nullptr};
  torch::Tensor key_, changed_key_;
  // The heads on the memory.
  Matrix pointer_{nullptr}, address_query_{nullptr};
  Table address_{nullptr};
  // Numbers 0 … 31: distances that words are turned by, and edges.
  Matrix own_number_{nullptr}, number_choice_{nullptr};
  Table number_{nullptr};
  torch::Tensor turn_bias_;
  Matrix wiring_{nullptr}, wiring_choice_{nullptr};
  Matrix read_up_{nullptr}, read_down_{nullptr};
  // The bits.
  Matrix literal_{nullptr}, scale_{nullptr}, channel_in_{nullptr}, row_bits_{nullptr}, start_{nullptr};
  Table bit_position_{nullptr};
  Matrix bit_head_{nullptr}, end_up_{nullptr}, end_down_{nullptr};
  torch::Tensor gate_bias_;
  // I64 [W], on the CPU: where each word is in the record.
  torch::Tensor offset_;
};

}  // namespace bytecpu
