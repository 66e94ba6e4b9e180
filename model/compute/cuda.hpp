// The pieces of fused.hpp's operations on a GPU, bf16 tensors in and out, on the current stream. Products
// with what follows them are cuBLASLt's; where it has none for a shape, the same is composed of LibTorch's
// operations.
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

namespace bytecpu::cuda {

// Whether this build has them: LibTorch is a CUDA build. Without it none of the others may be called.
bool built();
// The current GPU's name, such as "NVIDIA H200".
std::string card();

// Whether rows of this width and heads of this size are taken.
bool takes_width(int64_t width);
bool takes_head(int64_t size);

// As kernels.hpp's layer_norm: y, and 1 / standard deviation of each row.
std::pair<torch::Tensor, torch::Tensor> normalised(const torch::Tensor& x);
torch::Tensor normalised_backward(const torch::Tensor& dy, const torch::Tensor& y,
                                  const torch::Tensor& inverse, const torch::Tensor& add);

torch::Tensor relu_squared(const torch::Tensor& x);
torch::Tensor relu_squared_backward(const torch::Tensor& x, const torch::Tensor& dy);

// Attention and what its gradient needs besides the inputs. q, k, v: [B, T, heads, size], not necessarily
// contiguous. Causal: as many queries as keys.
struct Attended {
  torch::Tensor out;  // [B, Tq, heads, size]
  std::vector<torch::Tensor> saved;
};
Attended attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, bool causal);
// Gradients, in dq, dk and dv.
void attention_backward(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        const Attended& attended, const torch::Tensor& dout, bool causal, torch::Tensor dq,
                        torch::Tensor dk, torch::Tensor dv);
// Among 16 positions: qkv [N, 16, 3 · heads · size], heads of 32 or 64.
bool is_short(const torch::Tensor& qkv, int64_t heads);
torch::Tensor short_attention(const torch::Tensor& qkv, int64_t heads, bool causal);
torch::Tensor short_attention_backward(const torch::Tensor& qkv, const torch::Tensor& dout, int64_t heads,
                                       bool causal);

// residual + x·weight + bias; bias [columns].
torch::Tensor add_product(const torch::Tensor& residual, const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias);
// x·weight + bias, and its GELU (tanh approximation).
std::pair<torch::Tensor, torch::Tensor> gelu_product(const torch::Tensor& x, const torch::Tensor& weight,
                                                     const torch::Tensor& bias);
// dx of GELU for dy = g·weightᵀ, and the sums of its columns.
std::pair<torch::Tensor, torch::Tensor> gelu_product_backward(const torch::Tensor& g,
                                                              const torch::Tensor& weight,
                                                              const torch::Tensor& x);
// xᵀ·dy and the sums of dy's columns: gradients of a weight and its bias.
std::pair<torch::Tensor, torch::Tensor> weight_gradient(const torch::Tensor& x, const torch::Tensor& dy);

struct Classes {
  torch::Tensor nats, best, gradient;
};
// logits [N, classes], rows possibly further apart; the gradient lies as they do.
bool takes_classes(const torch::Tensor& logits);
Classes cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace bytecpu::cuda
