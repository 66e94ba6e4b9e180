#include "model/compute/backend.hpp"

#include "model/compute/cpu/backend.hpp"
#include "model/compute/cuda/backend.hpp"

namespace bytecpu {
const Backend* backend_for(torch::Device device, torch::ScalarType type) {
  if (!use_kernels()) return nullptr;
  if (device.is_cuda()) return type == torch::kBFloat16 ? cuda::backend() : nullptr;
  const bool takes = device.is_cpu() && (type == torch::kFloat || type == torch::kBFloat16);
  return takes ? &cpu::backend() : nullptr;
}

const Backend* backend_for_rows(const torch::Tensor& x) {
  const Backend* backend = backend_for(x.device(), x.scalar_type());
  return backend && backend->takes_width(x.size(-1)) ? backend : nullptr;
}

const WordBackend* word_backend_for(const torch::Tensor& x) {
  const Backend* backend = backend_for(x.device(), x.scalar_type());
  return backend ? backend->words() : nullptr;
}

const Backend& backend_on(torch::Device device) {
  const Backend* backend = device.is_cuda() ? cuda::backend() : &cpu::backend();
  TORCH_CHECK(backend, "this LibTorch is no CUDA build");
  return *backend;
}

bool& use_kernels() {
  thread_local bool use = true;
  return use;
}

}  // namespace bytecpu
