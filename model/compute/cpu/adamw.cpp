// AdamW's update, a tensor in one pass.
#include <cmath>

#include "model/compute/cpu/kernels.hpp"

namespace bytecpu::cpu {

void adamw(const AdamWStep& s, const float* gradient, float* parameter, float* first, float* second,
           int64_t count) {
  const float step = s.rate / s.correction1, root = 1 / std::sqrt(s.correction2), keep = 1 - s.rate * s.decay;
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * s.gradient_scale;
    first[i] += (g - first[i]) * (1 - s.beta1);
    second[i] = second[i] * s.beta2 + g * g * (1 - s.beta2);
    parameter[i] = parameter[i] * keep - step * first[i] / (std::sqrt(second[i]) * root + 1e-8F);
  }
}

}  // namespace bytecpu::cpu
