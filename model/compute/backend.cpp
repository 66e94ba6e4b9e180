#include "model/compute/backend.hpp"

#include "model/compute/cpu/backend.hpp"
#include "model/compute/cuda/backend.hpp"

namespace bytecpu {
namespace {

[[noreturn]] void no_words() { TORCH_CHECK(false, "no kernels for words of bits"); }

}  // namespace

torch::Tensor Backend::mix_words(const Tensor&, const Tensor&, const Tensor&, const Tensor&) const {
  no_words();
}
torch::Tensor Backend::mix_words_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                          int64_t) const {
  no_words();
}
torch::Tensor Backend::rotate_words(const Tensor&, const Tensor&) const { no_words(); }
std::pair<torch::Tensor, torch::Tensor> Backend::rotate_words_backward(const Tensor&, const Tensor&,
                                                                       const Tensor&) const {
  no_words();
}
torch::Tensor Backend::scan_bits(const Tensor&, const Tensor&) const { no_words(); }
std::pair<torch::Tensor, torch::Tensor> Backend::scan_bits_backward(const Tensor&, const Tensor&,
                                                                    const Tensor&, const Tensor&) const {
  no_words();
}

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
