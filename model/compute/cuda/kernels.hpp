// The kernels of a GPU: each is one pass over its data, between two products of matrices. As cpu/kernels.hpp, but
// bf16 only. Plain pointers to the GPU's memory; `stream` is a cudaStream_t.
#pragma once

#include <cstdint>

namespace bytecpu::cuda {

// A bf16 number of the GPU; only pointers to it are used.
struct Bf16;

inline constexpr int64_t widest_row = 1024;   // of layer_norm; widths are multiples of 8
inline constexpr int64_t most_classes = 288;  // of cross_entropy
inline constexpr int64_t short_length = 16;   // positions of short_attention

// layer_norm.cuh
void layer_norm(const Bf16* x, Bf16* y, float* inverse, int64_t rows, int64_t width, void* stream);
void layer_norm_backward(const Bf16* dy, const Bf16* y, const float* inverse, const Bf16* add, Bf16* dx,
                         int64_t rows, int64_t width, void* stream);

// mlp.cuh; count: a multiple of 8.
void relu_squared(const Bf16* x, Bf16* y, int64_t count, void* stream);
void relu_squared_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t count, void* stream);

// attention.cuh
// Self-attention among 16 positions. qkv: [rows, 16, 3 · heads · size], size 32 or 64; out: [rows, 16, heads · size].
void short_attention(const Bf16* qkv, Bf16* out, int64_t rows, int heads, int size, bool causal,
                     void* stream);
void short_attention_backward(const Bf16* qkv, const Bf16* dout, Bf16* dqkv, int64_t rows, int heads,
                              int size, bool causal, void* stream);

// class_loss.cuh
// Rows of logits and gradient begin `stride` elements apart; the gradient is 0 beyond the classes.
void cross_entropy(const Bf16* logits, const int64_t* targets, float* nats, int64_t* best, Bf16* gradient,
                   int64_t rows, int64_t classes, int64_t stride, void* stream);

}  // namespace bytecpu::cuda
