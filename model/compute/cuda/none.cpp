// Instead of the other sources of this folder, where LibTorch is no CUDA build.
#include "emulator/error.hpp"
#include "model/compute/cuda/backend.hpp"

namespace bytecpu::cuda {

const Backend* backend() { return nullptr; }
bool built() { return false; }
std::string card() { throw Error("this LibTorch is no CUDA build"); }

}  // namespace bytecpu::cuda
