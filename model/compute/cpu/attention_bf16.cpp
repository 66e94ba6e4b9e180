// Attention of bf16 numbers with AVX-512's bf16 dot products. All its matrix products are product() of
// bf16_matrix.hpp, so what differs is only how an operand is laid out in pairs.
#include "model/compute/cpu/attention_bf16.hpp"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "model/compute/cpu/bf16_matrix.hpp"

namespace bytecpu::cpu {
namespace {

constexpr int64_t query_block = 128;  // queries at once

// e^x for x <= 0: 2^n · polynomial, coefficients of Cephes' expf.
inline __m512 exp_negative(__m512 x) {
  const auto n =
      _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT);
  const auto r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4F),
                                 _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375F), x));
  auto p = _mm512_set1_ps(1.9875691500e-4F);
  for (const float c :
       {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F}) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  }
  p = _mm512_add_ps(_mm512_fmadd_ps(_mm512_mul_ps(p, r), r, r), _mm512_set1_ps(1));
  return _mm512_scalef_ps(p, n);
}

// Softmax of scale · scores[0 … counts[i]) in each row i; the rest up to `width`, a multiple of 16, becomes zero.
// Takes `Rows` rows at once, so that the processor has independent work.
template <int Rows>
inline void softmax(float* scores, const int64_t* counts, int64_t width, float scale) {
  const auto mask = [&](int i, int64_t j) {
    const int64_t count = counts[i] - j;
    return static_cast<__mmask16>(count >= lanes ? 0xffff : count > 0 ? (1U << count) - 1 : 0);
  };
  const auto lowest = _mm512_set1_ps(-INFINITY), factor = _mm512_set1_ps(scale);
  __m512 most[Rows], sum[Rows];
  for (int i = 0; i < Rows; ++i) most[i] = lowest, sum[i] = _mm512_setzero_ps();
  for (int64_t j = 0; j < width; j += lanes) {
    for (int i = 0; i < Rows; ++i) {
      most[i] = _mm512_max_ps(most[i], _mm512_mask_loadu_ps(lowest, mask(i, j), scores + i * width + j));
    }
  }
  for (int i = 0; i < Rows; ++i) most[i] = _mm512_set1_ps(_mm512_reduce_max_ps(most[i]) * scale);
  for (int64_t j = 0; j < width; j += lanes) {
    for (int i = 0; i < Rows; ++i) {
      const auto x = _mm512_fmsub_ps(_mm512_loadu_ps(scores + i * width + j), factor, most[i]);
      const auto e = _mm512_maskz_mov_ps(mask(i, j), exp_negative(x));
      sum[i] = _mm512_add_ps(sum[i], e);
      _mm512_storeu_ps(scores + i * width + j, e);
    }
  }
  for (int i = 0; i < Rows; ++i) sum[i] = _mm512_set1_ps(1 / _mm512_reduce_add_ps(sum[i]));
  for (int64_t j = 0; j < width; j += lanes) {
    for (int i = 0; i < Rows; ++i) {
      float* at = scores + i * width + j;
      _mm512_storeu_ps(at, _mm512_mul_ps(_mm512_loadu_ps(at), sum[i]));
    }
  }
}

// Turns the gradient of the probabilities into that of the scores before scaling, in place.
template <int Rows>
inline void softmax_backward(const float* probabilities, float* gradient, int64_t width) {
  __m512 sum[Rows];
  for (auto& x : sum) x = _mm512_setzero_ps();
  for (int64_t j = 0; j < width; j += lanes) {
    for (int i = 0; i < Rows; ++i) {
      const int64_t at = i * width + j;
      sum[i] = _mm512_fmadd_ps(_mm512_loadu_ps(probabilities + at), _mm512_loadu_ps(gradient + at), sum[i]);
    }
  }
  for (auto& x : sum) x = _mm512_set1_ps(_mm512_reduce_add_ps(x));
  for (int64_t j = 0; j < width; j += lanes) {
    for (int i = 0; i < Rows; ++i) {
      const int64_t at = i * width + j;
      const auto d = _mm512_sub_ps(_mm512_loadu_ps(gradient + at), sum[i]);
      _mm512_storeu_ps(gradient + at, _mm512_mul_ps(_mm512_loadu_ps(probabilities + at), d));
    }
  }
}

// Calls visit(std::integral_constant<int, rows>, first row) for groups of rows.
template <typename Visit>
inline void for_rows(int64_t rows, Visit visit) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) visit(std::integral_constant<int, 4>(), i);
  for (; i < rows; ++i) visit(std::integral_constant<int, 1>(), i);
}

// Probabilities [count, padded keys] of `count` queries from `first` on; q points at the first of them.
void probabilities(const Attention& s, int64_t first, int64_t count, const Bf16* q, const Pair* keys,
                   float* scores) {
  const int64_t padded = round_up(s.keys);
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
  product(count, padded, s.size / 2, pairs_of(q), s.query_stride / 2, keys, padded, scores, padded);
  for_rows(count, [&](auto rows, int64_t i) {
    int64_t seen[rows.value];
    for (int r = 0; r < rows.value; ++r) seen[r] = s.causal ? first + i + r + 1 + s.keys - s.queries : s.keys;
    softmax<rows.value>(scores + i * padded, seen, padded, scale);
  });
}

}  // namespace

bool bf16_attention_takes(const Attention& s) {
  return s.size % 2 == 0 && s.query_stride % 2 == 0 && s.query_item % 2 == 0;
}

void bf16_attention(const Attention& s, const Bf16* q, const Bf16* k, const Bf16* v, Bf16* out) {
  const int64_t block = std::min(query_block, s.queries), padded = round_up(s.keys), width = s.heads * s.size;
  const int64_t columns = round_up(s.size);
#pragma omp parallel
  {
    const Buffer<Pair> keys(padded * s.size / 2), values(padded * columns / 2);
    const Buffer<float> scores(block * padded), mixed(block * columns);
    const Buffer<Bf16> rounded(block * padded);
#pragma omp for schedule(static)
    for (int64_t item = 0; item < s.batch * s.heads; ++item) {
      const int64_t b = item / s.heads, head = item % s.heads * s.size;
      pack_transposed(k + b * s.key_item + head, s.key_stride, s.keys, s.size, padded, keys);
      pack(v + b * s.key_item + head, s.key_stride, s.keys, s.size, padded, values);
      for (int64_t first = 0; first < s.queries; first += block) {
        const int64_t count = std::min(block, s.queries - first), at = b * s.queries + first;
        probabilities(s, first, count, q + b * s.query_item + first * s.query_stride + head, keys, scores);
        round_rows(scores, count, padded, rounded);
        product(count, columns, padded / 2, pairs_of(rounded), padded / 2, values, columns, mixed, columns);
        scatter(mixed, count, s.size, 1, out + at * width + head, width);
      }
    }
  }
}

void bf16_attention_backward(const Attention& s, const Bf16* q, const Bf16* k, const Bf16* v,
                             const Bf16* dout, Bf16* dq, Bf16* dk, Bf16* dv) {
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
  const int64_t block = std::min(query_block, s.queries), padded = round_up(s.keys), width = s.heads * s.size;
  const int64_t size = round_up(s.size);
#pragma omp parallel
  {
    const Buffer<Pair> keys_t(padded * s.size / 2), keys(padded * size / 2), values_t(padded * s.size / 2),
        packed(round_up(block) * size / 2);
    const Buffer<float> scores(block * padded), gradient(block * padded), gq(block * size), gk(padded * size),
        gv(padded * size);
    const Buffer<Bf16> rows(block * padded), columns(padded * round_up(block));
#pragma omp for schedule(static)
    for (int64_t item = 0; item < s.batch * s.heads; ++item) {
      const int64_t b = item / s.heads, head = item % s.heads * s.size;
      const int64_t key_at = b * s.key_item + head;
      pack_transposed(k + key_at, s.key_stride, s.keys, s.size, padded, keys_t);
      pack_transposed(v + key_at, s.key_stride, s.keys, s.size, padded, values_t);
      pack(k + key_at, s.key_stride, s.keys, s.size, padded, keys);
      for (int64_t first = 0; first < s.queries; first += block) {
        const int64_t count = std::min(block, s.queries - first), at = b * s.queries + first;
        const int64_t depth = round_up(count);
        const int64_t query_at = b * s.query_item + first * s.query_stride + head;
        const Bf16 *mine = q + query_at, *g = dout + at * width + head;
        probabilities(s, first, count, mine, keys_t, scores);
        product(count, padded, s.size / 2, pairs_of(g), width / 2, values_t, padded, gradient, padded);
        // dv = probabilitiesᵀ · g
        round_columns(scores, count, padded, depth, columns);
        pack(g, width, count, s.size, depth, packed);
        product(padded, size, depth / 2, pairs_of(columns), depth / 2, packed, size, gv, size, first > 0);
        for_rows(count, [&](auto group, int64_t i) {
          softmax_backward<group.value>(scores + i * padded, gradient + i * padded, padded);
        });
        // dq = gradient · k, dk = gradientᵀ · q
        round_rows(gradient, count, padded, rows);
        product(count, size, padded / 2, pairs_of(rows), padded / 2, keys, size, gq, size);
        scatter(gq, count, s.size, scale, dq + query_at, s.query_stride);
        round_columns(gradient, count, padded, depth, columns);
        pack(mine, s.query_stride, count, s.size, depth, packed);
        product(padded, size, depth / 2, pairs_of(columns), depth / 2, packed, size, gk, size, first > 0);
      }
      scatter(gk, s.keys, s.size, scale, dk + key_at, s.key_stride);
      scatter(gv, s.keys, s.size, 1, dv + key_at, s.key_stride);
    }
  }
}

}  // namespace bytecpu::cpu

#else

namespace bytecpu::cpu {

bool bf16_attention_takes(const Attention&) { return false; }
void bf16_attention(const Attention&, const Bf16*, const Bf16*, const Bf16*, Bf16*) {}
void bf16_attention_backward(const Attention&, const Bf16*, const Bf16*, const Bf16*, const Bf16*, Bf16*,
                             Bf16*, Bf16*) {}

}  // namespace bytecpu::cpu

#endif
