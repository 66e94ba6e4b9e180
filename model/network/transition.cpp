#include "model/network/transition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "emulator/error.hpp"
#include "model/compute/attention.hpp"
#include "model/compute/embedding.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {
namespace {

// One multiply-add is two operations.
double attention_flops(double positions, double context, double width) {
  return 2 * (positions * 4 * width * width + 2 * positions * context * width);
}
double mlp_flops(double positions, double width, double multiple) {
  return 2 * positions * 2 * multiple * width * width;
}

// I64 [B, context bytes].
torch::Tensor contexts(std::span<const Document> documents, int64_t bytes) {
  auto result = torch::empty({std::ssize(documents), bytes}, torch::kLong);
  auto* out = result.data_ptr<int64_t>();
  for (const auto& d : documents) out = std::ranges::copy(d.context, out).out;
  return result;
}

}  // namespace

Transition::Transition(const ModelConfig& config) : ByteModel(config) {
  const auto& c = config_;
  const int64_t positions = c.patch_size, width = c.byte_width, memory = c.frame.context_bytes;
  const auto layers = [&](const std::string& name, torch::nn::ModuleList& list, int count,
                          int64_t layer_width, int64_t heads, int64_t multiple) {
    for (int i = 0; i < count; ++i) list->push_back(PlainBlock(layer_width, heads, multiple));
    register_module(name, list);
  };
  symbol_ = register_module("symbol", Table(symbols, width, 0.3));
  position_ = register_module("position", Table(positions, width, 0.5));
  address_ = register_module("address", Table(std::max<int64_t>(1, memory), width, 0.3));
  layers("encoder", encoder_, c.encoder_layers, width, c.byte_heads, c.encoder_mlp);
  patch_in_ = register_module("patch_in", Matrix(positions * width, c.patch_width, 1.0));
  if (c.patch_history)
    patch_position_ = register_module("patch_position", Table(c.patch_length, c.patch_width, 0.1));
  layers("patch", patch_, c.patch_layers, c.patch_width, c.patch_history ? c.patch_heads : 0, 4);
  patch_out_ = register_module("patch_out", Matrix(c.patch_width, positions * width, 0.3));
  condition_position_ = register_module("condition_position", Table(positions, width, 0.25));
  query_ = register_module("query", Matrix(width, c.memory_width, 1.0));
  key_value_ = register_module("key_value", Matrix(width, 2 * c.memory_width, 1.0));
  read_ = register_module("read", Matrix(c.memory_width, width, 0.0));
  layers("mixer", mixer_, c.mixer_layers, width, c.byte_heads, c.byte_mlp);
  previous_ = register_module("previous", Table(symbols, width, 0.1));
  decoder_position_ = register_module("decoder_position", Table(positions, width, 0.1));
  layers("decoder", decoder_, c.byte_layers, width, c.byte_heads, c.byte_mlp);
  head_ = register_module("head", Table(symbols, width, 0.1));

  if (c.byte_init == "structured") {
    torch::NoGradGuard no_grad;
    const int64_t shared = std::min<int64_t>(structured_features, width);
    symbol_->weight.slice(1, 0, shared) = symbol_features().slice(1, 0, shared);
    head_->weight.copy_(symbol_->weight * 0.25);
    previous_->weight.copy_(symbol_->weight * 0.3);
    if (width >= structured_features + 16) {
      position_->weight.slice(1, structured_features, structured_features + 16) =
          sinusoids(positions, static_cast<double>(positions), 8);
    }
    // The address in binary, in the last coordinates.
    const int64_t bits =
        std::min<int64_t>(width, static_cast<int64_t>(std::ceil(std::log2(std::max<int64_t>(2, memory)))));
    address_->weight.slice(1, width - bits) = in_binary(address_->weight.size(0), bits).flip(1);
  }
}

torch::Tensor Transition::remember(const torch::Tensor& images) {
  if (images.size(1) == 0) return {};
  return key_value_(layer_norm(embed(images, symbol_->weight, address_->weight, precision_)));
}

torch::Tensor Transition::condition(const torch::Tensor& records, const std::vector<int64_t>& counts,
                                    const torch::Tensor& memory, std::vector<KeyValues>* caches,
                                    int64_t past) {
  const auto& c = config_;
  const int64_t count = records.size(0), positions = c.patch_size, width = c.byte_width;
  const int64_t batch = std::ssize(counts), longest = *std::max_element(counts.begin(), counts.end());
  // Between rows [N, ...] and rows in time [B, T, ...], padded where the traces differ in length.
  const bool even = count == batch * longest;
  torch::Tensor slot;
  if (!even) {
    std::vector<int64_t> slots;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = 0; t < counts[b]; ++t) slots.push_back(b * longest + t);
    }
    slot = upload(torch::tensor(slots, torch::kLong), records.device());
  }
  const auto in_time = [&](const torch::Tensor& x) {
    auto shape = x.sizes().vec();
    shape[0] = longest;
    shape.insert(shape.begin(), batch);
    if (even) return x.reshape(shape);
    auto padded_shape = x.sizes().vec();
    padded_shape[0] = batch * longest;
    return torch::zeros(padded_shape, x.options()).index_copy(0, slot, x).view(shape);
  };
  const auto in_rows = [&](const torch::Tensor& x) {
    const auto flat = x.flatten(0, 1);
    return even ? flat : flat.index_select(0, slot);
  };

  auto bytes = embed(records, symbol_->weight, position_->weight, precision_);  // [N, P, d]
  for (size_t i = 0; i < encoder_->size(); ++i) bytes = encoder_->at<PlainBlockImpl>(i).forward(bytes, false);

  auto feature = patch_in_(layer_norm(bytes).view({count, positions * width}));  // [N, patch width]
  if (c.patch_history) {
    auto sequence = in_time(feature);
    sequence = sequence + patch_position_->weight.slice(0, past, past + longest).to(precision_);
    for (size_t i = 0; i < patch_->size(); ++i) {
      sequence = patch_->at<PlainBlockImpl>(i).forward(sequence, true, caches ? &(*caches)[i] : nullptr);
    }
    feature = in_rows(sequence);
  } else {
    for (size_t i = 0; i < patch_->size(); ++i) feature = patch_->at<PlainBlockImpl>(i).mlp(feature);
  }
  auto x = patch_out_->add_to(bytes + condition_position_->weight.to(precision_), layer_norm(feature));

  if (memory.defined()) {
    const auto queries = in_time(query_(layer_norm(x))).view({batch, longest * positions, c.memory_width});
    const auto found =
        cross_attention(queries, memory, c.memory_heads).view({batch, longest, positions, c.memory_width});
    x = read_->add_to(x, in_rows(found));
  }
  for (size_t i = 0; i < mixer_->size(); ++i) x = mixer_->at<PlainBlockImpl>(i).forward(x, false);
  return x;
}

Rows Transition::rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen) {
  if (targets == Targets::all) throw Error("family transition predicts states only: loss must be states");
  const int64_t bytes = frame().step_bytes;
  std::vector<int64_t> counts, step, document;
  std::vector<const uint8_t*> current;  // the step before each predicted one
  // Those not chosen are left out at once, or, being part of the others' history, at the end.
  const bool choose_now = chosen.defined() && !config_.patch_history;
  int64_t row = 0;
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    const auto& d = documents[b];
    const int64_t predicted = d.count() - (d.complete ? 0 : 1);
    if (config_.patch_history && predicted > config_.patch_length) {
      throw Error("a trace has {} states, the model takes {}: raise patch-length", predicted,
                  config_.patch_length);
    }
    const size_t before = current.size();
    for (int64_t t = frame().first_scored; t <= predicted; ++t, ++row) {
      if (choose_now && !chosen.data_ptr<bool>()[row]) continue;
      current.push_back(d.step(t - 1).data());
      step.push_back(t);
      document.push_back(b);
    }
    counts.push_back(static_cast<int64_t>(current.size() - before));
  }

  const int64_t count = std::ssize(current);
  auto now = torch::empty({count, bytes}, torch::kLong);
  auto next = torch::full({count, bytes}, nothing, torch::kLong);
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(current[i], bytes, now.data_ptr<int64_t>() + i * bytes);
    const auto& d = documents[document[i]];
    if (step[i] < d.count()) std::copy_n(current[i] + bytes, bytes, next.data_ptr<int64_t>() + i * bytes);
  }
  Rows rows{.condition = {},
            .patches = upload(next, device()),
            .step = torch::tensor(step, torch::kLong),
            .document = torch::tensor(document, torch::kLong)};
  if (count > 0) {
    const auto memory = remember(upload(contexts(documents, frame().context_bytes), device()));
    rows.condition = condition(upload(now, device()), counts, memory);
  }
  if (chosen.defined() && !choose_now) {
    const auto index = chosen.nonzero().flatten();
    rows = {.condition = rows.condition.index_select(0, index.to(device())),
            .patches = rows.patches.index_select(0, index.to(device())),
            .step = rows.step.index_select(0, index),
            .document = rows.document.index_select(0, index)};
  }
  return rows;
}

torch::Tensor Transition::logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                                 ByteCache* cache) {
  const int64_t past = cache ? cache->positions : 0;
  // At each position the symbol before it; "nothing" before the first.
  auto earlier = torch::full({patches.size(0), end - past}, nothing, patches.options());
  const int64_t first = past == 0 ? 1 : 0;
  earlier.slice(1, first) = patches.slice(1, past - 1 + first, end - 1);
  auto x = condition.slice(1, past, end) +
           embed(earlier, previous_->weight, decoder_position_->weight.slice(0, past, end), precision_);
  if (cache) {
    cache->layers.resize(decoder_->size());
    cache->positions = end;
  }
  for (size_t i = 0; i < decoder_->size(); ++i) {
    x = decoder_->at<PlainBlockImpl>(i).forward(x, true, cache ? &cache->layers[i] : nullptr);
  }
  return symbol_logits(layer_norm(x), head_->weight.to(precision_));
}

class TransitionHistory final : public History {
 public:
  TransitionHistory(Transition& model, torch::Tensor records, torch::Tensor memory)
      : model_(model),
        records_(std::move(records)),
        memory_(std::move(memory)),
        caches_(model.config().patch_layers) {}

  torch::Tensor condition() override {
    if (!condition_.defined()) {
      const std::vector<int64_t> counts(records_.size(0), 1);
      const bool history = model_.config().patch_history;
      condition_ = model_.condition(records_, counts, memory_, history ? &caches_ : nullptr, past_++);
    }
    return condition_;
  }
  void append(const torch::Tensor& patches) override {
    condition();  // so that every record enters the caches
    records_ = patches;
    condition_ = torch::Tensor();
  }
  void keep(const torch::Tensor& index) override {
    records_ = records_.index_select(0, index);
    if (memory_.defined()) memory_ = memory_.index_select(0, index);
    if (condition_.defined()) condition_ = condition_.index_select(0, index);
    for (auto& cache : caches_) cache.keep(index, past_);
  }

 private:
  Transition& model_;
  torch::Tensor records_;  // I64 [B, P], the newest
  torch::Tensor memory_;   // as remember() gives it
  torch::Tensor condition_;
  std::vector<KeyValues> caches_;
  int64_t past_ = 0;
};

std::unique_ptr<History> Transition::begin(std::span<const Document> starts) {
  const int64_t bytes = frame().step_bytes;
  auto newest = torch::empty({std::ssize(starts), bytes}, torch::kLong);
  for (int64_t b = 0; b < std::ssize(starts); ++b) {
    std::ranges::copy(starts[b].steps.last(bytes), newest.data_ptr<int64_t>() + b * bytes);
  }
  const auto memory = remember(contexts(starts, frame().context_bytes).to(device()));
  return std::make_unique<TransitionHistory>(*this, newest.to(device()), memory);
}

int64_t Transition::most_steps() const {
  return config_.patch_history ? config_.patch_length : std::numeric_limits<int64_t>::max();
}

torch::Tensor Transition::frozen(const std::string& name, const torch::Tensor& parameter) const {
  // embed() reads tables as they are.
  for (const char* table : {"symbol.", "position.", "address.", "previous.", "decoder_position."}) {
    if (name.starts_with(table)) return parameter;
  }
  return parameter.to(precision_);
}

double Transition::forward_flops(std::span<const Document> documents, Targets) const {
  const auto& c = config_;
  const double positions = c.patch_size, width = c.byte_width, memory = c.frame.context_bytes;
  double record = c.encoder_layers *
                  (attention_flops(positions, positions, width) + mlp_flops(positions, width, c.encoder_mlp));
  record += 2 * 2 * positions * width * c.patch_width + c.patch_layers * mlp_flops(1, c.patch_width, 4);
  record += 2 * positions * (2 * width * c.memory_width + 2 * memory * c.memory_width);
  record += c.mixer_layers *
            (attention_flops(positions, positions, width) + mlp_flops(positions, width, c.byte_mlp));
  record += c.byte_layers * (attention_flops(positions, (positions + 1) / 2, width) +
                             mlp_flops(positions, width, c.byte_mlp));
  record += 2 * positions * symbols * width;
  double flops = 0;
  for (const auto& d : documents) {
    const auto records = static_cast<double>(d.count() - (d.complete ? 0 : 1));
    flops += records * record + 2 * memory * width * 2 * c.memory_width;
    if (c.patch_history)
      flops += records * c.patch_layers * attention_flops(1, (records + 1) / 2, c.patch_width);
  }
  return flops;
}

std::vector<TrainedParameter> Transition::trained_parameters() const {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : named_parameters()) {
    const auto& name = item.key();
    const auto in = [&](std::string_view folder) { return name.starts_with(folder); };
    // The patch level's few but large matrices, half of Muon's work, are left to AdamW.
    const bool block = in("encoder.") || in("mixer.") || in("decoder.");
    const bool hidden = item.value().dim() == 2 && (block || in("query.") || in("key_value.") || in("read."));
    const int parts = name.ends_with("qkv.weight") ? 3 : in("key_value.") ? 2 : 1;
    parameters.push_back({.name = name, .tensor = item.value(), .hidden_matrix = hidden, .parts = parts});
  }
  return parameters;
}

}  // namespace bytecpu
