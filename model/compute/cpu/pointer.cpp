// Pointers that move from place to place; what is computed is in ../pointer.hpp.
#include <algorithm>
#include <vector>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {
namespace {

constexpr float least = 1e-8F;

// What is on its way before each place: the mass that has left earlier places and not stopped.
void set_on_the_way(const float* stops, const float* before, int64_t places, float* on_the_way) {
  float mass = 0;
  for (int64_t j = 0; j < places; ++j) {
    on_the_way[j] = mass;
    mass = mass * (1 - stops[j]) + before[j];
  }
}

float greatest(const float* x, int64_t count) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (int64_t j = 0; j < count; ++j) most = std::max(most, x[j]);
  return most;
}

}  // namespace

void move_pointers(const Pointers& shape, const PointerInputs& in, float* places, float* sums) {
  const int64_t width = shape.places;
#pragma omp parallel
  {
    std::vector<float> way(static_cast<size_t>(width));
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < shape.pointers; ++n) {
      const float *stops = in.stops + n * width, *targets = in.targets + n * width;
      const float* before = in.start + n * width;
      for (int64_t t = 0; t < shape.steps; ++t) {
        const int64_t row = n * shape.steps + t;
        const float advance = in.advances[row], jump = in.jumps[row];
        const float* scores = in.scores + row * width;
        float* out = places + row * width;
        set_on_the_way(stops, before, width, way.data());
        const float most = greatest(scores, width);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; ++j) {
          const float stayed = (1 - advance) * before[j] + advance * stops[j] * way[j];
          const float q = (1 - jump) * stayed + jump * targets[j];
          out[j] = (q + least) * exp_negative(scores[j] - most);
          sum += out[j];
        }
        const float scale = 1 / sum;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) out[j] *= scale;
        sums[row] = sum;
        before = out;
      }
    }
  }
}

void move_pointers_backward(const Pointers& shape, const PointerInputs& in, const float* places,
                            const float* sums, const float* dplaces, const PointerGradients& out) {
  const int64_t width = shape.places;
  std::fill_n(out.stops, shape.pointers * width, 0.0F);
  std::fill_n(out.targets, shape.pointers * width, 0.0F);
#pragma omp parallel
  {
    const auto size = static_cast<size_t>(width);
    std::vector<float> way(size), dq(size),
        carried(size);  // carried: the gradient of a step's row by later steps
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < shape.pointers; ++n) {
      const float *stops = in.stops + n * width, *targets = in.targets + n * width;
      float *dstops = out.stops + n * width, *dtargets = out.targets + n * width;
      std::ranges::fill(carried, 0.0F);
      for (int64_t t = shape.steps - 1; t >= 0; --t) {
        const int64_t row = n * shape.steps + t;
        const float advance = in.advances[row], jump = in.jumps[row], scale = 1 / sums[row];
        const float *scores = in.scores + row * width, *at = places + row * width, *d = dplaces + row * width;
        const float* before = t > 0 ? at - width : in.start + n * width;
        float* dscores = out.scores + row * width;
        set_on_the_way(stops, before, width, way.data());
        const float most = greatest(scores, width);
        float mean = 0, dadvance = 0, djump = 0;
#pragma omp simd reduction(+ : mean)
        for (int64_t j = 0; j < width; ++j) {
          carried[j] += d[j];
          mean += carried[j] * at[j];
        }
#pragma omp simd reduction(+ : dadvance, djump)
        for (int64_t j = 0; j < width; ++j) {
          const float g = carried[j] - mean, moved = stops[j] * way[j];
          const float stayed = (1 - advance) * before[j] + advance * moved;
          const float df = g * scale * exp_negative(scores[j] - most);
          dscores[j] = g * at[j];
          djump += df * (targets[j] - stayed);
          dtargets[j] += df * jump;
          dq[j] = df * (1 - jump);
          dadvance += dq[j] * (moved - before[j]);
        }
        out.advances[row] = dadvance;
        out.jumps[row] = djump;
        float dmass = 0;  // of the mass that leaves place j
        for (int64_t j = width - 1; j >= 0; --j) {
          const float dmoved = dq[j] * advance;
          carried[j] = dq[j] * (1 - advance) + dmass;
          dstops[j] += (dmoved - dmass) * way[j];
          dmass = dmass * (1 - stops[j]) + dmoved * stops[j];
        }
      }
    }
  }
}

}  // namespace bytecpu::cpu
