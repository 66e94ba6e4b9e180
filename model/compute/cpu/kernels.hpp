// The kernels of the CPU: each is one pass over its data, between two products of matrices. Plain pointers and no
// LibTorch, because these sources are compiled for the processor that builds them. T is float or Bf16; sums are
// in float; threads are OpenMP's.
#pragma once

#include <cstdint>

namespace bytecpu::cpu {

// The upper half of a float.
struct Bf16 {
  uint16_t bits;
};

// layer_norm.cpp
// y = (x - mean) / sqrt(variance + 1e-5) of each row; inverse[row] = 1 / sqrt(variance + 1e-5). x, y: [rows, width].
template <typename T>
void layer_norm(const T* x, T* y, float* inverse, int64_t rows, int64_t width);
// dx = the gradient of layer_norm for dy, plus `add` where it is not null. All are [rows, width]; y is layer_norm's.
template <typename T>
void layer_norm_backward(const T* dy, const T* y, const float* inverse, const T* add, T* dx, int64_t rows,
                         int64_t width);

// mlp.cpp; every dx may be its dy.
// y = max(x, 0)², and dx = 2 max(x, 0) dy.
template <typename T>
void relu_squared(const T* x, T* y, int64_t count);
template <typename T>
void relu_squared_backward(const T* x, const T* dy, T* dx, int64_t count);
// With z = x + bias: y = z · Φ(z), Φ by its tanh approximation (Hendrycks and Gimpel, 2016; arXiv 1606.08415), and
// dx = y'(z) dy. x, y, dy, dx: [rows, width]; bias [width].
template <typename T>
void gelu(const T* x, const T* bias, T* y, int64_t rows, int64_t width);
template <typename T>
void gelu_backward(const T* x, const T* bias, const T* dy, T* dx, int64_t rows, int64_t width);

// column_sums.cpp
// sums[j] = sum over i of x[i, j]; x: [rows, width].
template <typename T>
void column_sums(const T* x, T* sums, int64_t rows, int64_t width);

// attention.cpp
// The shape of an attention: for each item b of the batch and each head h, softmax(q·kᵀ / √size + mask)·v. The
// vector of position i starts at b · item + i · stride + h · size; values lie as keys do.
struct Attention {
  int64_t batch, heads, size;
  int64_t queries, keys;             // positions an item
  int64_t query_item, key_item;      // elements from an item to the next
  int64_t query_stride, key_stride;  // elements from a position to the next
  bool causal;                       // the queries are the last of the keys' positions
};
// out: [batch, queries, heads · size], without gaps.
template <typename T>
void attention(const Attention& shape, const T* q, const T* k, const T* v, T* out);
// The gradients lie as q, k and v do.
template <typename T>
void attention_backward(const Attention& shape, const T* q, const T* k, const T* v, const T* dout, T* dq,
                        T* dk, T* dv);

// embedding.cpp
// y[n, p] = table[symbols[n, p]] + positions[p]; symbols [rows, length], table [classes, width], positions
// [length, width].
template <typename T>
void embed(const int64_t* symbols, const float* table, const float* positions, T* y, int64_t rows,
           int64_t length, int64_t width);
// Adds dy to dtable [classes, width] and dpositions [length, width].
template <typename T>
void embed_backward(const int64_t* symbols, const T* dy, float* dtable, float* dpositions, int64_t rows,
                    int64_t length, int64_t width);

// class_loss.cpp
// For each row of logits [rows, classes]: nats[row] = -log softmax(logits)[target], best[row] = the index of the
// greatest logit, and gradient = softmax(logits) - onehot(target).
template <typename T>
void cross_entropy(const T* logits, const int64_t* targets, float* nats, int64_t* best, T* gradient,
                   int64_t rows, int64_t classes);

// greedy.cpp
// For each row of logits [rows, classes]: the index of the greatest logit, the last class left out, and the
// log-probabilities of that class, of the last class and of given[row].
template <typename T>
void greedy(const T* logits, const int64_t* given, int64_t* best, float* log_best, float* log_last,
            float* log_given, int64_t rows, int64_t classes);

// words.cpp; what they compute is in windows.hpp and scan.hpp.
struct Words {
  int64_t queries, heads, words;
  int64_t planes, length;  // of an item's bits: [planes, length]
};
void mix_words(const Words& shape, const float* weights, const int8_t* planes, const int64_t* item,
               const int64_t* shift, float* out);
void mix_words_backward(const Words& shape, const float* dout, const int8_t* planes, const int64_t* item,
                        const int64_t* shift, float* dweights);
void rotate_words(const float* weights, const float* words, float* out, int64_t rows);
void rotate_words_backward(const float* weights, const float* words, const float* dout, float* dweights,
                           float* dwords, int64_t rows);
struct OwnWords {
  int64_t rows, heads, words;
};
void sum_words(const OwnWords& shape, const float* weights, const float* words, float* out);
void sum_words_backward(const OwnWords& shape, const float* weights, const float* words, const float* dout,
                        float* dweights, float* dwords);
template <typename T>
void scan(const T* gates, const int64_t* bounds, const T* start, T* out, int64_t sequences, int64_t channels);
template <typename T>
void scan_backward(const T* gates, const int64_t* bounds, const T* start, const T* out, const T* dout,
                   T* dgates, T* dstart, int64_t sequences, int64_t channels);

// arithmetic.cpp; what they compute is in arithmetic.hpp.
struct Results {
  int64_t rows, words, all, results;  // the first `words` of all words of a row
};
void arithmetic(const Results& shape, const float* word_bits, int32_t* out);
void mix_numbers(const OwnWords& shape, const float* weights, const int32_t* numbers, float* out);
void mix_numbers_backward(const OwnWords& shape, const float* dout, const int32_t* numbers, float* dweights);

// pointer.cpp; what it computes and the shapes are in pointer.hpp.
struct Pointers {
  int64_t pointers, steps, places;
};
struct PointerInputs {
  const float *scores, *stops, *targets, *advances, *jumps, *start;
};
struct PointerGradients {
  float *scores, *stops, *targets, *advances, *jumps;
};
// places: [pointers, steps, places]; sums: [pointers, steps], what each row was divided by.
void move_pointers(const Pointers& shape, const PointerInputs& in, float* places, float* sums);
void move_pointers_backward(const Pointers& shape, const PointerInputs& in, const float* places,
                            const float* sums, const float* dplaces, const PointerGradients& out);

// adamw.cpp
// AdamW's update of one tensor, its gradient times gradient_scale; correctionN = 1 - betaN^steps.
struct AdamWStep {
  float rate, beta1, beta2, decay, correction1, correction2, gradient_scale;
};
void adamw(const AdamWStep& step, const float* gradient, float* parameter, float* first, float* second,
           int64_t count);

}  // namespace bytecpu::cpu
