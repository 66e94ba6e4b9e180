// Attention and its gradient, one item and head at a time, in float.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "model/compute/cpu/attention_bf16.hpp"
#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {
namespace {

constexpr int64_t lanes = 16;        // floats a vector
constexpr int64_t query_block = 64;  // queries at once

// C (m × n, row stride ldc) = or += A · B. A(i, k) = a[i · row + k · column]; B (k × n, row stride ldb).
template <int Rows>
inline void tile(int64_t n, int64_t depth, const float* a, int64_t row, int64_t column, const float* b,
                 int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    float sum[Rows][lanes];
    for (int i = 0; i < Rows; ++i) {
      for (int l = 0; l < lanes; ++l) sum[i][l] = accumulate ? c[i * ldc + j + l] : 0.0F;
    }
    for (int64_t k = 0; k < depth; ++k) {
      const float* bk = b + k * ldb + j;
      for (int i = 0; i < Rows; ++i) {
        const float factor = a[i * row + k * column];
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[i][l] += factor * bk[l];
      }
    }
    for (int i = 0; i < Rows; ++i) {
      for (int l = 0; l < lanes; ++l) c[i * ldc + j + l] = sum[i][l];
    }
  }
  for (; j < n; ++j) {
    for (int i = 0; i < Rows; ++i) {
      float sum = accumulate ? c[i * ldc + j] : 0.0F;
      for (int64_t k = 0; k < depth; ++k) sum += a[i * row + k * column] * b[k * ldb + j];
      c[i * ldc + j] = sum;
    }
  }
}

void multiply(int64_t m, int64_t n, int64_t depth, const float* a, int64_t row, int64_t column,
              const float* b, int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t i = 0;
  for (; i + 4 <= m; i += 4)
    tile<4>(n, depth, a + i * row, row, column, b, ldb, c + i * ldc, ldc, accumulate);
  for (; i < m; ++i) tile<1>(n, depth, a + i * row, row, column, b, ldb, c + i * ldc, ldc, accumulate);
}

// Softmax of scores[0 … count); the rest up to `width` becomes zero.
inline void softmax(float* scores, int64_t count, int64_t width) {
  float most = scores[0], sum = 0;
  for (int64_t j = 1; j < count; ++j) most = std::max(most, scores[j]);
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) {
    scores[j] = exp_negative(scores[j] - most);
    sum += scores[j];
  }
  const float scale = 1 / sum;
  for (int64_t j = 0; j < count; ++j) scores[j] *= scale;
  std::fill(scores + count, scores + width, 0.0F);
}

// The numbers of one item and head, in float and without gaps.
struct Work {
  explicit Work(const Attention& s)
      : q(query_block * s.size),
        k(s.keys * s.size),
        v(s.keys * s.size),
        transposed(s.keys * s.size),
        scores(query_block * s.keys) {}
  std::vector<float> q, k, v, transposed, scores;
};

template <typename T>
void gather(const T* from, int64_t stride, int64_t positions, int64_t size, float scale, float* to) {
  for (int64_t i = 0; i < positions; ++i) {
    for (int64_t d = 0; d < size; ++d) to[i * size + d] = load(from[i * stride + d]) * scale;
  }
}

template <typename T>
void scatter(const float* from, int64_t stride, int64_t positions, int64_t size, float scale, T* to) {
  for (int64_t i = 0; i < positions; ++i) {
    for (int64_t d = 0; d < size; ++d) store(from[i * size + d] * scale, to[i * stride + d]);
  }
}

void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
  }
}

// Probabilities of queries first … first + count - 1 into w.scores [count, keys]; w.transposed holds the keys.
void probabilities(const Attention& s, int64_t first, int64_t count, Work& w) {
  multiply(count, s.keys, s.size, w.q.data(), s.size, 1, w.transposed.data(), s.keys, w.scores.data(), s.keys,
           false);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t seen = s.causal ? first + i + 1 + s.keys - s.queries : s.keys;
    softmax(w.scores.data() + i * s.keys, seen, s.keys);
  }
}

// For so few queries that laying the keys out for a product of matrices costs more than it saves.
template <typename T>
void attention_of_few(const Attention& s, const T* q, const T* k, const T* v, T* out) {
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
#pragma omp parallel
  {
    std::vector<float> query(s.size), scores(s.keys), mixed(s.size);
#pragma omp for schedule(static)
    for (int64_t item = 0; item < s.batch * s.heads; ++item) {
      const int64_t b = item / s.heads, head = item % s.heads * s.size;
      for (int64_t i = 0; i < s.queries; ++i) {
        const int64_t seen = s.causal ? i + 1 + s.keys - s.queries : s.keys;
        gather(q + b * s.query_item + i * s.query_stride + head, s.query_stride, 1, s.size, scale,
               query.data());
        for (int64_t j = 0; j < seen; ++j) {
          const T* key = k + b * s.key_item + j * s.key_stride + head;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t d = 0; d < s.size; ++d) sum += query[d] * load(key[d]);
          scores[j] = sum;
        }
        softmax(scores.data(), seen, seen);
        std::fill(mixed.begin(), mixed.end(), 0.0F);
        for (int64_t j = 0; j < seen; ++j) {
          const T* value = v + b * s.key_item + j * s.key_stride + head;
#pragma omp simd
          for (int64_t d = 0; d < s.size; ++d) mixed[d] += scores[j] * load(value[d]);
        }
        const int64_t width = s.heads * s.size;
        scatter(mixed.data(), width, 1, s.size, 1, out + (b * s.queries + i) * width + head);
      }
    }
  }
}

}  // namespace

template <typename T>
void attention(const Attention& s, const T* q, const T* k, const T* v, T* out) {
  constexpr int64_t few = 2;
  if (s.queries <= few) return attention_of_few(s, q, k, v, out);
  if constexpr (std::is_same_v<T, Bf16>) {
    if (bf16_attention_takes(s)) return bf16_attention(s, q, k, v, out);
  }
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
#pragma omp parallel
  {
    Work w(s);
    std::vector<float> mixed(query_block * s.size);
#pragma omp for schedule(static)
    for (int64_t item = 0; item < s.batch * s.heads; ++item) {
      const int64_t b = item / s.heads, head = item % s.heads * s.size;
      gather(k + b * s.key_item + head, s.key_stride, s.keys, s.size, 1, w.k.data());
      gather(v + b * s.key_item + head, s.key_stride, s.keys, s.size, 1, w.v.data());
      transpose(w.k.data(), s.keys, s.size, w.transposed.data());
      for (int64_t first = 0; first < s.queries; first += query_block) {
        const int64_t count = std::min(query_block, s.queries - first);
        gather(q + b * s.query_item + first * s.query_stride + head, s.query_stride, count, s.size, scale,
               w.q.data());
        probabilities(s, first, count, w);
        multiply(count, s.size, s.keys, w.scores.data(), s.keys, 1, w.v.data(), s.size, mixed.data(), s.size,
                 false);
        const int64_t width = s.heads * s.size;
        scatter(mixed.data(), width, count, s.size, 1, out + (b * s.queries + first) * width + head);
      }
    }
  }
}

template <typename T>
void attention_backward(const Attention& s, const T* q, const T* k, const T* v, const T* dout, T* dq, T* dk,
                        T* dv) {
  if constexpr (std::is_same_v<T, Bf16>) {
    if (bf16_attention_takes(s)) return bf16_attention_backward(s, q, k, v, dout, dq, dk, dv);
  }
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
  const int64_t width = s.heads * s.size;
#pragma omp parallel
  {
    Work w(s);
    std::vector<float> g(query_block * s.size), gq(query_block * s.size), gk(s.keys * s.size),
        gv(s.keys * s.size), v_transposed(s.keys * s.size), gs(query_block * s.keys);
#pragma omp for schedule(static)
    for (int64_t item = 0; item < s.batch * s.heads; ++item) {
      const int64_t b = item / s.heads, head = item % s.heads * s.size;
      const int64_t key_start = b * s.key_item + head;
      gather(k + key_start, s.key_stride, s.keys, s.size, 1, w.k.data());
      gather(v + key_start, s.key_stride, s.keys, s.size, 1, w.v.data());
      transpose(w.k.data(), s.keys, s.size, w.transposed.data());
      transpose(w.v.data(), s.keys, s.size, v_transposed.data());
      for (int64_t first = 0; first < s.queries; first += query_block) {
        const int64_t count = std::min(query_block, s.queries - first);
        const int64_t query_start = b * s.query_item + first * s.query_stride + head;
        gather(q + query_start, s.query_stride, count, s.size, scale, w.q.data());
        gather(dout + (b * s.queries + first) * width + head, width, count, s.size, 1, g.data());
        probabilities(s, first, count, w);
        const bool more = first > 0;
        multiply(s.keys, s.size, count, w.scores.data(), 1, s.keys, g.data(), s.size, gv.data(), s.size,
                 more);
        multiply(count, s.keys, s.size, g.data(), s.size, 1, v_transposed.data(), s.keys, gs.data(), s.keys,
                 false);
        for (int64_t i = 0; i < count; ++i) {
          float* d = gs.data() + i * s.keys;
          const float* p = w.scores.data() + i * s.keys;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t j = 0; j < s.keys; ++j) sum += p[j] * d[j];
#pragma omp simd
          for (int64_t j = 0; j < s.keys; ++j) d[j] = p[j] * (d[j] - sum);
        }
        multiply(count, s.size, s.keys, gs.data(), s.keys, 1, w.k.data(), s.size, gq.data(), s.size, false);
        multiply(s.keys, s.size, count, gs.data(), 1, s.keys, w.q.data(), s.size, gk.data(), s.size, more);
        scatter(gq.data(), s.query_stride, count, s.size, scale, dq + query_start);
      }
      scatter(gk.data(), s.key_stride, s.keys, s.size, 1, dk + key_start);  // w.q was scaled already
      scatter(gv.data(), s.key_stride, s.keys, s.size, 1, dv + key_start);
    }
  }
}

template void attention(const Attention&, const float*, const float*, const float*, float*);
template void attention(const Attention&, const Bf16*, const Bf16*, const Bf16*, Bf16*);
template void attention_backward(const Attention&, const float*, const float*, const float*, const float*,
                                 float*, float*, float*);
template void attention_backward(const Attention&, const Bf16*, const Bf16*, const Bf16*, const Bf16*, Bf16*,
                                 Bf16*, Bf16*);

}  // namespace bytecpu::cpu
