// Small matrices of bf16 numbers for AVX-512's bf16 dot products: rows of pairs of numbers times columns of pairs,
// the layouts in pairs, and rounding. Only for sources that are compiled for a processor that has them.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "model/compute/cpu/kernels.hpp"

namespace bytecpu::cpu {

inline constexpr int64_t lanes = 16;  // floats, or pairs of bf16 numbers, a vector

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
// The first `count` of a vector's elements, all where there are as many or more.
inline __mmask16 first_of(int64_t count) {
  return static_cast<__mmask16>(count >= lanes ? 0xffff : (1U << count) - 1);
}

// C [rows, 16 · Vectors] = or += A · B. A: rows of `depth` pairs, B: `depth` rows of pairs. Strides in elements.
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
inline void product_columns(int64_t rows, int64_t depth, const Pair* a, int64_t lda, const Pair* b,
                            int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8)
    tile<8, Vectors>(depth, a + i * lda, lda, b, ldb, c + i * ldc, ldc, accumulate);
  for (; i < rows; ++i) tile<1, Vectors>(depth, a + i * lda, lda, b, ldb, c + i * ldc, ldc, accumulate);
}

// C [rows, columns] = or += A · B, columns a multiple of 16.
inline void product(int64_t rows, int64_t columns, int64_t depth, const Pair* a, int64_t lda, const Pair* b,
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

// Vectors x [positions, size] as the transposed factor: to[size / 2][padded], pairs along the size, which is even. Here
// and below `padded` is the number of positions rounded up to a multiple of 16; those past the last one are zero.
inline void pack_transposed(const Bf16* x, int64_t stride, int64_t positions, int64_t size, int64_t padded,
                            Pair* to) {
  for (int64_t i = 0; i < padded; i += lanes) {
    for (int64_t d = 0; d < size; d += 2 * lanes) {
      const int64_t pairs = std::min((size - d) / 2, lanes);
      __m512i rows[16];
      for (int k = 0; k < 16; ++k) {
        rows[k] = i + k < positions ? _mm512_maskz_loadu_epi32(first_of(pairs), x + (i + k) * stride + d)
                                    : _mm512_setzero_si512();
      }
      transpose16(rows);
      for (int k = 0; k < pairs; ++k) _mm512_storeu_si512(to + (d / 2 + k) * padded + i, rows[k]);
    }
  }
}

inline int64_t round_up(int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// Vectors x [positions, size] as the plain factor: to[padded / 2][size rounded up], pairs along the positions; zeros
// past the size.
inline void pack(const Bf16* x, int64_t stride, int64_t positions, int64_t size, int64_t padded, Pair* to) {
  for (int64_t i = 0; i < padded; i += 2) {
    for (int64_t d = 0; d < size; d += lanes) {
      const auto load = [&](int64_t position) {
        return position < positions ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(
                                          first_of(size - d), x + position * stride + d))
                                    : _mm512_setzero_si512();
      };
      _mm512_storeu_si512(to + i / 2 * round_up(size) + d,
                          _mm512_or_si512(load(i), _mm512_slli_epi32(load(i + 1), 16)));
    }
  }
}

// x [rows, columns] rounded to bf16.
inline void round_rows(const float* x, int64_t rows, int64_t columns, Bf16* to) {
  for (int64_t i = 0; i < rows * columns; i += lanes) store16(to + i, _mm512_loadu_ps(x + i));
}

// x [rows, columns] transposed and rounded to bf16: to [columns, padded].
inline void round_columns(const float* x, int64_t rows, int64_t columns, int64_t padded, Bf16* to) {
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

// x [rows, size], its rows as long as `size` rounded up, · scale into rows of bf16 numbers, `stride` apart.
inline void scatter(const float* x, int64_t rows, int64_t size, float scale, Bf16* to, int64_t stride) {
  const auto factor = _mm512_set1_ps(scale);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < size; d += lanes) {
      const auto rounded =
          _mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_loadu_ps(x + i * round_up(size) + d), factor));
      _mm256_mask_storeu_epi16(to + i * stride + d, first_of(size - d), reinterpret_cast<__m256i>(rounded));
    }
  }
}

}  // namespace bytecpu::cpu
