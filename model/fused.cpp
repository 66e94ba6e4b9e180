#include "model/fused.hpp"

#include <cmath>

#include "model/kernels.hpp"
#include "model/torch_compat.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

bool fast(const Tensor& x) {
  return use_kernels() && x.is_cpu() &&
         (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
}

// Calls visit with a null pointer of the kernels' element type.
template <typename Visit>
void for_type(const Tensor& x, Visit visit) {
  if (x.scalar_type() == torch::kFloat) {
    visit(static_cast<float*>(nullptr));
  } else {
    visit(static_cast<kernels::Bf16*>(nullptr));
  }
}

template <typename T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

std::pair<Tensor, Tensor> normalised(const Tensor& x) {
  auto y = torch::empty_like(x);
  const int64_t width = x.size(-1), rows = x.numel() / width;
  auto inverse = torch::empty({rows}, x.options().dtype(torch::kFloat));
  for_type(x, [&]<typename T>(T*) {
    kernels::layer_norm(data<const T>(x), data<T>(y), data<float>(inverse), rows, width);
  });
  return {y, inverse};
}

// `add`, if defined, is added to the gradient.
Tensor normalised_backward(const Tensor& dy, const Tensor& y, const Tensor& inverse, const Tensor& add) {
  auto dx = torch::empty_like(y);
  const int64_t width = y.size(-1), rows = y.numel() / width;
  for_type(y, [&]<typename T>(T*) {
    kernels::layer_norm_backward(data<const T>(dy), data<const T>(y), data<const float>(inverse),
                                 add.defined() ? data<const T>(add) : nullptr, data<T>(dx), rows, width);
  });
  return dx;
}

struct LayerNormFunction : Function<LayerNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input) {
    auto [y, inverse] = normalised(input.contiguous());
    context->save_for_backward({y, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {normalised_backward(gradients[0].contiguous(), saved[0], saved[1], {})};
  }
};

struct ResidualMlpFunction : Function<ResidualMlpFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& up, const Tensor& down) {
    const auto x = input.contiguous().view({-1, input.size(-1)});
    auto [y, inverse] = normalised(x);
    const auto hidden = torch::mm(y, up);
    auto squared = torch::empty_like(hidden);
    for_type(x, [&]<typename T>(T*) {
      kernels::relu_squared(data<const T>(hidden), data<T>(squared), hidden.numel());
    });
    context->save_for_backward({y, inverse, hidden, squared, up, down});
    return torch::addmm(x, squared, down).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &hidden = saved[2], &squared = saved[3], &up = saved[4],
               &down = saved[5];
    const auto g = gradients[0].contiguous().view({-1, y.size(-1)});
    auto dhidden = torch::mm(g, down.t());
    for_type(y, [&]<typename T>(T*) {
      kernels::relu_squared_backward(data<const T>(hidden), data<const T>(dhidden), data<T>(dhidden),
                                     hidden.numel());
    });
    const auto dx = normalised_backward(torch::mm(dhidden, up.t()), y, inverse, g);
    return {dx.view(gradients[0].sizes()), torch::mm(y.t(), dhidden), torch::mm(squared.t(), g)};
  }
};

// qkv: [N, P, 3 · width], what each position asks, its key and its value beside each other.
kernels::Attention self_attention_shape(const Tensor& qkv, int64_t heads, bool causal) {
  return {.batch = qkv.size(0),
          .heads = heads,
          .size = qkv.size(2) / 3 / heads,
          .queries = qkv.size(1),
          .keys = qkv.size(1),
          .query_item = qkv.stride(0),
          .key_item = qkv.stride(0),
          .query_stride = qkv.size(2),
          .key_stride = qkv.size(2),
          .causal = causal};
}

// Returns [N, P, width].
Tensor self_attention(const Tensor& qkv, int64_t heads, bool causal) {
  const int64_t width = qkv.size(2) / 3;
  auto out = torch::empty({qkv.size(0), qkv.size(1), width}, qkv.options());
  for_type(qkv, [&]<typename T>(T*) {
    const T* q = data<const T>(qkv);
    kernels::attention(self_attention_shape(qkv, heads, causal), q, q + width, q + 2 * width, data<T>(out));
  });
  return out;
}

Tensor self_attention_backward(const Tensor& qkv, const Tensor& dout, int64_t heads, bool causal) {
  const int64_t width = qkv.size(2) / 3;
  auto dqkv = torch::empty_like(qkv);
  for_type(qkv, [&]<typename T>(T*) {
    const T* q = data<const T>(qkv);
    T* dq = data<T>(dqkv);
    kernels::attention_backward(self_attention_shape(qkv, heads, causal), q, q + width, q + 2 * width,
                                data<const T>(dout), dq, dq + width, dq + 2 * width);
  });
  return dqkv;
}

struct ResidualAttentionFunction : Function<ResidualAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& qkv_weight,
                        const Tensor& out, int64_t heads, bool causal) {
    const auto x = input.contiguous().view({-1, input.size(-1)});
    auto [y, inverse] = normalised(x);
    const auto qkv = torch::mm(y, qkv_weight).view({input.size(0), input.size(1), qkv_weight.size(1)});
    const auto mixed = self_attention(qkv, heads, causal).view(x.sizes());
    context->save_for_backward({y, inverse, qkv, mixed, qkv_weight, out});
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    return torch::addmm(x, mixed, out).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &qkv = saved[2], &mixed = saved[3], &qkv_weight = saved[4],
               &out = saved[5];
    const auto g = gradients[0].contiguous().view(y.sizes());
    const auto dqkv =
        self_attention_backward(qkv, torch::mm(g, out.t()), context->saved_data["heads"].toInt(),
                                context->saved_data["causal"].toBool())
            .view({y.size(0), qkv_weight.size(1)});
    const auto dx = normalised_backward(torch::mm(dqkv, qkv_weight.t()), y, inverse, g);
    return {dx.view(gradients[0].sizes()), torch::mm(y.t(), dqkv), torch::mm(mixed.t(), g), Tensor(),
            Tensor()};
  }
};

kernels::Attention cross_attention_shape(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) {
  return {.batch = q.size(0),
          .heads = heads,
          .size = q.size(2) / heads,
          .queries = q.size(1),
          .keys = kv.size(1),
          .query_item = q.stride(0),
          .key_item = kv.stride(0),
          .query_stride = q.stride(1),
          .key_stride = kv.stride(1),
          .causal = causal};
}

// Of tensors with any strides but along the last dimension.
Tensor attend(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) {
  auto out = torch::empty(q.sizes(), q.options());
  for_type(q, [&]<typename T>(T*) {
    const T* k = data<const T>(kv);
    kernels::attention(cross_attention_shape(q, kv, heads, causal), data<const T>(q), k, k + q.size(2),
                       data<T>(out));
  });
  return out;
}

struct CrossAttentionFunction : Function<CrossAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& queries, const Tensor& keys_values,
                        int64_t heads, bool causal) {
    const auto q = queries.contiguous(), kv = keys_values.contiguous();
    const auto out = attend(q, kv, heads, causal);
    context->save_for_backward({q, kv});
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &kv = saved[1];
    const auto g = gradients[0].contiguous();
    const auto o = cross_attention_shape(q, kv, context->saved_data["heads"].toInt(),
                                         context->saved_data["causal"].toBool());
    auto dq = torch::empty_like(q), dkv = torch::empty_like(kv);
    for_type(q, [&]<typename T>(T*) {
      const T* k = data<const T>(kv);
      T* dk = data<T>(dkv);
      kernels::attention_backward(o, data<const T>(q), k, k + q.size(2), data<const T>(g), data<T>(dq), dk,
                                  dk + q.size(2));
    });
    return {dq, dkv, Tensor(), Tensor()};
  }
};

struct EmbedFunction : Function<EmbedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& symbols, const Tensor& table,
                        const Tensor& positions, int64_t precision) {
    auto y = torch::empty({symbols.size(0), symbols.size(1), table.size(1)},
                          table.options().dtype(static_cast<torch::ScalarType>(precision)));
    for_type(y, [&]<typename T>(T*) {
      kernels::embed(data<const int64_t>(symbols), data<const float>(table), data<const float>(positions),
                     data<T>(y), symbols.size(0), symbols.size(1), table.size(1));
    });
    context->save_for_backward({symbols, table, positions});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto g = gradients[0].contiguous();
    auto dtable = torch::zeros_like(saved[1]), dpositions = torch::zeros_like(saved[2]);
    for_type(g, [&]<typename T>(T*) {
      kernels::embed_backward(data<const int64_t>(saved[0]), data<const T>(g), data<float>(dtable),
                              data<float>(dpositions), g.size(0), g.size(1), g.size(2));
    });
    return {Tensor(), dtable, dpositions, Tensor()};
  }
};

// Returns nats [N], best [N] and their mean.
struct ClassLossFunction : Function<ClassLossFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& logits, const Tensor& targets) {
    const int64_t rows = logits.size(0), classes = logits.size(1);
    auto nats = torch::empty({rows}, logits.options().dtype(torch::kFloat));
    auto best = torch::empty({rows}, targets.options());
    auto gradient = torch::empty_like(logits);
    for_type(logits, [&]<typename T>(T*) {
      kernels::cross_entropy(data<const T>(logits), data<const int64_t>(targets), data<float>(nats),
                             data<int64_t>(best), data<T>(gradient), rows, classes);
    });
    context->save_for_backward({gradient});
    context->mark_non_differentiable({nats, best});
    return {nats.mean(), nats, best};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto gradient = context->get_saved_variables()[0];
    return {gradient.mul(gradients[0].item<double>() / static_cast<double>(gradient.size(0))), Tensor()};
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

bool& use_kernels() {
  thread_local bool use = true;
  return use;
}

Tensor layer_norm(const Tensor& x) {
  if (fast(x)) return LayerNormFunction::apply(x);
  return torch::layer_norm(x.to(torch::promote_types(x.scalar_type(), torch::kFloat)), {x.size(-1)})
      .to(x.dtype());
}

Tensor residual_mlp(const Tensor& x, const Tensor& up, const Tensor& down) {
  if (fast(x)) return ResidualMlpFunction::apply(x, up, down);
  return x + torch::matmul(torch::relu(torch::matmul(layer_norm(x), up)).square(), down);
}

Tensor residual_attention(const Tensor& x, const Tensor& qkv, const Tensor& out, int64_t heads, bool causal) {
  if (fast(x)) return ResidualAttentionFunction::apply(x, qkv, out, heads, causal);
  const auto parts = torch::matmul(layer_norm(x), qkv).chunk(3, 2);
  return x + torch::matmul(plain_attention(parts[0], parts[1], parts[2], heads, causal), out);
}

Tensor cross_attention(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) {
  if (fast(q) && at::GradMode::is_enabled()) return CrossAttentionFunction::apply(q, kv, heads, causal);
  if (fast(q) && q.stride(2) == 1 && kv.stride(2) == 1) return attend(q, kv, heads, causal);
  const auto parts = kv.chunk(2, 2);
  return plain_attention(q, parts[0], parts[1], heads, causal);
}

Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
             torch::ScalarType precision) {
  if (fast(table) && precision != torch::kDouble) {
    return EmbedFunction::apply(symbols.contiguous(), table, positions, static_cast<int64_t>(precision));
  }
  return torch::embedding(table.to(precision), symbols) + positions.to(precision);
}

ClassLoss class_loss(const Tensor& logits, const Tensor& targets) {
  if (fast(logits)) {
    const auto result = ClassLossFunction::apply(logits.contiguous(), targets.contiguous());
    return {.nats = result[1], .mean = result[0], .best = result[2]};
  }
  const auto wide = logits.to(torch::promote_types(logits.scalar_type(), torch::kFloat));
  const auto nats = at::cross_entropy_loss(wide, targets, {}, at::Reduction::None);
  return {.nats = nats.detach(), .mean = nats.mean(), .best = logits.detach().argmax(-1)};
}

Greedy greedy(const Tensor& logits, const Tensor& given) {
  const int64_t rows = logits.size(0), last = logits.size(1) - 1;
  const auto f32 = logits.options().dtype(torch::kFloat);
  if (fast(logits)) {
    const auto x = logits.contiguous(), symbols = given.contiguous();
    Greedy g{.best = torch::empty({rows}, given.options()),
             .log_best = torch::empty({rows}, f32),
             .log_last = torch::empty({rows}, f32),
             .log_given = torch::empty({rows}, f32)};
    for_type(x, [&]<typename T>(T*) {
      kernels::greedy(data<const T>(x), data<const int64_t>(symbols), data<int64_t>(g.best),
                      data<float>(g.log_best), data<float>(g.log_last), data<float>(g.log_given), rows,
                      last + 1);
    });
    return g;
  }
  const auto log_p = logits.to(torch::kFloat).log_softmax(1);
  const auto [log_best, best] = log_p.slice(1, 0, last).max(1);
  return {.best = best,
          .log_best = log_best,
          .log_last = log_p.select(1, last),
          .log_given = log_p.gather(1, given.unsqueeze(1)).squeeze(1)};
}

}  // namespace bytecpu
