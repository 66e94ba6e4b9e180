// Layer norm and its gradient: a warp works at a row.
#pragma once

#include "model/compute/cuda/numbers.cuh"

namespace bytecpu::cuda::device {

// Block (32, rows a block). Each lane holds Chunks times eight elements of its row.
template <int Chunks>
__global__ void layer_norm(const Number* x, Number* y, float* inverse, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int lane = threadIdx.x;
  float v[Chunks][8], total = 0;
#pragma unroll
  for (int c = 0; c < Chunks; ++c) {
    const int j = (c * warp + lane) * 8;
    if (j >= width) continue;
    const Eight in = load(x + row * width + j);
    for (int i = 0; i < 8; ++i) total += v[c][i] = __bfloat162float(in.x[i]);
  }
  const float mean = sum(total) / static_cast<float>(width);
  float squares = 0;
#pragma unroll
  for (int c = 0; c < Chunks; ++c) {
    if ((c * warp + lane) * 8 >= width) continue;
    for (int i = 0; i < 8; ++i) {
      v[c][i] -= mean;
      squares += v[c][i] * v[c][i];
    }
  }
  const float scale = rsqrtf(sum(squares) / static_cast<float>(width) + 1e-5F);
  if (lane == 0) inverse[row] = scale;
#pragma unroll
  for (int c = 0; c < Chunks; ++c) {
    const int j = (c * warp + lane) * 8;
    if (j >= width) continue;
    for (int i = 0; i < 8; ++i) v[c][i] *= scale;
    store(v[c], y + row * width + j);
  }
}

template <int Chunks>
__global__ void layer_norm_backward(const Number* dy, const Number* y, const float* inverse,
                                    const Number* add, Number* dx, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int lane = threadIdx.x;
  float g[Chunks][8], n[Chunks][8], total = 0, product = 0;
#pragma unroll
  for (int c = 0; c < Chunks; ++c) {
    const int j = (c * warp + lane) * 8;
    if (j >= width) continue;
    const Eight gradient = load(dy + row * width + j), normal = load(y + row * width + j);
    for (int i = 0; i < 8; ++i) {
      g[c][i] = __bfloat162float(gradient.x[i]);
      n[c][i] = __bfloat162float(normal.x[i]);
      total += g[c][i];
      product += g[c][i] * n[c][i];
    }
  }
  total = sum(total) / static_cast<float>(width);
  product = sum(product) / static_cast<float>(width);
  const float scale = inverse[row];
#pragma unroll
  for (int c = 0; c < Chunks; ++c) {
    const int j = (c * warp + lane) * 8;
    if (j >= width) continue;
    for (int i = 0; i < 8; ++i) g[c][i] = (g[c][i] - total - n[c][i] * product) * scale;
    if (add) {
      const Eight more = load(add + row * width + j);
      for (int i = 0; i < 8; ++i) g[c][i] += __bfloat162float(more.x[i]);
    }
    store(g[c], dx + row * width + j);
  }
}

}  // namespace bytecpu::cuda::device
