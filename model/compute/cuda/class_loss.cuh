// Cross-entropy and its gradient: a warp works at a row.
#pragma once

#include "model/compute/cuda/numbers.cuh"

namespace bytecpu::cuda::device {

// Block (32, rows a block).
__global__ void cross_entropy(const Number* logits, const int64_t* targets, float* nats, int64_t* best,
                              Number* gradient, int64_t rows, int classes, int64_t stride) {
  constexpr int chunks = 9;  // classes a lane
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int lane = threadIdx.x;
  float v[chunks], most = -INFINITY, at_target = 0;
  int place = 0;
  const int64_t target = targets[row];
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int j = c * warp + lane;
    v[c] = j < classes ? __bfloat162float(logits[row * stride + j]) : -INFINITY;
    if (j == target) at_target = v[c];
    if (v[c] > most) {
      most = v[c];
      place = j;
    }
  }
  for (int bit = 1; bit < warp; bit *= 2) {  // of equal ones the first
    const float other = __shfl_xor_sync(all_lanes, most, bit);
    const int its_place = __shfl_xor_sync(all_lanes, place, bit);
    if (other > most || (other == most && its_place < place)) {
      most = other;
      place = its_place;
    }
  }
  float total = 0;
#pragma unroll
  for (int c = 0; c < chunks; ++c) total += v[c] = expf(v[c] - most);
  total = sum(total);
  at_target = sum(at_target);
  if (lane == 0) {
    nats[row] = logf(total) + most - at_target;
    best[row] = place;
  }
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
    const int j = c * warp + lane;
    if (j < stride)
      gradient[row * stride + j] = __float2bfloat16_rn(v[c] / total - (j == target ? 1.0F : 0.0F));
  }
}

}  // namespace bytecpu::cuda::device
