// Attention among 16 positions with tensor cores, a tile of 16 × 16 at a time: a warp works at one head of one row.
#pragma once

#include "model/compute/cuda/numbers.cuh"

namespace bytecpu::cuda::device {

constexpr int tile = 16;
// Elements from a row to the next, so that the banks of shared memory do not collide.
constexpr int score_row = tile + 4, p_row = tile + 8;
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

// Makes probabilities of the scores: lane l those of one half of row l / 2, into p.
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

// Block (32, heads a block).
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
  // This lane's row, and its first element there.
  const int mine_row = threadIdx.x / 2, first = threadIdx.x % 2 * 8;
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
