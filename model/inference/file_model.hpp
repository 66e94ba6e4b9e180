// A trained model of files, as the commands of bytecpu-infer take it.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "datagen/io/options.hpp"
#include "model/inference/prepare.hpp"

namespace bytecpu {

// --threads, --precision and --device.
void inference_options(OptionList& field, InferenceOptions& options);

// The newest checkpoint of a run, or the checkpoint itself, ready to predict. Throws Error where there is none, or
// it is of a machine.
std::shared_ptr<ByteModel> load_model_of_files(const std::filesystem::path& run,
                                               const InferenceOptions& options);

inline std::span<const uint8_t> bytes_of(const std::string& contents) {
  return {reinterpret_cast<const uint8_t*>(contents.data()), contents.size()};
}

// A checksum of its weights.
std::string weights_of(const std::filesystem::path& run);

}  // namespace bytecpu
