// What differs between LibTorch versions, and nothing else: Debian's 1.13 and the 2.x of a PyTorch wheel.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>

#include <cmath>

namespace bytecpu {

// Softmax(q·kᵀ / √d + causal mask)·v. q: [B, heads, Tq, d]; k, v: [B, heads, Tk, d], Tk >= Tq: the queries
// are the last Tq of the Tk positions.
inline torch::Tensor causal_attention(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v) {
  const int64_t queries = q.size(2), keys = k.size(2);
#if TORCH_VERSION_MAJOR >= 2
  if (queries == keys) return at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true);
#endif
  auto scores = torch::matmul(q * (1.0 / std::sqrt(static_cast<double>(q.size(3)))), k.transpose(-1, -2));
  if (queries > 1) {
    const auto mask = torch::full({queries, keys}, -1e9, scores.options()).triu(1 + keys - queries);
    scores = scores + mask;
  }
  return torch::matmul(scores.softmax(-1), v);
}

// Whether products of bf16 numbers are faster than those of float numbers on this processor.
inline bool cpu_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace bytecpu
