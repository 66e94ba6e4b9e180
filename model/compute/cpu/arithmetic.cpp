// What arithmetic makes of each two of some words of 32 bits, and such numbers mixed.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/compute/cpu/kernels.hpp"

namespace bytecpu::cpu {
namespace {

constexpr int64_t bits = 32;

inline uint32_t upper(uint64_t number) { return static_cast<uint32_t>(number >> bits); }
inline int64_t with_sign(uint32_t number) { return static_cast<int32_t>(number); }

}  // namespace

void arithmetic(const Results& shape, const float* word_bits, int32_t* out) {
#pragma omp parallel
  {
    std::vector<uint32_t> number(static_cast<std::size_t>(shape.all));
#pragma omp for schedule(static)
    for (int64_t m = 0; m < shape.rows; ++m) {
      for (int64_t w = 0; w < shape.all; ++w) {
        const float* bit = word_bits + (m * shape.all + w) * bits;
        uint32_t value = 0;
        for (int64_t i = 0; i < bits; ++i) value |= static_cast<uint32_t>(bit[i] > 0) << i;
        number[w] = value;
      }
      int32_t* next = out + m * shape.results;
      const auto put = [&](auto result) { *next++ = static_cast<int32_t>(result); };
      for (int64_t i = 0; i < shape.words; ++i) {
        for (int64_t j = i + 1; j < shape.all; ++j) {
          const uint32_t a = number[i], b = number[j];
          const uint64_t product = uint64_t{a} * b;
          put(product);
          put(upper(product));
          put(upper(static_cast<uint64_t>(with_sign(a) * with_sign(b))));
        }
      }
      for (int64_t i = 0; i < shape.words; ++i) {
        for (int64_t j = 0; j < shape.all; ++j) {
          if (i == j) continue;
          const uint32_t a = number[i], b = number[j];
          const uint32_t quotient = b == 0 ? 0 : a / b;
          put(quotient);
          put(a - quotient * b);
          const int64_t signed_quotient = b == 0 ? 0 : with_sign(a) / with_sign(b);  // up to 2^31
          put(signed_quotient);
          put(with_sign(a) - signed_quotient * with_sign(b));
        }
      }
    }
  }
}

void mix_numbers(const OwnWords& shape, const float* weights, const int32_t* numbers, float* out) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < shape.rows * shape.heads; ++r) {
    const float* w = weights + r * shape.words;
    const int32_t* number = numbers + r / shape.heads * shape.words;
    for (int64_t i = 0; i < bits; ++i) {
      const auto bit = static_cast<int32_t>(uint32_t{1} << i);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t s = 0; s < shape.words; ++s) sum += (number[s] & bit) != 0 ? w[s] : -w[s];
      out[r * bits + i] = sum;
    }
  }
}

// Of each byte of a number, the sum for each of its values is made first.
void mix_numbers_backward(const OwnWords& shape, const float* dout, const int32_t* numbers, float* dweights) {
  constexpr int64_t bytes = 4, values = 256;
#pragma omp parallel
  {
    std::vector<float> sums(bytes * values);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < shape.rows * shape.heads; ++r) {
      for (int64_t byte = 0; byte < bytes; ++byte) {
        const float* dy = dout + r * bits + byte * 8;
        float* sum = sums.data() + byte * values;
        sum[0] = 0;
        for (int64_t i = 0; i < 8; ++i) sum[0] -= dy[i];
        for (uint32_t value = 1; value < values; ++value) {
          sum[value] = sum[value & (value - 1)] + 2 * dy[std::countr_zero(value)];
        }
      }
      const int32_t* of_row = numbers + r / shape.heads * shape.words;
      for (int64_t s = 0; s < shape.words; ++s) {
        const auto number = static_cast<uint32_t>(of_row[s]);
        float sum = 0;
        for (int64_t byte = 0; byte < bytes; ++byte) sum += sums[byte * values + (number >> 8 * byte & 0xFF)];
        dweights[r * shape.words + s] = sum;
      }
    }
  }
}

}  // namespace bytecpu::cpu
