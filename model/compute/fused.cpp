#include "model/compute/fused.hpp"

#include <cmath>

#include "model/compute/cuda.hpp"
#include "model/compute/kernels.hpp"
#include "model/compute/product.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

bool fast(const Tensor& x) {
  if (!use_kernels()) return false;
  if (x.is_cuda()) return cuda::built() && x.scalar_type() == torch::kBFloat16;
  return x.is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
}
bool fast_rows(const Tensor& x) { return fast(x) && (x.is_cpu() || cuda::takes_width(x.size(-1))); }
bool fast_heads(const Tensor& x, int64_t heads) {
  return fast(x) && (x.is_cpu() || cuda::takes_head(x.size(-1) / heads));
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
  if (x.is_cuda()) return cuda::normalised(x);
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
  if (y.is_cuda()) return cuda::normalised_backward(dy, y, inverse, add);
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

Tensor product_and_bias(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return bias.defined() ? add_product(bias, x, weight) : product(x, weight);
}

Tensor add_product_and_bias(const Tensor& residual, const Tensor& x, const Tensor& weight,
                            const Tensor& bias) {
  if (bias.defined() && x.is_cuda()) return cuda::add_product(residual, x, weight, bias);
  return add_product(bias.defined() ? residual + bias : residual, x, weight);
}

Tensor column_sums(const Tensor& x) {
  auto sums = torch::empty({x.size(1)}, x.options());
  for_type(x, [&]<typename T>(T*) {
    kernels::column_sums(data<const T>(x), data<T>(sums), x.size(0), x.size(1));
  });
  return sums;
}

// Gradients of x·weight + bias for dy; that of the bias only where there is one.
std::pair<Tensor, Tensor> weight_gradient(const Tensor& x, const Tensor& dy, bool with_bias) {
  if (!with_bias) return {product(x.t(), dy), Tensor()};
  if (x.is_cuda()) return cuda::weight_gradient(x, dy);
  return {product(x.t(), dy), column_sums(dy)};
}

// x + activation(layer_norm(x)·up + up_bias)·down + down_bias: GELU with biases, squared rectifiers without.
struct ResidualMlpFunction : Function<ResidualMlpFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& up,
                        const OptionalTensor& given_up_bias, const Tensor& down,
                        const OptionalTensor& given_down_bias) {
    const auto up_bias = given_up_bias.value_or(Tensor()), down_bias = given_down_bias.value_or(Tensor());
    const auto x = input.contiguous().view({-1, input.size(-1)});
    auto [y, inverse] = normalised(x);
    Tensor hidden, active;
    if (up_bias.defined() && x.is_cuda()) {
      std::tie(hidden, active) = cuda::gelu_product(y, up, up_bias);
    } else {
      hidden = product(y, up);
      active = x.is_cuda() ? cuda::relu_squared(hidden) : torch::empty_like(hidden);
      if (x.is_cpu()) {
        for_type(x, [&]<typename T>(T*) {
          if (up_bias.defined()) {
            kernels::gelu(data<const T>(hidden), data<const T>(up_bias), data<T>(active), hidden.size(0),
                          hidden.size(1));
          } else {
            kernels::relu_squared(data<const T>(hidden), data<T>(active), hidden.numel());
          }
        });
      }
    }
    context->save_for_backward({y, inverse, hidden, active, up, up_bias, down});
    return add_product_and_bias(x, active, down, down_bias).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &hidden = saved[2], &active = saved[3], &up = saved[4],
               &up_bias = saved[5], &down = saved[6];
    const bool gelu = up_bias.defined();
    const auto g = gradients[0].contiguous().view({-1, y.size(-1)});
    Tensor dhidden, dup_bias;
    if (gelu && g.is_cuda()) {
      std::tie(dhidden, dup_bias) = cuda::gelu_product_backward(g, down, hidden);
    } else {
      dhidden = product(g, down.t());
      if (g.is_cuda()) {
        dhidden = cuda::relu_squared_backward(hidden, dhidden);
      } else {
        for_type(y, [&]<typename T>(T*) {
          const T* h = data<const T>(hidden);
          T* d = data<T>(dhidden);
          if (gelu) {
            kernels::gelu_backward(h, data<const T>(up_bias), d, d, hidden.size(0), hidden.size(1));
          } else {
            kernels::relu_squared_backward(h, d, d, hidden.numel());
          }
        });
        if (gelu) dup_bias = column_sums(dhidden);
      }
    }
    const auto dx = normalised_backward(product(dhidden, up.t()), y, inverse, g);
    const auto [ddown, ddown_bias] = weight_gradient(active, g, gelu);
    return {dx.view(gradients[0].sizes()), product(y.t(), dhidden), dup_bias, ddown, ddown_bias};
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

// Its heads: [N, P, heads, size].
Tensor with_heads(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads});
}

// Queries (0), keys (1) or values (2) of qkv [N, P, 3 · width]: [N, P, heads, size].
Tensor part(const Tensor& qkv, int64_t which, int64_t heads) {
  const int64_t width = qkv.size(2) / 3;
  return with_heads(qkv.slice(2, which * width, (which + 1) * width), heads);
}

// out: [N, P, width].
cuda::Attended self_attention(const Tensor& qkv, int64_t heads, bool causal) {
  const int64_t width = qkv.size(2) / 3;
  if (qkv.is_cuda()) {
    if (cuda::is_short(qkv, heads)) return {cuda::short_attention(qkv, heads, causal), {}};
    auto attended = cuda::attention(part(qkv, 0, heads), part(qkv, 1, heads), part(qkv, 2, heads), causal);
    attended.out = attended.out.flatten(2);
    return attended;
  }
  auto out = torch::empty({qkv.size(0), qkv.size(1), width}, qkv.options());
  for_type(qkv, [&]<typename T>(T*) {
    const T* q = data<const T>(qkv);
    kernels::attention(self_attention_shape(qkv, heads, causal), q, q + width, q + 2 * width, data<T>(out));
  });
  return {out, {}};
}

Tensor self_attention_backward(const Tensor& qkv, cuda::Attended attended, const Tensor& dout, int64_t heads,
                               bool causal) {
  const int64_t width = qkv.size(2) / 3;
  if (qkv.is_cuda() && cuda::is_short(qkv, heads)) {
    return cuda::short_attention_backward(qkv, dout, heads, causal);
  }
  auto dqkv = torch::empty_like(qkv);
  if (qkv.is_cuda()) {
    attended.out = with_heads(attended.out, heads);
    cuda::attention_backward(part(qkv, 0, heads), part(qkv, 1, heads), part(qkv, 2, heads), attended,
                             with_heads(dout, heads), causal, part(dqkv, 0, heads), part(dqkv, 1, heads),
                             part(dqkv, 2, heads));
    return dqkv;
  }
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
                        const OptionalTensor& given_qkv_bias, const Tensor& out,
                        const OptionalTensor& given_out_bias, int64_t heads, bool causal) {
    const auto qkv_bias = given_qkv_bias.value_or(Tensor()), out_bias = given_out_bias.value_or(Tensor());
    const auto x = input.contiguous().view({-1, input.size(-1)});
    auto [y, inverse] = normalised(x);
    const auto qkv =
        product_and_bias(y, qkv_weight, qkv_bias).view({input.size(0), input.size(1), qkv_weight.size(1)});
    const auto attended = self_attention(qkv, heads, causal);
    const auto mixed = attended.out.view(x.sizes());
    variable_list saved = {y, inverse, qkv, mixed, qkv_weight, out};
    saved.insert(saved.end(), attended.saved.begin(), attended.saved.end());
    context->save_for_backward(saved);
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    context->saved_data["biases"] = out_bias.defined();
    return add_product_and_bias(x, mixed, out, out_bias).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &qkv = saved[2], &mixed = saved[3], &qkv_weight = saved[4],
               &out = saved[5];
    const bool biases = context->saved_data["biases"].toBool();
    const auto g = gradients[0].contiguous().view(y.sizes());
    const auto dmixed = product(g, out.t()).view(gradients[0].sizes());
    const auto dqkv =
        self_attention_backward(qkv, {mixed.view(dmixed.sizes()), {saved.begin() + 6, saved.end()}}, dmixed,
                                context->saved_data["heads"].toInt(), context->saved_data["causal"].toBool())
            .view({y.size(0), qkv_weight.size(1)});
    const auto dx = normalised_backward(product(dqkv, qkv_weight.t()), y, inverse, g);
    const auto [dqkv_weight, dqkv_bias] = weight_gradient(y, dqkv, biases);
    const auto [dout, dout_bias] = weight_gradient(mixed, g, biases);
    return {dx.view(gradients[0].sizes()), dqkv_weight, dqkv_bias, dout, dout_bias, Tensor(), Tensor()};
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
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    if (q.is_cuda()) {
      const auto halves = kv.chunk(2, 2);
      const auto attended = cuda::attention(with_heads(q, heads), with_heads(halves[0], heads),
                                            with_heads(halves[1], heads), causal);
      variable_list saved = {q, kv, attended.out};
      saved.insert(saved.end(), attended.saved.begin(), attended.saved.end());
      context->save_for_backward(saved);
      return attended.out.flatten(2);
    }
    const auto out = attend(q, kv, heads, causal);
    context->save_for_backward({q, kv});
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &kv = saved[1];
    const auto g = gradients[0].contiguous();
    const int64_t heads = context->saved_data["heads"].toInt();
    const bool causal = context->saved_data["causal"].toBool();
    const auto o = cross_attention_shape(q, kv, heads, causal);
    auto dq = torch::empty_like(q), dkv = torch::empty_like(kv);
    if (q.is_cuda()) {
      const auto halves = kv.chunk(2, 2), gradients_of_halves = dkv.chunk(2, 2);
      cuda::attention_backward(
          with_heads(q, heads), with_heads(halves[0], heads), with_heads(halves[1], heads),
          {saved[2], {saved.begin() + 3, saved.end()}}, with_heads(g, heads), causal, with_heads(dq, heads),
          with_heads(gradients_of_halves[0], heads), with_heads(gradients_of_halves[1], heads));
      return {dq, dkv, Tensor(), Tensor()};
    }
    for_type(q, [&]<typename T>(T*) {
      const T* k = data<const T>(kv);
      T* dk = data<T>(dkv);
      kernels::attention_backward(o, data<const T>(q), k, k + q.size(2), data<const T>(g), data<T>(dq), dk,
                                  dk + q.size(2));
    });
    return {dq, dkv, Tensor(), Tensor()};
  }
};

// Bf16 [N, classes], with as many columns of zeros as make it a multiple of 8: products of other sizes are
// slow.
Tensor one_hot_rows(const Tensor& symbols, int64_t classes) {
  return symbols.unsqueeze(1)
      .eq(torch::arange((classes + 7) / 8 * 8, symbols.options()))
      .to(torch::kBFloat16);
}

struct EmbedFunction : Function<EmbedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& symbols, const Tensor& table,
                        const Tensor& positions, int64_t precision) {
    context->save_for_backward({symbols, table, positions});
    const auto type = static_cast<torch::ScalarType>(precision);
    if (table.is_cuda()) return torch::embedding(table.to(type), symbols) + positions.to(type);
    auto y = torch::empty({symbols.size(0), symbols.size(1), table.size(1)}, table.options().dtype(type));
    for_type(y, [&]<typename T>(T*) {
      kernels::embed(data<const int64_t>(symbols), data<const float>(table), data<const float>(positions),
                     data<T>(y), symbols.size(0), symbols.size(1), table.size(1));
    });
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto g = gradients[0].contiguous();
    if (g.is_cuda()) {
      const auto dtable = torch::mm(one_hot_rows(saved[0].flatten(), saved[1].size(0)).t(), g.flatten(0, 1));
      return {Tensor(), dtable.slice(0, 0, saved[1].size(0)).to(torch::kFloat),
              g.sum({0}, false, torch::kFloat), Tensor()};
    }
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
    if (logits.is_cuda()) {
      const auto c = cuda::cross_entropy(logits, targets);
      context->save_for_backward({c.gradient});
      context->mark_non_differentiable({c.nats, c.best});
      return {c.nats.mean(), c.nats, c.best};
    }
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
    const auto rows = static_cast<double>(gradient.size(0));
    if (gradient.is_cuda()) return {gradient.mul(gradients[0] / rows), Tensor()};  // waits for nothing
    return {gradient.mul(gradients[0].item<double>() / rows), Tensor()};
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
  if (fast_rows(x)) return LayerNormFunction::apply(x);
  return torch::layer_norm(x.to(torch::promote_types(x.scalar_type(), torch::kFloat)), {x.size(-1)})
      .to(x.dtype());
}

Tensor residual_mlp(const Tensor& x, const Tensor& up, const Tensor& down) {
  if (fast_rows(x)) return ResidualMlpFunction::apply(x, up, OptionalTensor(), down, OptionalTensor());
  return x + torch::matmul(torch::relu(torch::matmul(layer_norm(x), up)).square(), down);
}

Tensor residual_gelu_mlp(const Tensor& x, const Linear& up, const Linear& down) {
  if (fast_rows(x))
    return ResidualMlpFunction::apply(x, up.weight, if_defined(up.bias), down.weight, if_defined(down.bias));
  const auto hidden = torch::matmul(layer_norm(x), up.weight) + up.bias;
  return x + torch::matmul(torch::gelu(hidden, "tanh"), down.weight) + down.bias;
}

Tensor residual_attention(const Tensor& x, const Linear& qkv, const Linear& out, int64_t heads, bool causal) {
  if (fast_rows(x) && fast_heads(x, heads)) {
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
  // On a GPU the fast one knows only one way to mask.
  const bool takes = q.is_cpu() || !causal || q.size(1) == kv.size(1);
  if (fast_heads(q, heads) && takes) {
    if (q.is_cuda() || at::GradMode::is_enabled()) return CrossAttentionFunction::apply(q, kv, heads, causal);
    if (q.stride(2) == 1 && kv.stride(2) == 1) return attend(q, kv, heads, causal);
  }
  const auto parts = kv.chunk(2, 2);
  return plain_attention(q, parts[0], parts[1], heads, causal);
}

Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
             torch::ScalarType precision) {
  const bool takes =
      table.is_cuda() ? use_kernels() && precision == torch::kBFloat16
                      : use_kernels() && table.scalar_type() == torch::kFloat && precision != torch::kDouble;
  if (takes) {
    return EmbedFunction::apply(symbols.contiguous(), table, positions, static_cast<int64_t>(precision));
  }
  return torch::embedding(table.to(precision), symbols) + positions.to(precision);
}

Tensor symbol_logits(const Tensor& x, const Tensor& table) {
  const int64_t symbols = table.size(0), missing = (8 - symbols % 8) % 8;
  if (!x.is_cuda() || missing == 0) return product(x, table.t());
  // On a GPU products of other sizes are slow.
  const auto padded = torch::constant_pad_nd(table, {0, 0, 0, missing});
  return product(x, padded.t()).slice(-1, 0, symbols);
}

ClassLoss class_loss(const Tensor& logits, const Tensor& targets) {
  if (fast(logits) && (logits.is_cpu() || cuda::takes_classes(logits))) {
    const auto result =
        ClassLossFunction::apply(logits.is_cpu() ? logits.contiguous() : logits, targets.contiguous());
    return {.nats = result[1], .mean = result[0], .best = result[2]};
  }
  const auto wide = logits.to(torch::promote_types(logits.scalar_type(), torch::kFloat));
  const auto nats = at::cross_entropy_loss(wide, targets, {}, at::Reduction::None);
  return {.nats = nats.detach(), .mean = nats.mean(), .best = logits.detach().argmax(-1)};
}

Greedy greedy(const Tensor& logits, const Tensor& given) {
  const int64_t rows = logits.size(0), last = logits.size(1) - 1;
  const auto f32 = logits.options().dtype(torch::kFloat);
  if (fast(logits) && logits.is_cpu()) {
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
