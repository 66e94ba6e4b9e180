#include "model/network/classifier.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/network/bgpt_structured.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// The file that a label is of.
Document file_of(const Document& label) {
  if (!label.context_extension) throw Error("the model is a classifier: it tells labels and writes no files");
  return Document::file(*label.context_extension, label.context);
}

std::vector<Document> files_of(std::span<const Document> labels) {
  std::vector<Document> files;
  for (const auto& label : labels) files.push_back(file_of(label));
  return files;
}

// Bgpt's names, so that a generative model's patch level can be where it starts.
bool is_hidden_matrix(const std::string& name, const Tensor& parameter) {
  return name.find(".h.") != std::string::npos && parameter.dim() == 2;
}

}  // namespace

Classifier::Classifier(const ModelConfig& config) : ByteModel(config) {
  const auto& c = config_;
  patch_level_ = register_module("patch_level_decoder", PatchLevel(c));
  patch_level_->draw_embedding();
  classifier_ = register_module(
      "classifier", torch::nn::Linear(c.patch_width, static_cast<int64_t>(c.frame.labels.size())));
  torch::NoGradGuard no_grad;
  classifier_->weight.normal_(0, 0.02);
  classifier_->bias.zero_();
  if (c.byte_init == "structured") {
    auto unused = torch::zeros({symbols, c.byte_width});
    start_files(patch_level_->patch_embedding->weight, unused, c);
  }
}

Tensor Classifier::features(std::span<const Document> files) {
  const auto tokens = sequences(files, config_.patch_size, true);
  const int64_t longest = tokens.size(1);
  if (longest > config_.patch_length) {
    throw Error("a file takes {} patches, the model at most {}: raise patch-length or take shorter files",
                longest, config_.patch_length);
  }
  // Patches see those before them alone, so what is behind a shorter file changes nothing.
  const auto hidden = patch_level_->base(patch_level_->embed(upload(tokens, device()), precision_));
  auto shares = torch::zeros({tokens.size(0), longest});
  for (int64_t b = 0; b < tokens.size(0); ++b) {
    const int64_t patches = patches_of(files[static_cast<size_t>(b)], config_.patch_size, true);
    shares[b].slice(0, 0, patches).fill_(1.0 / static_cast<double>(patches));
  }
  const auto weights = upload(shares, device()).to(classifier_->weight.scalar_type());
  return torch::bmm(weights.unsqueeze(1), hidden.to(weights.scalar_type())).squeeze(1);
}

Rows Classifier::rows(std::span<const Document> documents, Targets, const Tensor& chosen) {
  std::vector<Document> labels;
  std::vector<int64_t> document, label;
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    if (chosen.defined() && !chosen.data_ptr<bool>()[b]) continue;
    const auto& d = documents[static_cast<size_t>(b)];
    const std::string name(d.steps.begin(), d.steps.end());
    const auto found = std::ranges::find(frame().labels, name);
    if (found == frame().labels.end()) throw Error("\"{}\" is none of the model's labels", name);
    label.push_back(found - frame().labels.begin());
    document.push_back(b);
    labels.push_back(d);
  }
  const auto numbers = torch::tensor(label, torch::kLong);
  return {.condition = labels.empty() ? torch::zeros({0, config_.patch_width}) : features(files_of(labels)),
          .patches = upload(numbers.unsqueeze(1), device()),
          .step = torch::zeros_like(numbers),
          .document = torch::tensor(document, torch::kLong)};
}

Tensor Classifier::logits(const Tensor& condition, const Tensor&, int64_t end, ByteCache* cache) {
  if (cache) cache->positions = end;
  return classifier_(condition).unsqueeze(1);
}

Tensor Classifier::label_logits(std::span<const Document> files) { return classifier_(features(files)); }

std::unique_ptr<History> Classifier::begin(std::span<const Document>) {
  throw Error("the model is a classifier: it tells labels and writes no files");
}

int64_t Classifier::length(const Document& document) const {
  return patches_of(file_of(document), config_.patch_size, true);
}

double Classifier::forward_flops(std::span<const Document> documents, Targets) const {
  double flops = 0;
  for (const auto& d : documents) flops += PatchLevelImpl::flops(config_, length(d));
  return flops;
}

std::vector<TrainedParameter> Classifier::trained_parameters() const {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : named_parameters()) {
    const bool hidden = is_hidden_matrix(item.key(), item.value());
    parameters.push_back({.name = item.key(),
                          .tensor = item.value(),
                          .hidden_matrix = hidden,
                          .parts = hidden && item.key().ends_with("c_attn.weight") ? 3 : 1});
  }
  return parameters;
}

Tensor Classifier::frozen(const std::string& name, const Tensor& parameter) const {
  if (name.ends_with("patch_embedding.weight")) return parameter.t().contiguous().t();  // for embed()
  return name.find(".h.") != std::string::npos && name.find(".ln_") == std::string::npos
             ? parameter.to(precision_)
             : parameter;
}

}  // namespace bytecpu
