// Cross-entropy of each row, and its gradient in the same pass.
#include <algorithm>
#include <cmath>
#include <vector>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void cross_entropy(const T* logits, const int64_t* targets, float* nats, int64_t* best, T* gradient,
                   int64_t rows, int64_t classes) {
#pragma omp parallel
  {
    std::vector<float> x(classes);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows; ++i) {
      const T* in = logits + i * classes;
      float most = load(in[0]);
#pragma omp simd reduction(max : most)
      for (int64_t j = 0; j < classes; ++j) most = std::max(most, load(in[j]));
      int64_t greatest = 0;
      while (greatest < classes - 1 && load(in[greatest]) != most) ++greatest;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < classes; ++j) {
        x[j] = exp_negative(load(in[j]) - most);
        sum += x[j];
      }
      const float scale = 1 / sum;
      T* out = gradient + i * classes;
#pragma omp simd
      for (int64_t j = 0; j < classes; ++j) store(x[j] * scale, out[j]);
      store(x[targets[i]] * scale - 1, out[targets[i]]);  // exact where it is near 1
      nats[i] = std::log(sum) - (load(in[targets[i]]) - most);
      best[i] = greatest;
    }
  }
}

template void cross_entropy(const float*, const int64_t*, float*, int64_t*, float*, int64_t, int64_t);
template void cross_entropy(const Bf16*, const int64_t*, float*, int64_t*, Bf16*, int64_t, int64_t);

}  // namespace bytecpu::cpu
