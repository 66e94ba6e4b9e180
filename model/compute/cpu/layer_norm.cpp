// Layer norm and its gradient, a row at a time.
#include <cmath>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void layer_norm(const T* x, T* y, float* inverse, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T* in = x + i * width;
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < width; ++j) sum += load(in[j]);
    const float mean = sum / static_cast<float>(width);
#pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < width; ++j) {
      const float d = load(in[j]) - mean;
      squares += d * d;
    }
    const float scale = 1 / std::sqrt(squares / static_cast<float>(width) + 1e-5F);
    inverse[i] = scale;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) store((load(in[j]) - mean) * scale, y[i * width + j]);
  }
}

template <typename T>
void layer_norm_backward(const T* dy, const T* y, const float* inverse, const T* add, T* dx, int64_t rows,
                         int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *g = dy + i * width, *n = y + i * width, *a = add ? add + i * width : nullptr;
    float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t j = 0; j < width; ++j) {
      sum += load(g[j]);
      product += load(g[j]) * load(n[j]);
    }
    sum /= static_cast<float>(width);
    product /= static_cast<float>(width);
    T* out = dx + i * width;
    const float scale = inverse[i];
    if (a) {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j)
        store((load(g[j]) - sum - load(n[j]) * product) * scale + load(a[j]), out[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) store((load(g[j]) - sum - load(n[j]) * product) * scale, out[j]);
    }
  }
}

template void layer_norm(const float*, float*, float*, int64_t, int64_t);
template void layer_norm(const Bf16*, Bf16*, float*, int64_t, int64_t);
template void layer_norm_backward(const float*, const float*, const float*, const float*, float*, int64_t,
                                  int64_t);
template void layer_norm_backward(const Bf16*, const Bf16*, const float*, const Bf16*, Bf16*, int64_t,
                                  int64_t);

}  // namespace bytecpu::cpu
