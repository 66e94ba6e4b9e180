// The MLP's squared rectifiers and their gradient; its GELU is part of cuBLASLt's products (product.hpp).
#pragma once

#include "model/compute/cuda/numbers.cuh"

namespace bytecpu::cuda::device {

// A thread for each eight elements.
__global__ void relu_squared(const Number* x, Number* y, int64_t eights) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= eights) return;
  const Eight in = load(x + k * 8);
  float out[8];
  for (int i = 0; i < 8; ++i) {
    const float r = fmaxf(__bfloat162float(in.x[i]), 0.0F);
    out[i] = r * r;
  }
  store(out, y + k * 8);
}

__global__ void relu_squared_backward(const Number* x, const Number* dy, Number* dx, int64_t eights) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= eights) return;
  const Eight in = load(x + k * 8), gradient = load(dy + k * 8);
  float out[8];
  for (int i = 0; i < 8; ++i)
    out[i] = 2 * fmaxf(__bfloat162float(in.x[i]), 0.0F) * __bfloat162float(gradient.x[i]);
  store(out, dx + k * 8);
}

}  // namespace bytecpu::cuda::device
