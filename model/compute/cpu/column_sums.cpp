// Sums of a matrix's columns: the gradient of a product's bias.
#include <algorithm>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void column_sums(const T* x, T* sums, int64_t rows, int64_t width) {
  constexpr int64_t strip = 64;
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < width; first += strip) {
    float sum[strip] = {};
    const int64_t count = std::min(strip, width - first);
    for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) sum[j] += load(x[i * width + first + j]);
    }
    for (int64_t j = 0; j < count; ++j) store(sum[j], sums[first + j]);
  }
}

template void column_sums(const float*, float*, int64_t, int64_t);
template void column_sums(const Bf16*, Bf16*, int64_t, int64_t);

}  // namespace bytecpu::cpu
