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
  std::vector<Document> files;
  std::vector<int64_t> document, label;
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    if (chosen.defined() && !chosen.data_ptr<bool>()[b]) continue;
    const auto& d = documents[static_cast<size_t>(b)];
    const std::string name(d.steps.begin(), d.steps.end());
    const auto found = std::ranges::find(frame().labels, name);
    if (found == frame().labels.end()) throw Error("\"{}\" is none of the model's labels", name);
    label.push_back(found - frame().labels.begin());
    document.push_back(b);
    files.push_back(file_of(d));
  }
  const auto numbers = torch::tensor(label, torch::kLong);
  return {.condition = files.empty() ? torch::zeros({0, config_.patch_width}) : features(files),
          .patches = upload(numbers.unsqueeze(1), device()),
          .step = torch::zeros_like(numbers),
          .document = torch::tensor(document, torch::kLong)};
}

Tensor Classifier::logits(const Tensor& condition, const Tensor&, int64_t end, ByteCache* cache) {
  if (cache) cache->positions = end;
  return classifier_(condition).unsqueeze(1);
}

Tensor Classifier::label_logits(std::span<const Document> files) {
  // Pieces of files, too, are read with an end, as they are learned.
  std::vector<Document> whole;
  for (const auto& file : files) whole.push_back(Document::file(file.extension, file.steps));
  return classifier_(features(whole));
}

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
  return trained_parameters_of_bgpt(*this);
}

Tensor Classifier::frozen(const std::string& name, const Tensor& parameter) const {
  return name.starts_with("classifier.") ? parameter : frozen_of_bgpt(name, parameter, precision_);
}

}  // namespace bytecpu
