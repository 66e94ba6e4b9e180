// The kernels of cuda_kernels.hpp. A warp works at a row, or at one head's attention. Besides nvcc, a C++
// compiler takes this file after tests/model/cuda_on_cpu.hpp.
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

// A thread for each eight elements.
__global__ void relu_squared(const Number* x, Number* y, int64_t eights) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= eights) return;
  const Eight in = load(x + k * 8);
  float out[8];
  for (int i = 0; i < 8; ++i) {
    const float r = fmaxf(__bfloat162float(in.x[i]), 0.0F);
    out[i] = r * r;
  }
  store(out, y + k * 8);
}

__global__ void relu_squared_backward(const Number* x, const Number* dy, Number* dx, int64_t eights) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= eights) return;
  const Eight in = load(x + k * 8), gradient = load(dy + k * 8);
  float out[8];
  for (int i = 0; i < 8; ++i)
    out[i] = 2 * fmaxf(__bfloat162float(in.x[i]), 0.0F) * __bfloat162float(gradient.x[i]);
  store(out, dx + k * 8);
}

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

// Attention among 16 positions with tensor cores, a tile of 16 × 16 at a time. Block (32, heads a block): a
// warp works at one head of one row.
constexpr int tile = 16;
constexpr int score_row = tile + 4,
              p_row = tile + 8;  // elements from a row to the next: banks do not collide
using Left = wmma::fragment<wmma::matrix_a, tile, tile, tile, Number, wmma::row_major>;
using LeftTransposed = wmma::fragment<wmma::matrix_a, tile, tile, tile, Number, wmma::col_major>;
using Right = wmma::fragment<wmma::matrix_b, tile, tile, tile, Number, wmma::row_major>;
using RightTransposed = wmma::fragment<wmma::matrix_b, tile, tile, tile, Number, wmma::col_major>;
using Sum = wmma::fragment<wmma::accumulator, tile, tile, tile, float>;

// c [16, 16] = a · bᵀ; a, b: [16, Size], rows `lda` and `ldb` elements apart, those of c score_row.
template <int Size>
__device__ void multiply_transposed(const Number* a, int lda, const Number* b, int ldb, float* c) {
  Sum s;
  wmma::fill_fragment(s, 0.0F);
  for (int k = 0; k < Size; k += tile) {
    Left left;
    RightTransposed right;
    wmma::load_matrix_sync(left, a + k, lda);
    wmma::load_matrix_sync(right, b + k, ldb);
    wmma::mma_sync(s, left, right, s);
  }
  wmma::store_matrix_sync(c, s, score_row, wmma::mem_row_major);
}

// c [16, Size] = a · b, or aᵀ · b with A = LeftTransposed, by way of `work`; a: [16, 16], rows p_row apart;
// b: [16, Size].
template <int Size, typename A>
__device__ void multiply(const Number* a, const Number* b, int ldb, float* work, Number* c, int ldc) {
  constexpr int work_row = Size + 4;
  A left;
  wmma::load_matrix_sync(left, a, p_row);
  for (int j = 0; j < Size; j += tile) {
    Right right;
    Sum s;
    wmma::fill_fragment(s, 0.0F);
    wmma::load_matrix_sync(right, b + j, ldb);
    wmma::mma_sync(s, left, right, s);
    wmma::store_matrix_sync(work + j, s, work_row, wmma::mem_row_major);
  }
  __syncwarp();
  for (int k = threadIdx.x * 8; k < tile * Size; k += warp * 8)
    store(work + k / Size * work_row + k % Size, c + k / Size * ldc + k % Size);
  __syncwarp();
}

// Lane l has half of row l / 2 of the scores; makes them probabilities.
__device__ inline void softmax(const float* scores, float scale, bool causal, float* p) {
  const int row = threadIdx.x / 2, first = threadIdx.x % 2 * 8;
  float most = -INFINITY, total = 0;
  for (int i = 0; i < 8; ++i) {
    p[i] = causal && first + i > row ? -INFINITY : scores[row * score_row + first + i] * scale;
    most = fmaxf(most, p[i]);
  }
  most = greatest(most, 2);
  for (int i = 0; i < 8; ++i) total += p[i] = expf(p[i] - most);
  total = sum(total, 2);
  for (int i = 0; i < 8; ++i) p[i] /= total;
}

constexpr int heads_a_block = 4;

template <int Size>
__global__ void short_attention(const Number* qkv, Number* out, int64_t items, int heads, bool causal) {
  alignas(32) __shared__ float scores_of[heads_a_block][tile * score_row],
      work_of[heads_a_block][tile * (Size + 4)];
  alignas(32) __shared__ Number p_of[heads_a_block][tile * p_row];
  float *scores = scores_of[threadIdx.y], *work = work_of[threadIdx.y];
  Number* p = p_of[threadIdx.y];
  const int64_t item = static_cast<int64_t>(blockIdx.x) * heads_a_block + threadIdx.y;
  if (item >= items) return;
  const int width = heads * Size, stride = 3 * width;
  const int64_t row = item / heads, head = item % heads * Size;
  const Number *q = qkv + row * tile * stride + head, *k = q + width, *v = k + width;

  multiply_transposed<Size>(q, stride, k, stride, scores);
  __syncwarp();
  const int mine_row = threadIdx.x / 2, first = threadIdx.x % 2 * 8;
  float mine[8];
  softmax(scores, rsqrtf(static_cast<float>(Size)), causal, mine);
  store(mine, p + mine_row * p_row + first);
  __syncwarp();
  multiply<Size, Left>(p, v, stride, work, out + row * tile * width + head, width);
}

template <int Size>
__global__ void short_attention_backward(const Number* qkv, const Number* dout, Number* dqkv, int64_t items,
                                         int heads, bool causal) {
  alignas(32) __shared__ float scores_of[heads_a_block][tile * score_row],
      dp_of[heads_a_block][tile * score_row], work_of[heads_a_block][tile * (Size + 4)];
  alignas(32) __shared__ Number p_of[heads_a_block][tile * p_row], ds_of[heads_a_block][tile * p_row];
  float *scores = scores_of[threadIdx.y], *dp = dp_of[threadIdx.y], *work = work_of[threadIdx.y];
  Number *p = p_of[threadIdx.y], *ds = ds_of[threadIdx.y];
  const int64_t item = static_cast<int64_t>(blockIdx.x) * heads_a_block + threadIdx.y;
  if (item >= items) return;
  const int width = heads * Size, stride = 3 * width;
  const int64_t row = item / heads, head = item % heads * Size;
  const Number *q = qkv + row * tile * stride + head, *k = q + width, *v = k + width;
  const Number* g = dout + row * tile * width + head;
  Number *dq = dqkv + row * tile * stride + head, *dk = dq + width, *dv = dk + width;

  multiply_transposed<Size>(q, stride, k, stride, scores);
  multiply_transposed<Size>(g, width, v, stride, dp);
  __syncwarp();
  const float scale = rsqrtf(static_cast<float>(Size));
  const int mine_row = threadIdx.x / 2,
            first = threadIdx.x % 2 * 8;  // this lane's row, and its first element there
  float mine[8], change[8], product = 0;
  softmax(scores, scale, causal, mine);
  for (int i = 0; i < 8; ++i) product += mine[i] * dp[mine_row * score_row + first + i];
  product = sum(product, 2);
  for (int i = 0; i < 8; ++i) change[i] = mine[i] * (dp[mine_row * score_row + first + i] - product) * scale;
  store(mine, p + mine_row * p_row + first);
  store(change, ds + mine_row * p_row + first);
  __syncwarp();
  multiply<Size, LeftTransposed>(p, g, width, work, dv, stride);
  multiply<Size, Left>(ds, k, stride, work, dq, stride);
  multiply<Size, LeftTransposed>(ds, q, stride, work, dk, stride);
}

}  // namespace bytecpu::cuda::device
