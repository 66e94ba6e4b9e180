// A byte model of files that are made from other files: conversions, labels. It keeps pointers to the places of the
// input that the next byte is made from, and moves them as it writes.
//
//   input bytes ─ windows of 5 ─ MLPs ─ what each place says ─ recurrences from both ends ─ what it means there
//   the last 8 bytes written ─ an MLP ─ pointers move on, jump or stay, and find what is written again in the input ─
//   what they point at is read ─ layers of attention to the input, MLPs ─ the next byte
//
// No layer looks back at what was written before the last 8 bytes: where the pointers are is all that is remembered. So
// writing takes time in proportion to the file, times the input's length. There are no positions either (with
// from-end the number of bytes written can be copied, and is not seen otherwise); what was learned of short files holds in
// long ones. It knows nothing of any format. Its patch is a byte.
#pragma once

#include "model/compute/pointer.hpp"
#include "model/network/byte_model.hpp"
#include "model/network/layers.hpp"

namespace bytecpu {

class Pointer final : public ByteModel {
 public:
  explicit Pointer(const ModelConfig& config);

  Rows rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen = {}) override;
  using ByteModel::logits;
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                       ByteCache* cache) override;
  std::unique_ptr<History> begin(std::span<const Document> starts) override;
  int64_t most_steps() const override;
  // Bytes of the input and of the output, markers included.
  int64_t length(const Document& document) const override;
  int64_t predicted(const Document& document, Targets targets) const override;
  double forward_flops(std::span<const Document> documents, Targets targets) const override;
  std::vector<TrainedParameter> trained_parameters() const override;

 protected:
  torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const override;

 private:
  friend class PointerHistory;
  // What is known of a document's input of I symbols, by H pointers and the layers of attention.
  struct Input {
    torch::Tensor keys, values;                   // [H, 16, I] and [H, I, width / H]
    torch::Tensor stops, targets;                 // [H, I], as in PointerMoves
    std::vector<torch::Tensor> keys_values = {};  // of each layer, [1, I, 2 · width]
  };
  std::vector<Input> read(std::span<const Document> documents);
  // The last symbols before each byte that is asked for, of document after document.
  struct Written {
    torch::Tensor windows;        // I64 [rows, 8]
    torch::Tensor bytes;          // I64 [rows], how many bytes are written before
    std::vector<int64_t> counts;  // rows of each document; behind them come rows of no meaning
  };
  // What comes next: [rows, width], and with from-end the four bytes of how many are written, the lowest first. The
  // pointers start at places[b] ([H, I]) and are left there after the last row.
  torch::Tensor write(const Written& written, const std::vector<Input>& inputs,
                      std::vector<torch::Tensor>& places);
  std::vector<int64_t> input_of(const Document& document) const;
  std::vector<int64_t> output_of(const Document& document) const;
  torch::Tensor embed(const torch::Tensor& windows, const Table& table, Matrix& in) const;
  // Of what is not a product: float, or double in a model of doubles.
  torch::ScalarType wide() const { return precision_ == torch::kDouble ? torch::kDouble : torch::kFloat; }

  Table input_symbol_{nullptr}, symbol_{nullptr}, head_{nullptr};
  Matrix input_in_{nullptr}, in_{nullptr};
  torch::nn::ModuleList encoder_, mlps_, queries_, keys_values_, outs_;
  Matrix scan_in_{nullptr}, scan_out_{nullptr};
  Matrix copy_{nullptr};  // how much likelier the bytes of the count are; only with from-end
  // Of the pointers: [width, H · 16], [width, width], [width, 2 · H] each.
  Matrix query_{nullptr}, key_{nullptr}, value_{nullptr}, found_{nullptr}, place_{nullptr}, move_{nullptr};
  torch::Tensor place_bias_, move_bias_;  // [2 · H]
  torch::Tensor scan_bias_;               // [2 · width]
};

}  // namespace bytecpu
