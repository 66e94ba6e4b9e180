#include "model/network/patch_level.hpp"

#include <algorithm>

#include "model/network/byte_model.hpp"

namespace bytecpu {

PatchLevelImpl::PatchLevelImpl(const ModelConfig& c) {
  patch_embedding =
      register_module("patch_embedding", torch::nn::Linear(c.patch_size * symbols, c.patch_width));
  base = register_module("base", Gpt2(c.patch_length, c.patch_width, c.patch_layers, c.patch_heads));
  // Published weights hold this unused row.
  base->register_module("wte", Table(1, c.patch_width, 0.02));
}

void PatchLevelImpl::draw_embedding() {
  torch::NoGradGuard no_grad;
  patch_embedding->weight.normal_(0, 0.02);
  patch_embedding->bias.zero_();
}

torch::Tensor PatchLevelImpl::embed(const torch::Tensor& patches, torch::ScalarType precision) {
  const auto& linear = patch_embedding;
  const int64_t patch_size = patches.size(2);
  const auto shape = c10::IntArrayRef({patches.size(0), patches.size(1), linear->weight.size(0)}).vec();
  const auto first = torch::arange(patch_size, patches.options()) * symbols;
  const auto columns = (patches + first).reshape({-1, patch_size});
  if (patches.is_cuda() &&
      precision != torch::kDouble) {  // products are cheap there, and sums by index are not
    auto bytes = torch::zeros({columns.size(0), linear->weight.size(1)}, patches.options().dtype(precision));
    bytes.scatter_(1, columns, 1);
    return torch::addmm(linear->bias.to(precision), bytes, linear->weight.to(precision).t()).view(shape);
  }
  // A linear layer over one-hot bytes is a sum of its columns, one for each position's byte. Summed in float.
  const auto bags = torch::arange(0, columns.numel(), patch_size, patches.options());
  const auto sum =
      std::get<0>(torch::embedding_bag(linear->weight.t().contiguous(), columns.flatten(), bags));
  return (sum + linear->bias).to(precision).view(shape);
}

std::vector<TrainedParameter> trained_parameters_of_bgpt(const torch::nn::Module& model) {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : model.named_parameters()) {
    // The weights of the layers' products: "….h.N.attn.c_attn.weight" and the like.
    const bool hidden = item.key().find(".h.") != std::string::npos && item.value().dim() == 2;
    parameters.push_back({.name = item.key(),
                          .tensor = item.value(),
                          .hidden_matrix = hidden,
                          .parts = hidden && item.key().ends_with("c_attn.weight") ? 3 : 1});
  }
  return parameters;
}

torch::Tensor frozen_of_bgpt(const std::string& name, const torch::Tensor& parameter,
                             torch::ScalarType precision) {
  if (name.ends_with("patch_embedding.weight")) return parameter.t().contiguous().t();  // for embed()
  // embed() takes the tables as they are.
  const bool as_it_is = name.ends_with("patch_embedding.bias") || name.ends_with("wte.weight") ||
                        name.ends_with("wpe.weight") || name.find(".ln_") != std::string::npos;
  return as_it_is ? parameter : parameter.to(precision);
}

double block_flops(double width, double context) { return 2 * (12 * width * width + 2 * context * width); }

double PatchLevelImpl::flops(const ModelConfig& c, int64_t patches) {
  const auto count = static_cast<double>(patches);
  return count * (c.patch_layers * block_flops(c.patch_width, (count + 1) / 2) +
                  2.0 * c.patch_size * c.patch_width);  // the latter: sums of embedding columns
}

namespace {

int64_t patches_in(std::span<const uint8_t> bytes, int64_t patch_size) {
  return (std::ssize(bytes) + patch_size - 1) / patch_size;
}

}  // namespace

int64_t patches_before(const Document& d, int64_t patch_size) {
  return 1 + patches_in(d.context, patch_size) + (d.context_extension ? 1 : 0);
}

int64_t patches_of(const Document& d, int64_t patch_size, bool with_end) {
  return patches_before(d, patch_size) + patches_in(d.steps, patch_size) + (with_end && d.complete ? 1 : 0);
}

namespace {

// Writes the document's sequence, all but the end, over a row of "nothing".
void write_sequence(const Document& d, int64_t patch_size, int64_t* row) {
  const auto write = [&](auto bytes, int64_t patches) {
    std::ranges::transform(bytes, row, [](auto byte) { return static_cast<uint8_t>(byte); });
    row += patches * patch_size;
  };
  const auto write_extension = [&](std::string_view extension) {
    write(extension.substr(0, static_cast<size_t>(patch_size)), 1);
  };
  write_extension(d.context_extension.value_or(d.extension));
  write(d.context, patches_in(d.context, patch_size));
  if (d.context_extension) write_extension(d.extension);
  write(d.steps, 0);
}

}  // namespace

torch::Tensor sequences(std::span<const Document> documents, int64_t patch_size, bool with_end) {
  int64_t longest = 0;
  for (const auto& d : documents) longest = std::max(longest, patches_of(d, patch_size, with_end));
  auto tokens = torch::full({std::ssize(documents), longest, patch_size}, nothing, torch::kLong);
  for (size_t b = 0; b < documents.size(); ++b) {
    write_sequence(documents[b], patch_size,
                   tokens.data_ptr<int64_t>() + static_cast<int64_t>(b) * longest * patch_size);
  }
  return tokens;
}

}  // namespace bytecpu
