#include "model/compute/kernels.hpp"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "model/compute/attention_bf16.hpp"

namespace bytecpu::kernels {
namespace {

inline float load(float x) { return x; }
inline float load(Bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline void store(float x, float& to) { to = x; }
inline void store(float x, Bf16& to) {  // to nearest, ties to even
  const auto bits = std::bit_cast<uint32_t>(x);
  to.bits = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x for x <= 0 within 2 units in the last place: 2^n · polynomial, coefficients of Cephes' expf.
inline float exp_negative(float x) {
  x = std::max(x, -87.0F);
  const float n = std::floor(x * 1.44269504F + 0.5F);
  const float r = x - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// C (m × n, row stride ldc) = or += A · B. A(i, k) = a[i · row + k · column]; B (k × n, row stride ldb).
constexpr int64_t lanes = 16;

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

// Softmax of scores[0 … count), the rest up to `width` zero.
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

constexpr int64_t query_block = 64;

// One item and head, in float and without gaps.
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

// Probabilities of queries first … first + count - 1 into w.scores [count, keys]; w.transposed holds the
// keys.
void probabilities(const Attention& s, int64_t first, int64_t count, Work& w) {
  multiply(count, s.keys, s.size, w.q.data(), s.size, 1, w.transposed.data(), s.keys, w.scores.data(), s.keys,
           false);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t seen = s.causal ? first + i + 1 + s.keys - s.queries : s.keys;
    softmax(w.scores.data() + i * s.keys, seen, s.keys);
  }
}

// Of so few queries that to lay the keys out for a product of matrices would cost more than it saves.
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
void layer_norm(const T* x, T* y, float* inverse, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T* in = x + i * width;
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < width; ++j) sum += load(in[j]);
    const float mean = sum / static_cast<float>(width);
#pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < width; ++j) {
      const float d = load(in[j]) - mean;
      squares += d * d;
    }
    const float scale = 1 / std::sqrt(squares / static_cast<float>(width) + 1e-5F);
    inverse[i] = scale;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) store((load(in[j]) - mean) * scale, y[i * width + j]);
  }
}

template <typename T>
void layer_norm_backward(const T* dy, const T* y, const float* inverse, const T* add, T* dx, int64_t rows,
                         int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *g = dy + i * width, *n = y + i * width, *a = add ? add + i * width : nullptr;
    float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t j = 0; j < width; ++j) {
      sum += load(g[j]);
      product += load(g[j]) * load(n[j]);
    }
    sum /= static_cast<float>(width);
    product /= static_cast<float>(width);
    T* out = dx + i * width;
    const float scale = inverse[i];
    if (a) {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j)
        store((load(g[j]) - sum - load(n[j]) * product) * scale + load(a[j]), out[j]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) store((load(g[j]) - sum - load(n[j]) * product) * scale, out[j]);
    }
  }
}

template <typename T>
void relu_squared(const T* x, T* y, int64_t count) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) {
    const float r = std::max(load(x[i]), 0.0F);
    store(r * r, y[i]);
  }
}

template <typename T>
void relu_squared_backward(const T* x, const T* dy, T* dx, int64_t count) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) store(2 * std::max(load(x[i]), 0.0F) * load(dy[i]), dx[i]);
}

namespace {

// z · sigmoid(2u) is 0.5 z (1 + tanh u), u = √(2/π) (z + 0.044715 z³).
constexpr float root = 0.797884561F, cubic = 0.044715F;
inline float sigmoid_of_twice(float u) {
  const float e = exp_negative(-2 * std::abs(u));
  return (u < 0 ? e : 1.0F) / (1 + e);
}

}  // namespace

template <typename T>
void gelu(const T* x, const T* bias, T* y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float z = load(x[i * width + j]) + load(bias[j]);
      store(z * sigmoid_of_twice(root * (z + cubic * z * z * z)), y[i * width + j]);
    }
  }
}

template <typename T>
void gelu_backward(const T* x, const T* bias, const T* dy, T* dx, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float z = load(x[i * width + j]) + load(bias[j]);
      const float s = sigmoid_of_twice(root * (z + cubic * z * z * z));
      const float slope = s + z * s * (1 - s) * 2 * root * (1 + 3 * cubic * z * z);
      store(slope * load(dy[i * width + j]), dx[i * width + j]);
    }
  }
}

template <typename T>
void column_sums(const T* x, T* sums, int64_t rows, int64_t width) {
  constexpr int64_t strip = 64;
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < width; first += strip) {
    float sum[strip] = {};
    const int64_t count = std::min(strip, width - first);
    for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) sum[j] += load(x[i * width + first + j]);
    }
    for (int64_t j = 0; j < count; ++j) store(sum[j], sums[first + j]);
  }
}

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

template <typename T>
void cross_entropy(const T* logits, const int64_t* targets, float* nats, int64_t* best, T* gradient,
                   int64_t rows, int64_t classes) {
#pragma omp parallel
  {
    std::vector<float> x(classes);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows; ++i) {
      const T* in = logits + i * classes;
      float most = load(in[0]);
#pragma omp simd reduction(max : most)
      for (int64_t j = 0; j < classes; ++j) most = std::max(most, load(in[j]));
      int64_t greatest = 0;
      while (greatest < classes - 1 && load(in[greatest]) != most) ++greatest;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < classes; ++j) {
        x[j] = exp_negative(load(in[j]) - most);
        sum += x[j];
      }
      const float scale = 1 / sum;
      T* out = gradient + i * classes;
#pragma omp simd
      for (int64_t j = 0; j < classes; ++j) store(x[j] * scale, out[j]);
      store(x[targets[i]] * scale - 1, out[targets[i]]);  // exact where it is near 1
      nats[i] = std::log(sum) - (load(in[targets[i]]) - most);
      best[i] = greatest;
    }
  }
}

template <typename T>
void greedy(const T* logits, const int64_t* given, int64_t* best, float* log_best, float* log_last,
            float* log_given, int64_t rows, int64_t classes) {
  const int64_t last = classes - 1;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T* in = logits + i * classes;
    float most = load(in[0]);
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < last; ++j) most = std::max(most, load(in[j]));
    int64_t greatest = 0;
    while (greatest < last - 1 && load(in[greatest]) != most) ++greatest;
    const float top = std::max(most, load(in[last]));
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < classes; ++j) sum += exp_negative(load(in[j]) - top);
    const float normaliser = top + std::log(sum);
    best[i] = greatest;
    log_best[i] = most - normaliser;
    log_last[i] = load(in[last]) - normaliser;
    log_given[i] = load(in[given[i]]) - normaliser;
  }
}

template <typename T>
void embed(const int64_t* symbols, const float* table, const float* positions, T* y, int64_t rows,
           int64_t length, int64_t width) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows * length; ++i) {
    const float *e = table + symbols[i] * width, *p = positions + i % length * width;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) store(e[j] + p[j], y[i * width + j]);
  }
}

template <typename T>
void embed_backward(const int64_t* symbols, const T* dy, float* dtable, float* dpositions, int64_t rows,
                    int64_t length, int64_t width) {
  // Each thread takes some of the columns, so that the sums come in the same order whatever the number of
  // threads.
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t first = width * thread / threads, last = width * (thread + 1) / threads;
    for (int64_t i = 0; i < rows * length; ++i) {
      float *e = dtable + symbols[i] * width, *p = dpositions + i % length * width;
      const T* g = dy + i * width;
#pragma omp simd
      for (int64_t j = first; j < last; ++j) {
        e[j] += load(g[j]);
        p[j] += load(g[j]);
      }
    }
  }
}

void adamw(const AdamWStep& s, const float* gradient, float* parameter, float* first, float* second,
           int64_t count) {
  const float step = s.rate / s.correction1, root = 1 / std::sqrt(s.correction2), keep = 1 - s.rate * s.decay;
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * s.gradient_scale;
    first[i] += (g - first[i]) * (1 - s.beta1);
    second[i] = second[i] * s.beta2 + g * g * (1 - s.beta2);
    parameter[i] = parameter[i] * keep - step * first[i] / (std::sqrt(second[i]) * root + 1e-8F);
  }
}

#define BYTECPU_KERNELS(T)                                                                                \
  template void layer_norm(const T*, T*, float*, int64_t, int64_t);                                       \
  template void layer_norm_backward(const T*, const T*, const float*, const T*, T*, int64_t, int64_t);    \
  template void relu_squared(const T*, T*, int64_t);                                                      \
  template void relu_squared_backward(const T*, const T*, T*, int64_t);                                   \
  template void gelu(const T*, const T*, T*, int64_t, int64_t);                                           \
  template void gelu_backward(const T*, const T*, const T*, T*, int64_t, int64_t);                        \
  template void column_sums(const T*, T*, int64_t, int64_t);                                              \
  template void attention(const Attention&, const T*, const T*, const T*, T*);                            \
  template void attention_backward(const Attention&, const T*, const T*, const T*, const T*, T*, T*, T*); \
  template void cross_entropy(const T*, const int64_t*, float*, int64_t*, T*, int64_t, int64_t);          \
  template void greedy(const T*, const int64_t*, int64_t*, float*, float*, float*, int64_t, int64_t);     \
  template void embed(const int64_t*, const float*, const float*, T*, int64_t, int64_t, int64_t);         \
  template void embed_backward(const int64_t*, const T*, float*, float*, int64_t, int64_t, int64_t);

BYTECPU_KERNELS(float)
BYTECPU_KERNELS(Bf16)

}  // namespace bytecpu::kernels
