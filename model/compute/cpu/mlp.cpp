// The activations of an MLP and their gradients: squared rectifiers and GELU.
#include <algorithm>
#include <cmath>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void relu_squared(const T* x, T* y, int64_t count) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) {
    const float r = std::max(load(x[i]), 0.0F);
    store(r * r, y[i]);
  }
}

template <typename T>
void relu_squared_backward(const T* x, const T* dy, T* dx, int64_t count) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) store(2 * std::max(load(x[i]), 0.0F) * load(dy[i]), dx[i]);
}

namespace {

// z · sigmoid(2u) is 0.5 z (1 + tanh u), u = √(2/π) (z + 0.044715 z³).
constexpr float root = 0.797884561F, cubic = 0.044715F;
inline float sigmoid_of_twice(float u) {
  const float e = exp_negative(-2 * std::abs(u));
  return (u < 0 ? e : 1.0F) / (1 + e);
}

}  // namespace

template <typename T>
void gelu(const T* x, const T* bias, T* y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float z = load(x[i * width + j]) + load(bias[j]);
      store(z * sigmoid_of_twice(root * (z + cubic * z * z * z)), y[i * width + j]);
    }
  }
}

template <typename T>
void gelu_backward(const T* x, const T* bias, const T* dy, T* dx, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float z = load(x[i * width + j]) + load(bias[j]);
      const float s = sigmoid_of_twice(root * (z + cubic * z * z * z));
      const float slope = s + z * s * (1 - s) * 2 * root * (1 + 3 * cubic * z * z);
      store(slope * load(dy[i * width + j]), dx[i * width + j]);
    }
  }
}

template void relu_squared(const float*, float*, int64_t);
template void relu_squared(const Bf16*, Bf16*, int64_t);
template void relu_squared_backward(const float*, const float*, float*, int64_t);
template void relu_squared_backward(const Bf16*, const Bf16*, Bf16*, int64_t);
template void gelu(const float*, const float*, float*, int64_t, int64_t);
template void gelu(const Bf16*, const Bf16*, Bf16*, int64_t, int64_t);
template void gelu_backward(const float*, const float*, const float*, float*, int64_t, int64_t);
template void gelu_backward(const Bf16*, const Bf16*, const Bf16*, Bf16*, int64_t, int64_t);

}  // namespace bytecpu::cpu
