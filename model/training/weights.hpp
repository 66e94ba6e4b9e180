// Tensors in safetensors files under the names that published bGPT weights have: what checkpoint.hpp and
// export.cpp are built on.
#pragma once

#include <filesystem>
#include <vector>

#include "datagen/io/safetensors.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// What no tensor's shape tells.
safetensors::Metadata weights_metadata(const ModelConfig& config);

// As F32, or as BF16, rounded to nearest. Throws Error, naming the tensor, where one is not finite.
void write_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& named,
                   const safetensors::Metadata& metadata, safetensors::Dtype dtype = safetensors::Dtype::F32);

// Fills every tensor of `named` from the file, which must hold these and no others but those whose names begin with one
// of `besides`.
void read_tensors(const safetensors::File& file, const std::vector<NamedTensor>& named,
                  const std::vector<std::string_view>& besides = {});
void read_weights(const safetensors::File& file, ByteModel& model);

// Before a model of `config` is made: throws Error where the file holds fewer numbers than it has.
void require_room(const std::filesystem::path& file, const ModelConfig& config);

}  // namespace bytecpu
