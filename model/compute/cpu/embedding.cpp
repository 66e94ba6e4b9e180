// Embeddings of symbols and positions, and the gradients of their tables.
#include <omp.h>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void embed(const int64_t* symbols, const float* table, const float* positions, T* y, int64_t rows,
           int64_t length, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows * length; ++i) {
    const float *e = table + symbols[i] * width, *p = positions + i % length * width;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) store(e[j] + p[j], y[i * width + j]);
  }
}

template <typename T>
void embed_backward(const int64_t* symbols, const T* dy, float* dtable, float* dpositions, int64_t rows,
                    int64_t length, int64_t width) {
  // Each thread takes some of the columns, so that the order of the sums does not depend on the number of threads.
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t first = width * thread / threads, last = width * (thread + 1) / threads;
    for (int64_t i = 0; i < rows * length; ++i) {
      float *e = dtable + symbols[i] * width, *p = dpositions + i % length * width;
      const T* g = dy + i * width;
#pragma omp simd
      for (int64_t j = first; j < last; ++j) {
        e[j] += load(g[j]);
        p[j] += load(g[j]);
      }
    }
  }
}

template void embed(const int64_t*, const float*, const float*, float*, int64_t, int64_t, int64_t);
template void embed(const int64_t*, const float*, const float*, Bf16*, int64_t, int64_t, int64_t);
template void embed_backward(const int64_t*, const float*, float*, float*, int64_t, int64_t, int64_t);
template void embed_backward(const int64_t*, const Bf16*, float*, float*, int64_t, int64_t, int64_t);

}  // namespace bytecpu::cpu
