// The one interface of all model families: traces in, logits of the predicted patches out, and the same patch
// by patch for free runs. Training, validation, inference and checkpoints are written against it, once.
//
// Symbols: 0 … 255 are bytes, 256 is "nothing": padding, and the end of a trace. V = 257 symbols, P bytes a
// patch.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <span>
#include <vector>

#include "model/network/config.hpp"
#include "model/network/layers.hpp"
#include "model/network/parameters.hpp"
#include "model/training/batch.hpp"

namespace bytecpu {

inline constexpr int64_t nothing = 256;
inline constexpr int64_t symbols = 257;

// Which patches of a batch are predicted: the records after state 0 and the end, or every patch.
enum class Targets { states, all };

// The predicted patches of a batch, packed without padding, in the order of traces and time; N of them.
struct Rows {
  torch::Tensor
      condition;  // [N, ...] all that the byte-level decoder knows of the history; belongs to the model
  torch::Tensor patches;  // I64 [N, P] the true patches
  torch::Tensor record;  // I64 [N], on the CPU: number of the record in its trace (1 …; the end is the last;
                         // 0 and less: memory image and state 0)
  torch::Tensor trace;   // I64 [N], on the CPU: which trace of the batch
};

// The history of B live traces in a free run. Made by ByteModel::begin.
class History {
 public:
  virtual ~History() = default;
  // Condition for each trace's next patch, as in Rows: [B, ...].
  virtual torch::Tensor condition() = 0;
  // The next patch of each trace: I64 [B, P].
  virtual void append(const torch::Tensor& patches) = 0;
  // Goes on with the traces of `index` (I64, ascending) only.
  virtual void keep(const torch::Tensor& index) = 0;
};

// The byte-level decoder's keys and values for the first positions of N patches, one item a layer.
struct ByteCache {
  std::vector<KeyValues> layers = {};
  int64_t positions = 0;
  // Goes on with the patches of `index` (I64, ascending) only, and with the first `count` positions.
  void keep(const torch::Tensor& index, int64_t count);
};

class ByteModel : public torch::nn::Module {
 public:
  explicit ByteModel(ModelConfig config) : config_(std::move(config)) {}

  // Everything above the byte level, for every predicted patch, or for those that `chosen` (bool [N], on the
  // CPU) says of the N. Traces are whole records of the layout.
  virtual Rows rows(std::span<const TraceView> traces, Targets targets, const torch::Tensor& chosen = {}) = 0;
  // N: how many patches of the traces are predicted.
  int64_t predicted(std::span<const TraceView> traces, Targets targets) const;
  // For rows(): all of the N but a few, on the CPU, lying evenly, so that N is a common_size(); undefined:
  // all.
  torch::Tensor common_choice(std::span<const TraceView> traces, Targets targets) const;
  // Logits [N, P, V] of each byte given the condition and the bytes before it in `patches` (I64 [N, P]).
  torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches) {
    return logits(condition, patches, patches.size(1), nullptr);
  }
  // With a cache, only those of the positions after the cached ones and before `end`, which join it: [N, end
  // - cached, V]. Without gradients then.
  virtual torch::Tensor logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                               ByteCache* cache) = 0;
  // Starts a free run. Every start is memory image ‖ state 0. Only without gradients.
  virtual std::unique_ptr<History> begin(std::span<const TraceView> starts) = 0;
  // Longest trace it can take, in records after state 0, the end not counted.
  virtual int64_t longest_trace() const = 0;
  // Floating-point operations of predicting one batch's patches forward, multiply and add counted as two.
  virtual double forward_flops(std::span<const TraceView> traces, Targets targets) const = 0;
  // Patches a trace takes besides its bytes (markers of begin and end).
  virtual int extra_patches() const = 0;
  // All parameters, by name; says which are hidden matrices, for optimisers that treat those apart.
  virtual std::vector<TrainedParameter> trained_parameters() const = 0;

  const ModelConfig& config() const { return config_; }
  int patches_per_record() const { return config_.layout.record_bytes / config_.patch_size; }
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

// Mean cross-entropy in nats a byte over the rows' patches (differentiable), and what greedy choice got
// right.
struct Loss {
  torch::Tensor nats;      // scalar, mean over bytes
  torch::Tensor row_nats;  // F32 [N], mean over each row's bytes, without gradient
  torch::Tensor mistakes;  // I64 [N] bytes of each row whose most probable symbol is wrong
};
Loss cross_entropy(const torch::Tensor& logits, const torch::Tensor& patches);

}  // namespace bytecpu
