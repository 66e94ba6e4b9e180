// Differentiable operations between matrix products. On the CPU in float and bf16 (kernels.hpp), and on a GPU
// in bf16 (cuda.hpp), each is one pass over its data; elsewhere, and in double, the same is composed of
// LibTorch's operations: the plain version that the fast one is tested against.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// Normalises the last dimension to mean 0 and variance 1 (eps 1e-5).
torch::Tensor layer_norm(const torch::Tensor& x);
// What a product is with: x·weight, or x·weight + bias. weight [in, out], bias [out] or undefined.
struct Linear {
  Linear(torch::Tensor weight_, torch::Tensor bias_ = {})
      : weight(std::move(weight_)), bias(std::move(bias_)) {}
  torch::Tensor weight, bias;
};
// x + max(layer_norm(x)·up, 0)²·down. x: [..., width], up [width, hidden], down [hidden, width].
torch::Tensor residual_mlp(const torch::Tensor& x, const torch::Tensor& up, const torch::Tensor& down);
// x + down(GELU(up(layer_norm(x)))), GELU by its tanh approximation; both with biases.
torch::Tensor residual_gelu_mlp(const torch::Tensor& x, const Linear& up, const Linear& down);
// x + out(attention(qkv(layer_norm(x)))), among the P positions of each of N rows; biases in both or none. x:
// [N, P, width], qkv [width, 3 · width], out [width, width].
torch::Tensor residual_attention(const torch::Tensor& x, const Linear& qkv, const Linear& out, int64_t heads,
                                 bool causal);
// Softmax(q·kᵀ / √(width / heads))·v in each head. q: [B, Tq, width]; kv: [B, Tk, 2 · width], keys before
// values; returns [B, Tq, width]. Causal: the queries are the last of the Tk positions.
torch::Tensor cross_attention(const torch::Tensor& q, const torch::Tensor& kv, int64_t heads,
                              bool causal = false);
// table[symbols] + positions, in `precision`. symbols I64 [N, P]; table [classes, width]; positions [P,
// width].
torch::Tensor embed(const torch::Tensor& symbols, const torch::Tensor& table, const torch::Tensor& positions,
                    torch::ScalarType precision);

// x·tableᵀ. x: [..., width], table [symbols, width] of the same type.
torch::Tensor symbol_logits(const torch::Tensor& x, const torch::Tensor& table);

struct ClassLoss {
  torch::Tensor nats;  // [N] negative log-likelihood of each target; only their mean has a gradient
  torch::Tensor mean;  // scalar, differentiable
  torch::Tensor best;  // I64 [N] the most probable class
};
// logits [N, classes], targets I64 [N].
ClassLoss class_loss(const torch::Tensor& logits, const torch::Tensor& targets);

// What greedy decoding asks of logits [N, classes]; without gradients.
struct Greedy {
  torch::Tensor best;       // I64 [N] the most probable class but the last; of equal ones the first
  torch::Tensor log_best;   // F32 [N] its log-probability among all classes
  torch::Tensor log_last;   // F32 [N] that of the last class
  torch::Tensor log_given;  // F32 [N] that of `given`, I64 [N]
};
Greedy greedy(const torch::Tensor& logits, const torch::Tensor& given);

// Whether this thread's fused operations use the kernels where they can; for tests and benchmarks.
bool& use_kernels();

}  // namespace bytecpu
