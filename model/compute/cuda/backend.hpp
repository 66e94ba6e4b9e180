// The kernels of this folder, called on bf16 tensors of a GPU, on the current stream.
#pragma once

#include <string>

#include "model/compute/backend.hpp"

namespace bytecpu::cuda {

// Null where LibTorch is no CUDA build.
const Backend* backend();

// Whether LibTorch is a CUDA build.
bool built();
// The current GPU's name, such as "NVIDIA H200"; only where built().
std::string card();

}  // namespace bytecpu::cuda
