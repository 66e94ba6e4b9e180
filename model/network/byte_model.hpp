// The interface of all model families: documents in, logits of their patches out, and the same patch by patch
// for free runs. The objectives are in model/heads. Training, inference and checkpoints are written once,
// against both.
//
// Symbols: 0 … 255 are bytes, 256 is "nothing": padding, and the end of a document. V = 257 symbols, P bytes a
// patch.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <span>
#include <vector>

#include "datagen/corpus/document.hpp"
#include "model/network/config.hpp"
#include "model/network/layers.hpp"
#include "model/network/parameters.hpp"

namespace bytecpu {

inline constexpr int64_t nothing = 256;
inline constexpr int64_t symbols = 257;

// Which patches of a document are predicted: those of the steps that its frame says are scored and the end, or
// every one, the context's too.
enum class Targets { scored, all };

// The predicted patches of a batch, packed without padding, in the order of documents and time; N of them.
struct Rows {
  // [N, ...] all that the byte-level decoder knows of the history; belongs to the model.
  torch::Tensor condition;
  // I64 [N, P] the true patches.
  torch::Tensor patches;
  // I64 [N], on the CPU: number of the step in its document. The end is one more than the last; of the context
  // it is 0, as of step 0.
  torch::Tensor step;
  // I64 [N], on the CPU: which document of the batch.
  torch::Tensor document;
};

// The history of B live documents in a free run. Made by ByteModel::begin.
class History {
 public:
  virtual ~History() = default;
  // Condition for each document's next patch, as in Rows: [B, ...].
  virtual torch::Tensor condition() = 0;
  // The next patch of each document: I64 [B, P].
  virtual void append(const torch::Tensor& patches) = 0;
  // Goes on with the documents of `index` (I64, ascending) only.
  virtual void keep(const torch::Tensor& index) = 0;
};

// The byte-level decoder's keys and values for the first positions of N patches, one item a layer.
struct ByteCache {
  std::vector<KeyValues> layers = {};
  int64_t positions = 0;
  // Goes on with the patches of `index` (I64, ascending) only, and with the first `count` positions.
  void keep(const torch::Tensor& index, int64_t count);
};

// Mean cross-entropy in nats a byte over the rows' patches (differentiable), and what greedy choice got
// right.
struct Loss {
  // Scalar, mean over bytes.
  torch::Tensor nats;
  // F32 [N], mean over each row's bytes, without gradient.
  torch::Tensor row_nats;
  // I64 [N] bytes of each row whose most probable symbol is wrong.
  torch::Tensor mistakes;
  // Scalar, differentiable: what is learned besides, on the same scale; undefined: nothing.
  torch::Tensor besides = {};

  torch::Tensor learned() const { return besides.defined() ? nats + besides : nats; }
};
// Of logits [N, P, V].
Loss cross_entropy(const torch::Tensor& logits, const torch::Tensor& patches);

// N patches decoded greedily.
struct Decoded {
  // I64 [N, P]; all "nothing" where the end was chosen.
  torch::Tensor patches = {};
  // Bool [N].
  torch::Tensor ended = {};
  // F32 [N]: log-probability of the chosen patch.
  torch::Tensor confidence = {};
  // F32 [N]: negative log-likelihood of the draft, summed over its bytes.
  torch::Tensor draft_nats = {};
  // Passes of the byte-level decoder; the same summed over the patches in each; positions that they computed.
  int64_t passes = 0, patch_passes = 0, positions = 0;
};

class ByteModel : public torch::nn::Module {
 public:
  explicit ByteModel(ModelConfig config) : config_(std::move(config)) {}

  // Everything above the byte level, for every predicted patch, or for those that `chosen` (bool [N], on the
  // CPU) says of the N.
  virtual Rows rows(std::span<const Document> documents, Targets targets,
                    const torch::Tensor& chosen = {}) = 0;
  // Logits [N, P, V] of each byte given the condition and the bytes before it in `patches` (I64 [N, P]).
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches) {
    return logits(condition, patches, patches.size(1), nullptr);
  }
  // With a cache, only those of the positions after the cached ones and before `end`, which join it: [N, end
  // - cached, V]. Without gradients then.
  virtual torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                               ByteCache* cache) = 0;
  // Of the rows' patches: the cross-entropy of logits(), which a family may have a shorter way to.
  virtual Loss loss(const torch::Tensor& condition, const torch::Tensor& patches) {
    return cross_entropy(logits(condition, patches), patches);
  }
  // Whether it predicts bytes. A classifier does not: it tells labels.
  virtual bool predicts_bytes() const { return true; }
  // Whether the family has a way of its own to what decoding by logits() gives, byte after byte: decode(), which
  // needs no draft. `may_end` bool [N]: which may choose the end. Not told: draft_nats.
  virtual bool decodes_itself() const { return false; }
  virtual Decoded decode(const torch::Tensor& /*condition*/, const torch::Tensor& /*may_end*/) {
    TORCH_CHECK(false, "decodes byte after byte");
  }
  // Starts a free run from what each document holds: context and given steps. Only without gradients.
  virtual std::unique_ptr<History> begin(std::span<const Document> starts) = 0;
  // Most steps of a document that it takes, those given included, the end not.
  virtual int64_t most_steps() const = 0;
  // Patches that a document takes up in a batch, markers of begin and end included.
  virtual int64_t length(const Document& document) const = 0;
  // How many of them rows() predicts.
  virtual int64_t predicted(const Document& document, Targets /*targets*/) const {
    return (document.count() - frame().first_scored) * patches_per_step() + (document.complete ? 1 : 0);
  }
  // Floating-point operations of predicting one batch's patches forward, multiply and add counted as two.
  virtual double forward_flops(std::span<const Document> documents, Targets targets) const = 0;
  // All parameters, by name; says which are hidden matrices, for optimisers that treat those apart.
  virtual std::vector<TrainedParameter> trained_parameters() const = 0;

  const ModelConfig& config() const { return config_; }
  const Frame& frame() const { return config_.frame; }
  int patches_per_step() const { return config_.frame.step_bytes / config_.patch_size; }
  torch::Device device() const { return parameters().front().device(); }
  // Precision of the products: float, or bfloat16 with float accumulation and master weights.
  torch::ScalarType precision() const { return precision_; }
  void set_precision(torch::ScalarType precision) { precision_ = precision; }
  // For inference alone, and for good: this precision, and weights converted and laid out once instead of at
  // every use. The results are the same.
  void freeze(torch::ScalarType precision);

 protected:
  // The parameter as its uses want it, where a use would convert it or lay it out anew.
  virtual torch::Tensor frozen(const std::string& name, const torch::Tensor& parameter) const = 0;

  const ModelConfig config_;
  torch::ScalarType precision_ = torch::kFloat;
};

// A freshly initialised model, drawn from LibTorch's default generator. Throws Error on a bad configuration.
std::shared_ptr<ByteModel> make_model(const ModelConfig& config);

}  // namespace bytecpu
