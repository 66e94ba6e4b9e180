// A trained model as a Predictor. Defined by model_predictor.cpp where the build has LibTorch, else by
// no_model_predictor.cpp, so that the rest of eval needs no LibTorch.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "datagen/io/options.hpp"
#include "eval/predictors/predictor.hpp"

namespace bytecpu {

struct PredictorOptions {
  int threads = 0;                 // of LibTorch; 0: every core
  int batch_traces = 256;          // traces predicted at once
  std::string precision = "auto";  // "fp32", "bf16", or "auto": what is faster here
  std::string device = "auto";     // "cpu", "cuda", or "auto": CUDA where there is a GPU
  // What a bare weight file does not tell; a checkpoint does.
  std::string machine = {};
  int memory_bytes = 0;
};

// The first options: threads, precision, device.
void predictor_options(OptionList& field, PredictorOptions& predictor);

// `checkpoint` is a run's folder (its newest checkpoint counts), a checkpoint's, or a bare safetensors file
// of bGPT weights under their published names. Throws Error naming the file; UsageError where bytecpu was
// built without the model.
std::unique_ptr<Predictor> load_model_predictor(const std::filesystem::path& checkpoint,
                                                const PredictorOptions& options);

}  // namespace bytecpu
