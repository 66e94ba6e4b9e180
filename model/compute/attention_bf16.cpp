// Attention of bf16 numbers with AVX-512's bf16 dot products. All its matrix products are one small routine:
// rows of pairs of bf16 numbers times columns of pairs, so what differs is only how an operand is laid out in
// pairs.
#include "model/compute/attention_bf16.hpp"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <type_traits>

namespace bytecpu::kernels {
namespace {

constexpr int64_t lanes = 16;         // floats, or pairs of bf16 numbers, a vector
constexpr int64_t query_block = 128;  // queries at once

// Two bf16 numbers that follow each other along the dimension a product sums over, the first in the low half.
using Pair = uint32_t;

// Memory that starts on a vector's boundary.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t count)
      : data_(static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64)))) {}
  operator T*() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Free> data_;
};

inline const Pair* pairs_of(const Bf16* x) { return reinterpret_cast<const Pair*>(x); }
inline __m256i load16(const Bf16* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
inline void store16(Bf16* x, __m512 values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

// C [rows, 16 · Vectors] = or += A · B. A: rows of `depth` pairs, B: `depth` rows of pairs. Strides in
// elements.
template <int Rows, int Vectors>
inline void tile(int64_t depth, const Pair* a, int64_t lda, const Pair* b, int64_t ldb, float* c, int64_t ldc,
                 bool accumulate) {
  __m512 sum[Rows][Vectors];
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      sum[i][v] = accumulate ? _mm512_loadu_ps(c + i * ldc + v * lanes) : _mm512_setzero_ps();
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    __m512bh column[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      column[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + k * ldb + v * lanes));
    }
    for (int i = 0; i < Rows; ++i) {
      const auto row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a[i * lda + k])));
      for (int v = 0; v < Vectors; ++v) sum[i][v] = _mm512_dpbf16_ps(sum[i][v], row, column[v]);
    }
  }
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) _mm512_storeu_ps(c + i * ldc + v * lanes, sum[i][v]);
  }
}

template <int Vectors>
void product_columns(int64_t rows, int64_t depth, const Pair* a, int64_t lda, const Pair* b, int64_t ldb,
                     float* c, int64_t ldc, bool accumulate) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8)
    tile<8, Vectors>(depth, a + i * lda, lda, b, ldb, c + i * ldc, ldc, accumulate);
  for (; i < rows; ++i) tile<1, Vectors>(depth, a + i * lda, lda, b, ldb, c + i * ldc, ldc, accumulate);
}

// C [rows, columns] = or += A · B, columns a multiple of 16.
void product(int64_t rows, int64_t columns, int64_t depth, const Pair* a, int64_t lda, const Pair* b,
             int64_t ldb, float* c, int64_t ldc, bool accumulate = false) {
  int64_t j = 0;
  for (; j + 2 * lanes <= columns; j += 2 * lanes) {
    product_columns<2>(rows, depth, a, lda, b + j, ldb, c + j, ldc, accumulate);
  }
  if (j < columns) product_columns<1>(rows, depth, a, lda, b + j, ldb, c + j, ldc, accumulate);
}

// Transposes 16 × 16 elements of 32 bits.
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Vectors x [positions, size] as the transposed factor: to[size / 2][padded], pairs along the size. Here and
// below `padded` is the positions rounded up to a multiple of 16, those past the last one being zero.
void pack_transposed(const Bf16* x, int64_t stride, int64_t positions, int64_t size, int64_t padded,
                     Pair* to) {
  for (int64_t i = 0; i < padded; i += lanes) {
    for (int64_t d = 0; d < size; d += 2 * lanes) {
      __m512i rows[16];
      for (int k = 0; k < 16; ++k) {
        rows[k] = i + k < positions ? _mm512_loadu_si512(x + (i + k) * stride + d) : _mm512_setzero_si512();
      }
      transpose16(rows);
      for (int k = 0; k < 16; ++k) _mm512_storeu_si512(to + (d / 2 + k) * padded + i, rows[k]);
    }
  }
}

// Vectors x [positions, size] as the plain factor: to[padded / 2][size], pairs along the positions.
void pack(const Bf16* x, int64_t stride, int64_t positions, int64_t size, int64_t padded, Pair* to) {
  for (int64_t i = 0; i < padded; i += 2) {
    for (int64_t d = 0; d < size; d += lanes) {
      const auto load = [&](int64_t position) {
        return position < positions ? _mm512_cvtepu16_epi32(load16(x + position * stride + d))
                                    : _mm512_setzero_si512();
      };
      _mm512_storeu_si512(to + i / 2 * size + d,
                          _mm512_or_si512(load(i), _mm512_slli_epi32(load(i + 1), 16)));
    }
  }
}

// x [rows, columns] rounded to bf16.
void round_rows(const float* x, int64_t rows, int64_t columns, Bf16* to) {
  for (int64_t i = 0; i < rows * columns; i += lanes) store16(to + i, _mm512_loadu_ps(x + i));
}

// x [rows, columns] transposed and rounded to bf16: to [columns, padded].
void round_columns(const float* x, int64_t rows, int64_t columns, int64_t padded, Bf16* to) {
  for (int64_t i = 0; i < rows; i += lanes) {
    for (int64_t j = 0; j < columns; j += lanes) {
      __m512i block[16];
      for (int64_t k = 0; k < 16; ++k) {
        block[k] = i + k < rows ? _mm512_loadu_si512(x + (i + k) * columns + j) : _mm512_setzero_si512();
      }
      transpose16(block);
      for (int64_t k = 0; k < 16; ++k) store16(to + (j + k) * padded + i, _mm512_castsi512_ps(block[k]));
    }
  }
}

// x [rows, size] · scale into rows of bf16 numbers, `stride` apart.
void scatter(const float* x, int64_t rows, int64_t size, float scale, Bf16* to, int64_t stride) {
  const auto factor = _mm512_set1_ps(scale);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < size; d += lanes) {
      store16(to + i * stride + d, _mm512_mul_ps(_mm512_loadu_ps(x + i * size + d), factor));
    }
  }
}

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

// Of `Rows` rows at once, for the processor to have independent work: softmax of scale · scores[0 …
// counts[i]), zero from there to `width`, a multiple of 16.
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

// Gradient of the scores, before scaling: from that of the probabilities, in place.
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

int64_t round_up(int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// Probabilities [count, padded keys] of the queries from `first` on, q pointing at the first of them.
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
  return s.size % (2 * lanes) == 0 && s.query_stride % 2 == 0 && s.query_item % 2 == 0;
}

void bf16_attention(const Attention& s, const Bf16* q, const Bf16* k, const Bf16* v, Bf16* out) {
  const int64_t block = std::min(query_block, s.queries), padded = round_up(s.keys), width = s.heads * s.size;
#pragma omp parallel
  {
    const Buffer<Pair> keys(padded * s.size / 2), values(padded * s.size / 2);
    const Buffer<float> scores(block * padded), mixed(block * s.size);
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
        product(count, s.size, padded / 2, pairs_of(rounded), padded / 2, values, s.size, mixed, s.size);
        scatter(mixed, count, s.size, 1, out + at * width + head, width);
      }
    }
  }
}

void bf16_attention_backward(const Attention& s, const Bf16* q, const Bf16* k, const Bf16* v,
                             const Bf16* dout, Bf16* dq, Bf16* dk, Bf16* dv) {
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
  const int64_t block = std::min(query_block, s.queries), padded = round_up(s.keys), width = s.heads * s.size;
#pragma omp parallel
  {
    const Buffer<Pair> keys_t(padded * s.size / 2), keys(padded * s.size / 2), values_t(padded * s.size / 2),
        packed(round_up(block) * s.size / 2);
    const Buffer<float> scores(block * padded), gradient(block * padded), gq(block * s.size),
        gk(padded * s.size), gv(padded * s.size);
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
        product(padded, s.size, depth / 2, pairs_of(columns), depth / 2, packed, s.size, gv, s.size,
                first > 0);
        for_rows(count, [&](auto group, int64_t i) {
          softmax_backward<group.value>(scores + i * padded, gradient + i * padded, padded);
        });
        // dq = gradient · k, dk = gradientᵀ · q
        round_rows(gradient, count, padded, rows);
        product(count, s.size, padded / 2, pairs_of(rows), padded / 2, keys, s.size, gq, s.size);
        scatter(gq, count, s.size, scale, dq + query_at, s.query_stride);
        round_columns(gradient, count, padded, depth, columns);
        pack(mine, s.query_stride, count, s.size, depth, packed);
        product(padded, s.size, depth / 2, pairs_of(columns), depth / 2, packed, s.size, gk, s.size,
                first > 0);
      }
      scatter(gk, s.keys, s.size, scale, dk + key_at, s.key_stride);
      scatter(gv, s.keys, s.size, 1, dv + key_at, s.key_stride);
    }
  }
}

}  // namespace bytecpu::kernels

#else

namespace bytecpu::kernels {

bool bf16_attention_takes(const Attention&) { return false; }
void bf16_attention(const Attention&, const Bf16*, const Bf16*, const Bf16*, Bf16*) {}
void bf16_attention_backward(const Attention&, const Bf16*, const Bf16*, const Bf16*, const Bf16*, Bf16*,
                             Bf16*, Bf16*) {}

}  // namespace bytecpu::kernels

#endif
