// bGPT's patch level: documents as sequences of patches, and GPT-2 over them.
#pragma once

#include <torch/torch.h>

#include <span>
#include <string>
#include <vector>

#include "datagen/corpus/document.hpp"
#include "model/network/config.hpp"
#include "model/network/layers.hpp"
#include "model/network/parameters.hpp"

namespace bytecpu {

// Patches of a document's sequence before its steps: an extension and the context, and where that is a file the
// extension of the steps after it. Of `patch_size` bytes each.
int64_t patches_before(const Document& document, int64_t patch_size);
// All of them; with the one of "nothing" behind a complete document.
int64_t patches_of(const Document& document, int64_t patch_size, bool with_end);
// The sequence of each document as symbols, I64 [B, T, P] padded with "nothing".
torch::Tensor sequences(std::span<const Document> documents, int64_t patch_size, bool with_end);

// As ByteModel's, of a model with these names of parameters.
std::vector<TrainedParameter> trained_parameters_of_bgpt(const torch::nn::Module& model);
torch::Tensor frozen_of_bgpt(const std::string& name, const torch::Tensor& parameter,
                             torch::ScalarType precision);

// Operations of a GPT-2 block at a position that sees so many on average.
double block_flops(double width, double context);

struct PatchLevelImpl : torch::nn::Module {
  explicit PatchLevelImpl(const ModelConfig& config);
  // Of a fresh model. Not in the constructor: after all layers are drawn, so that a seed gives what it always gave.
  void draw_embedding();
  torch::Tensor embed(const torch::Tensor& patches,
                      torch::ScalarType precision);  // I64 [B, T, P] → [B, T, patch width]
  // Forward, of so many patches.
  static double flops(const ModelConfig& config, int64_t patches);

  torch::nn::Linear patch_embedding{nullptr};
  Gpt2 base{nullptr};
};
TORCH_MODULE(PatchLevel);

}  // namespace bytecpu
