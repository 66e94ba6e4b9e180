// A trained model made ready to predict.
#pragma once

#include <string>

#include "model/network/byte_model.hpp"

namespace bytecpu {

struct InferenceOptions {
  int threads = 0;  // of LibTorch; 0: every core
  // Of the products: "fp32", "bf16", or "auto": bf16 on a GPU.
  std::string precision = "auto";
  std::string device = "auto";  // "cpu", "cuda", or "auto": CUDA where there is a GPU
};

// Sets the threads and moves the model, frozen, to the device. Throws Error where there is no such device.
void prepare(ByteModel& model, const InferenceOptions& options);

}  // namespace bytecpu
