// Words of 32 bits: mixed, turned, and a gated recurrence over their bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/compute/cpu/kernels.hpp"
#include "model/compute/cpu/numbers.hpp"

namespace bytecpu::cpu {
namespace {

constexpr int64_t bits = 32;
constexpr int64_t lanes = 16;  // of a vector
constexpr int64_t whole_vectors(int64_t count) { return (count + lanes - 1) / lanes * lanes; }

inline float sigmoid(float x) {
  const float e = exp_negative(-std::abs(x));
  return (x < 0 ? e : 1.0F) / (1 + e);
}
inline float tanh_of(float x) {
  const float e = exp_negative(-2 * std::abs(x));
  return std::copysign((1 - e) / (1 + e), x);
}

}  // namespace

// Rows are made as long as whole vectors: what is left over would be computed one by one, which takes longer than the rest.
void mix_words(const Words& shape, const float* weights, const int8_t* planes, const int64_t* item,
               const int64_t* shift, float* out) {
  const int64_t heads = shape.heads, words = shape.words, length = shape.length, row = whole_vectors(words);
#pragma omp parallel
  {
    std::vector<float> w(static_cast<size_t>(heads * row)), plane(static_cast<size_t>(row));
#pragma omp for schedule(static)
    for (int64_t m = 0; m < shape.queries; ++m) {
      const int8_t* own = planes + item[m] * shape.planes * length + shift[m];
      for (int64_t h = 0; h < heads; ++h) std::copy_n(weights + (m * heads + h) * words, words, &w[h * row]);
      for (int64_t b = 0; b < bits; ++b) {
        std::copy_n(own + b % shape.planes * length + b / shape.planes, words, plane.data());
        for (int64_t h = 0; h < heads; ++h) {
          float sums[lanes] = {}, sum = 0;
          for (int64_t s = 0; s < row; s += lanes) {
#pragma omp simd
            for (int64_t i = 0; i < lanes; ++i) sums[i] += w[h * row + s + i] * plane[s + i];
          }
#pragma omp simd reduction(+ : sum)
          for (int64_t i = 0; i < lanes; ++i) sum += sums[i];
          out[(m * heads + h) * bits + b] = sum;
        }
      }
    }
  }
}

void mix_words_backward(const Words& shape, const float* dout, const int8_t* planes, const int64_t* item,
                        const int64_t* shift, float* dweights) {
  const int64_t heads = shape.heads, words = shape.words, length = shape.length, row = whole_vectors(words);
#pragma omp parallel
  {
    std::vector<float> dw(static_cast<size_t>(heads * row)), plane(static_cast<size_t>(row));
#pragma omp for schedule(static)
    for (int64_t m = 0; m < shape.queries; ++m) {
      const int8_t* own = planes + item[m] * shape.planes * length + shift[m];
      std::fill(dw.begin(), dw.end(), 0.0F);
      for (int64_t b = 0; b < bits; ++b) {
        std::copy_n(own + b % shape.planes * length + b / shape.planes, words, plane.data());
        for (int64_t h = 0; h < heads; ++h) {
          const float g = dout[(m * heads + h) * bits + b];
#pragma omp simd
          for (int64_t s = 0; s < row; ++s) dw[h * row + s] += g * plane[s];
        }
      }
      for (int64_t h = 0; h < heads; ++h)
        std::copy_n(&dw[h * row], words, dweights + (m * heads + h) * words);
    }
  }
}

void rotate_words(const float* weights, const float* words, float* out, int64_t rows) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    float twice[2 * bits], y[bits] = {};
    std::memcpy(twice, words + r * bits, sizeof y);
    std::memcpy(twice + bits, words + r * bits, sizeof y);
    for (int64_t d = 0; d < bits; ++d) {
      const float w = weights[r * bits + d];
#pragma omp simd
      for (int64_t i = 0; i < bits; ++i) y[i] += w * twice[i + d];
    }
    std::memcpy(out + r * bits, y, sizeof y);
  }
}

void rotate_words_backward(const float* weights, const float* words, const float* dout, float* dweights,
                           float* dwords, int64_t rows) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    float twice[2 * bits], dtwice[2 * bits] = {};
    std::memcpy(twice, words + r * bits, bits * sizeof(float));
    std::memcpy(twice + bits, words + r * bits, bits * sizeof(float));
    const float* dy = dout + r * bits;
    for (int64_t d = 0; d < bits; ++d) {
      const float w = weights[r * bits + d];
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < bits; ++i) {
        sum += dy[i] * twice[i + d];
        dtwice[i + d] += w * dy[i];
      }
      dweights[r * bits + d] = sum;
    }
#pragma omp simd
    for (int64_t i = 0; i < bits; ++i) dwords[r * bits + i] = dtwice[i] + dtwice[i + bits];
  }
}

void sum_words(const OwnWords& shape, const float* weights, const float* words, float* out) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < shape.rows; ++r) {
    for (int64_t h = 0; h < shape.heads; ++h) {
      const float* w = weights + (r * shape.heads + h) * shape.words;
      float y[bits] = {};
      for (int64_t s = 0; s < shape.words; ++s) {
        const float* word = words + (r * shape.words + s) * bits;
#pragma omp simd
        for (int64_t i = 0; i < bits; ++i) y[i] += w[s] * word[i];
      }
      std::memcpy(out + (r * shape.heads + h) * bits, y, sizeof y);
    }
  }
}

void sum_words_backward(const OwnWords& shape, const float* weights, const float* words, const float* dout,
                        float* dweights, float* dwords) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < shape.rows; ++r) {
    for (int64_t s = 0; s < shape.words; ++s) {
      const float* word = words + (r * shape.words + s) * bits;
      float dword[bits] = {};
      for (int64_t h = 0; h < shape.heads; ++h) {
        const float* dy = dout + (r * shape.heads + h) * bits;
        const int64_t at = (r * shape.heads + h) * shape.words + s;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < bits; ++i) {
          sum += dy[i] * word[i];
          dword[i] += weights[at] * dy[i];
        }
        dweights[at] = sum;
      }
      std::memcpy(dwords + (r * shape.words + s) * bits, dword, sizeof dword);
    }
  }
}

// The channels of a row are in quarters: up and down, of each first the sigmoid's and then the tanh's.
template <typename T>
void scan(const T* gates, const int64_t* bounds, const T* start, T* out, int64_t sequences,
          int64_t channels) {
  const int64_t quarter = channels / 4;
#pragma omp parallel
  {
    std::vector<float> state(channels);
#pragma omp for schedule(static)
    for (int64_t m = 0; m < sequences; ++m) {
      const int64_t first = bounds[m], length = bounds[m + 1] - first;
      for (int64_t c = 0; c < channels; ++c) state[c] = load(start[m * channels + c]);
      for (int64_t part = 0; part < 4; ++part) {
        const bool down = part >= 2, signs = part % 2 == 1;
        const int64_t from = part * quarter;
        for (int64_t k = 0; k < length; ++k) {
          const int64_t row = first + (down ? length - 1 - k : k);
          const T* z = gates + row * 2 * channels + from;
          const T* in = z + channels;
          T* y = out + row * channels + from;
          float* h = state.data() + from;
          const auto step = [&](int64_t c, float a) {
            h[c] = a * h[c] + (1 - std::abs(a)) * tanh_of(load(in[c]));
            store(h[c], y[c]);
          };
          if (signs) {
#pragma omp simd
            for (int64_t c = 0; c < quarter; ++c) step(c, tanh_of(load(z[c])));
          } else {
#pragma omp simd
            for (int64_t c = 0; c < quarter; ++c) step(c, sigmoid(load(z[c])));
          }
        }
      }
    }
  }
}

template <typename T>
void scan_backward(const T* gates, const int64_t* bounds, const T* start, const T* out, const T* dout,
                   T* dgates, T* dstart, int64_t sequences, int64_t channels) {
  const int64_t quarter = channels / 4;
#pragma omp parallel
  {
    std::vector<float> dstate(channels);
#pragma omp for schedule(static)
    for (int64_t m = 0; m < sequences; ++m) {
      const int64_t first = bounds[m], length = bounds[m + 1] - first;
      std::fill(dstate.begin(), dstate.end(), 0.0F);
      for (int64_t part = 0; part < 4; ++part) {
        const bool down = part >= 2, signs = part % 2 == 1;
        const int64_t from = part * quarter;
        for (int64_t k = length - 1; k >= 0; --k) {
          const int64_t row = first + (down ? length - 1 - k : k);
          const T* z = gates + row * 2 * channels + from;
          const T* in = z + channels;
          T* dz = dgates + row * 2 * channels + from;
          T* din = dz + channels;
          const T* dy = dout + row * channels + from;
          const T* before =
              k == 0 ? start + m * channels + from : out + (row + (down ? 1 : -1)) * channels + from;
          float* dh = dstate.data() + from;
          // da: of the gate itself, a' its derivative.
          const auto step = [&](int64_t c, float a, float slope) {
            const float g = dh[c] + load(dy[c]), t = tanh_of(load(in[c]));
            const float sign = a < 0 ? -1.0F : 1.0F;
            store(g * (load(before[c]) - sign * t) * slope, dz[c]);
            store(g * (1 - sign * a) * (1 - t * t), din[c]);
            dh[c] = g * a;
          };
          if (signs) {
#pragma omp simd
            for (int64_t c = 0; c < quarter; ++c) {
              const float a = tanh_of(load(z[c]));
              step(c, a, 1 - a * a);
            }
          } else {
#pragma omp simd
            for (int64_t c = 0; c < quarter; ++c) {
              const float a = sigmoid(load(z[c]));
              step(c, a, a * (1 - a));
            }
          }
        }
      }
      for (int64_t c = 0; c < channels; ++c) store(dstate[c], dstart[m * channels + c]);
    }
  }
}

template void scan(const float*, const int64_t*, const float*, float*, int64_t, int64_t);
template void scan(const Bf16*, const int64_t*, const Bf16*, Bf16*, int64_t, int64_t);
template void scan_backward(const float*, const int64_t*, const float*, const float*, const float*, float*,
                            float*, int64_t, int64_t);
template void scan_backward(const Bf16*, const int64_t*, const Bf16*, const Bf16*, const Bf16*, Bf16*, Bf16*,
                            int64_t, int64_t);

}  // namespace bytecpu::cpu
