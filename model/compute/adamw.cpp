#include "model/compute/adamw.hpp"

#include "model/compute/backend.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {

void adamw(const AdamWTensors& tensors, const torch::Tensor& divisor, const AdamWSettings& settings) {
  if (tensors.parameters.empty()) return;
  const auto& first = tensors.parameters[0];
  const Backend* backend = backend_for(first.device(), first.scalar_type());
  if (backend && backend->adamw(tensors, divisor, settings)) return;
  fused_adamw(tensors, divisor, settings);
}

}  // namespace bytecpu
