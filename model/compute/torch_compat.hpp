// What differs between LibTorch's versions, Debian's 1.13 and the 2.x of a PyTorch wheel, and between devices.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>

#include <cmath>
#include <vector>

#include "model/compute/adamw.hpp"

namespace bytecpu {

// A tensor or none, as LibTorch's differentiable functions take it.
#if TORCH_VERSION_MAJOR >= 2
using OptionalTensor = std::optional<torch::Tensor>;
#else
using OptionalTensor = c10::optional<torch::Tensor>;
#endif
inline OptionalTensor if_defined(const torch::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor();
}

// Softmax(q·kᵀ / √d + causal mask)·v. q: [B, heads, Tq, d]; k, v: [B, heads, Tk, d], Tk >= Tq: the queries are the
// last Tq of the Tk positions.
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

// adamw() by LibTorch: in one pass where it has that, as 2.x does, otherwise composed.
inline void fused_adamw(const AdamWTensors& t, const torch::Tensor& divisor, const AdamWSettings& s) {
#if TORCH_VERSION_MAJOR >= 2
  const std::vector<torch::Tensor> steps(
      t.parameters.size(),
      torch::full({}, static_cast<double>(s.step), divisor.options().dtype(torch::kFloat)));
  at::_fused_adamw_(t.parameters, t.gradients, t.first, t.second, {}, steps, s.rate, s.beta1, s.beta2,
                    s.decay, 1e-8, /*amsgrad=*/false, /*maximize=*/false, divisor);
#else
  const double correction1 = 1 - std::pow(s.beta1, s.step), correction2 = 1 - std::pow(s.beta2, s.step);
  for (size_t i = 0; i < t.parameters.size(); ++i) {
    auto p = t.parameters[i], first = t.first[i], second = t.second[i];
    const auto gradient = t.gradients[i] / divisor;
    first.lerp_(gradient, 1 - s.beta1);
    second.mul_(s.beta2).addcmul_(gradient, gradient, 1 - s.beta2);
    if (s.decay > 0) p.mul_(1 - s.rate * s.decay);
    p.addcdiv_(first, (second / correction2).sqrt_().add_(1e-8), -s.rate / correction1);
  }
#endif
}

// The tensor on `device`; a copy to a GPU is waited for by nothing but what uses it.
inline torch::Tensor upload(const torch::Tensor& tensor, torch::Device device) {
  return device.is_cuda() ? tensor.pin_memory().to(device, /*non_blocking=*/true) : tensor;
}

// Whether this processor has instructions for products of bf16 numbers.
inline bool cpu_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace bytecpu
