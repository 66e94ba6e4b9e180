#include "model/network/bgpt.hpp"

#include <algorithm>
#include <string_view>

#include "emulator/error.hpp"
#include "model/compute/embedding.hpp"
#include "model/compute/product.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/network/bgpt_structured.hpp"

namespace bytecpu {
namespace {

// A registered submodule that only gives a level to the parameter names.
std::shared_ptr<torch::nn::Module> named_level(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

}  // namespace

Bgpt::Bgpt(const ModelConfig& config) : ByteModel(config) {
  const auto& c = config_;
  patch_level_ = register_module("patch_level_decoder", PatchLevel(c));

  const auto byte_level_decoder = named_level(*this, "byte_level_decoder");
  byte_level_ = byte_level_decoder->register_module("base", std::make_shared<ByteLevelBase>());
  byte_level_->transformer = byte_level_->register_module(
      "transformer", Gpt2(c.patch_size + 1, c.byte_width, c.byte_layers, c.byte_heads));
  byte_level_->wte = byte_level_->transformer->register_module("wte", Table(symbols, c.byte_width, 0.02));
  if (c.patch_width != c.byte_width) {
    byte_level_->projection =
        byte_level_->register_module("projection", torch::nn::Linear(c.patch_width, c.byte_width));
  }

  patch_level_->draw_embedding();
  torch::NoGradGuard no_grad;
  if (c.byte_init == "structured") {
    auto &embedding = patch_level_->patch_embedding->weight, &table = byte_level_->wte->weight;
    if (frame().kind == DocumentKind::file) {
      start_files(embedding, table, c);
    } else {
      start_patches(embedding, patch_level_->base, c, frame().context_bytes / c.patch_size);
      start_bytes(table, byte_level_->transformer, byte_level_->projection, c);
    }
  }
}

Rows Bgpt::rows(std::span<const Document> documents, Targets targets, const torch::Tensor& chosen) {
  const int64_t patch = config_.patch_size, per_step = patches_per_step();
  auto tokens = sequences(documents, patch, true);
  const int64_t batch = tokens.size(0), longest = tokens.size(1);
  if (longest > config_.patch_length) {
    throw Error("a {} takes {} patches, the model at most {}: raise patch-length or {}",
                frame().kind == DocumentKind::file ? "file" : "trace", longest, config_.patch_length,
                frame().kind == DocumentKind::file ? "take shorter files" : "shorten the programs");
  }

  // Position p of a sequence predicts patch p + 1, so the last position is not needed.
  std::vector<int64_t> source, target, document, step;
  int64_t row = 0;
  for (int64_t b = 0; b < batch; ++b) {
    const auto& d = documents[static_cast<size_t>(b)];
    const int64_t before = patches_before(d, patch), all = patches_of(d, patch, true);
    for (int64_t p = first_predicted(d, targets); p < all; ++p, ++row) {
      if (chosen.defined() && !chosen.data_ptr<bool>()[row]) continue;
      source.push_back(b * (longest - 1) + p - 1);
      target.push_back(b * longest + p);
      document.push_back(b);
      step.push_back(std::max<int64_t>(0, p - before) / per_step);
    }
  }
  const auto index = [](const std::vector<int64_t>& v) { return torch::tensor(v, torch::kLong); };

  tokens = upload(tokens, device());
  const auto hidden = patch_level_->base(patch_level_->embed(tokens.slice(1, 0, longest - 1), precision_));
  return {
      .condition = hidden.reshape({-1, config_.patch_width}).index_select(0, upload(index(source), device())),
      .patches = tokens.view({-1, patch}).index_select(0, upload(index(target), device())),
      .step = index(step),
      .document = index(document)};
}

torch::Tensor Bgpt::logits(const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
                           ByteCache* cache) {
  const auto& table = byte_level_->wte->weight;
  const auto& positions = byte_level_->transformer->wpe->weight;
  const int64_t past = cache ? cache->positions : 0;
  // Position 0 reads the patch's feature, position i the byte before it.
  const int64_t first = std::max<int64_t>(past, 1);
  auto embedded =
      bytecpu::embed(patches.slice(1, first - 1, end - 1), table, positions.slice(0, first, end), precision_);
  if (past == 0) {
    auto feature = condition;
    if (byte_level_->projection) {
      const auto& p = byte_level_->projection;
      feature = add_product(p->bias.to(feature.dtype()), feature, p->weight.to(feature.dtype()).t());
    }
    feature = feature + positions[0].to(precision_);
    embedded = torch::cat({feature.unsqueeze(1), embedded}, 1);
  }
  if (cache) {
    cache->layers.resize(static_cast<size_t>(config_.byte_layers));
    cache->positions = end;
  }
  const auto hidden = byte_level_->transformer->blocks(embedded, cache ? &cache->layers : nullptr);
  return symbol_logits(hidden, table.to(precision_));
}

class BgptHistory final : public History {
 public:
  BgptHistory(Bgpt& model, const torch::Tensor& tokens)
      : model_(model), caches_(model.config().patch_layers) {
    extend(tokens);
  }

  torch::Tensor condition() override { return last_; }
  void append(const torch::Tensor& patches) override { extend(patches.unsqueeze(1)); }
  void keep(const torch::Tensor& index) override {
    last_ = last_.index_select(0, index);
    for (auto& cache : caches_) cache.keep(index, past_);
  }

 private:
  void extend(const torch::Tensor& tokens) {
    const auto hidden =
        model_.patch_level_->base(model_.patch_level_->embed(tokens, model_.precision_), &caches_, past_);
    past_ += tokens.size(1);
    last_ = hidden.select(1, hidden.size(1) - 1);
  }

  Bgpt& model_;
  std::vector<KeyValues> caches_;
  int64_t past_ = 0;
  torch::Tensor last_;  // [B, patch width]
};

std::unique_ptr<History> Bgpt::begin(std::span<const Document> starts) {
  const auto tokens = sequences(starts, config_.patch_size, false);
  return std::make_unique<BgptHistory>(*this, tokens.to(device()));
}

int64_t Bgpt::length(const Document& document) const {
  return patches_of(document, config_.patch_size, false) + 1;
}

int64_t Bgpt::first_predicted(const Document& document, Targets targets) const {
  if (targets == Targets::all) return 1;
  return patches_before(document, config_.patch_size) + frame().first_scored * patches_per_step();
}

int64_t Bgpt::predicted(const Document& document, Targets targets) const {
  return patches_of(document, config_.patch_size, true) - first_predicted(document, targets);
}

int64_t Bgpt::most_steps() const {
  const int64_t room = config_.patch_length - 2 - frame().context_bytes / config_.patch_size;
  return room / patches_per_step();
}

std::vector<TrainedParameter> Bgpt::trained_parameters() const { return trained_parameters_of_bgpt(*this); }

torch::Tensor Bgpt::frozen(const std::string& name, const torch::Tensor& parameter) const {
  return frozen_of_bgpt(name, parameter, precision_);
}

double Bgpt::forward_flops(std::span<const Document> documents, Targets targets) const {
  const auto& c = config_;
  double flops = 0;
  for (const auto& d : documents) {
    flops += PatchLevelImpl::flops(c, patches_of(d, c.patch_size, false));
    const auto rows = static_cast<double>(predicted(d, targets));
    const double length = c.patch_size;
    flops += rows * length *
             (c.byte_layers * block_flops(c.byte_width, (length + 1) / 2) + 2.0 * symbols * c.byte_width);
  }
  return flops;
}

}  // namespace bytecpu
