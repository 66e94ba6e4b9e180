// What the GPU's kernels share: bf16 numbers, eight at a time, and sums over a warp. A C++ compiler takes the kernels
// as well as nvcc does, after tests/model/cuda_on_cpu.hpp: that is how they are tested without a GPU.
#pragma once

#include <cstdint>

namespace bytecpu::cuda::device {

using Number = __nv_bfloat16;
using namespace nvcuda;

constexpr unsigned all_lanes = 0xffffffff;
constexpr int warp = 32;

struct alignas(16) Eight {  // one access to memory
  Number x[8];
};

__device__ inline Eight load(const Number* from) { return *reinterpret_cast<const Eight*>(from); }
__device__ inline void store(const float* values, Number* to) {
  Eight eight;
  for (int i = 0; i < 8; ++i) eight.x[i] = __float2bfloat16_rn(values[i]);
  *reinterpret_cast<Eight*>(to) = eight;
}

// Over the lanes whose numbers differ in the bits below `lanes` (a power of 2).
__device__ inline float sum(float value, int lanes = warp) {
  for (int bit = 1; bit < lanes; bit *= 2) value += __shfl_xor_sync(all_lanes, value, bit);
  return value;
}
__device__ inline float greatest(float value, int lanes = warp) {
  for (int bit = 1; bit < lanes; bit *= 2) value = fmaxf(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}

}  // namespace bytecpu::cuda::device
