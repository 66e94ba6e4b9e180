// The choice of greedy decoding in each row.
#include <algorithm>
#include <cmath>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {

template <typename T>
void greedy(const T* logits, const int64_t* given, int64_t* best, float* log_best, float* log_last,
            float* log_given, int64_t rows, int64_t classes) {
  const int64_t last = classes - 1;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T* in = logits + i * classes;
    float most = load(in[0]);
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < last; ++j) most = std::max(most, load(in[j]));
    int64_t greatest = 0;
    while (greatest < last - 1 && load(in[greatest]) != most) ++greatest;
    const float top = std::max(most, load(in[last]));
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < classes; ++j) sum += exp_negative(load(in[j]) - top);
    const float normaliser = top + std::log(sum);
    best[i] = greatest;
    log_best[i] = most - normaliser;
    log_last[i] = load(in[last]) - normaliser;
    log_given[i] = load(in[given[i]]) - normaliser;
  }
}

template void greedy(const float*, const int64_t*, int64_t*, float*, float*, float*, int64_t, int64_t);
template void greedy(const Bf16*, const int64_t*, int64_t*, float*, float*, float*, int64_t, int64_t);

}  // namespace bytecpu::cpu
