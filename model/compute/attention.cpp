#include "model/compute/attention.hpp"

#include <cmath>

#include "model/compute/backend.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct ResidualAttentionFunction : Function<ResidualAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& qkv_weight,
                        const OptionalTensor& qkv_bias, const Tensor& out_weight,
                        const OptionalTensor& out_bias, int64_t heads, bool causal) {
    const auto& backend = backend_on(input.device());
    const auto x = input.contiguous().view({-1, input.size(-1)});
    const auto [y, inverse] = backend.layer_norm(x);
    const auto qkv = product(y, Linear(qkv_weight, qkv_bias.value_or(Tensor())))
                         .view({input.size(0), input.size(1), qkv_weight.size(1)});
    const auto attended = backend.self_attention(qkv, heads, causal);
    const auto mixed = attended.out.view(x.sizes());
    variable_list saved = {y, inverse, qkv, mixed, qkv_weight, out_weight};
    saved.insert(saved.end(), attended.saved.begin(), attended.saved.end());
    context->save_for_backward(saved);
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    context->saved_data["biases"] = out_bias.has_value();
    return backend.add_product(x, mixed, out_weight, out_bias.value_or(Tensor())).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &qkv = saved[2], &mixed = saved[3], &qkv_weight = saved[4],
               &out_weight = saved[5];
    const std::vector<Tensor> attended(saved.begin() + 6, saved.end());
    const auto& backend = backend_on(y.device());
    const auto bias_gradient = [&, biases = context->saved_data["biases"].toBool()](const Tensor& dy) {
      return biases ? backend.column_sums(dy) : Tensor();
    };
    const auto g = gradients[0].contiguous().view(y.sizes());
    const auto dmixed = product(g, out_weight.t()).view(gradients[0].sizes());
    const auto dqkv =
        backend
            .self_attention_backward(qkv, attended, dmixed, context->saved_data["heads"].toInt(),
                                     context->saved_data["causal"].toBool())
            .view({y.size(0), qkv_weight.size(1)});
    const auto dx = backend.layer_norm_backward(product(dqkv, qkv_weight.t()), y, inverse, g);
    return {dx.view(gradients[0].sizes()),
            product(y.t(), dqkv),
            bias_gradient(dqkv),
            product(mixed.t(), g),
            bias_gradient(g),
            Tensor(),
            Tensor()};
  }
};

struct CrossAttentionFunction : Function<CrossAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& queries, const Tensor& keys_values,
                        int64_t heads, bool causal) {
    const auto q = queries.contiguous(), kv = keys_values.contiguous();
    const auto attended = backend_on(q.device()).cross_attention(q, kv, heads, causal);
    variable_list saved = {q, kv};
    saved.insert(saved.end(), attended.saved.begin(), attended.saved.end());
    context->save_for_backward(saved);
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    return attended.out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &kv = saved[1];
    const auto [dq, dkv] =
        backend_on(q.device())
            .cross_attention_backward(q, kv, {saved.begin() + 2, saved.end()}, gradients[0].contiguous(),
                                      context->saved_data["heads"].toInt(),
                                      context->saved_data["causal"].toBool());
    return {dq, dkv, Tensor(), Tensor()};
  }
};

Tensor split_heads(const Tensor& x, int64_t heads) {  // [B, T, width] → [B, heads, T, width / heads]
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, bool causal) {
  const auto queries = split_heads(q, heads), keys = split_heads(k, heads), values = split_heads(v, heads);
  Tensor mixed;
  if (causal) {
    mixed = causal_attention(queries, keys, values);
  } else {
    const double scale = 1.0 / std::sqrt(static_cast<double>(queries.size(3)));
    mixed = torch::matmul(torch::matmul(queries * scale, keys.transpose(-1, -2)).softmax(-1), values);
  }
  return mixed.transpose(1, 2).reshape(q.sizes());
}

}  // namespace

Tensor residual_attention(const Tensor& x, const Linear& qkv, const Linear& out, int64_t heads, bool causal) {
  const Backend* backend = backend_for_rows(x);
  if (backend && backend->takes_attention(x.size(2) / heads, x.size(1), x.size(1), causal)) {
    return ResidualAttentionFunction::apply(x, qkv.weight, if_defined(qkv.bias), out.weight,
                                            if_defined(out.bias), heads, causal);
  }
  auto all = torch::matmul(layer_norm(x), qkv.weight);
  if (qkv.bias.defined()) all = all + qkv.bias;
  const auto parts = all.chunk(3, 2);
  const auto mixed = plain_attention(parts[0], parts[1], parts[2], heads, causal);
  const auto sum = x + torch::matmul(mixed, out.weight);
  return out.bias.defined() ? sum + out.bias : sum;
}

Tensor cross_attention(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) {
  const Backend* backend = backend_for(q.device(), q.scalar_type());
  if (backend && backend->takes_attention(q.size(2) / heads, q.size(1), kv.size(1), causal)) {
    // Without gradients nothing need be kept, nor copied where it is part of a larger tensor, as a cache is.
    const bool as_it_lies = !at::GradMode::is_enabled() && q.stride(2) == 1 && kv.stride(2) == 1;
    return as_it_lies ? backend->cross_attention(q, kv, heads, causal).out
                      : CrossAttentionFunction::apply(q, kv, heads, causal);
  }
  const auto parts = kv.chunk(2, 2);
  return plain_attention(q, parts[0], parts[1], heads, causal);
}

}  // namespace bytecpu
