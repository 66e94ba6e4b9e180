#include "model/network/layers.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/compute/attention.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/mlp.hpp"
#include "model/compute/product.hpp"

namespace bytecpu {
namespace {

// Causal attention. qkv: [B, T, 3 · width], queries, keys and values beside each other, following the cached
// positions, which they join. Returns [B, T, width].
torch::Tensor self_attention(const torch::Tensor& qkv, int64_t heads, KeyValues* cache) {
  const int64_t width = qkv.size(2) / 3;
  const auto keys_values = qkv.slice(2, width);
  return cross_attention(qkv.slice(2, 0, width), cache ? cache->append(keys_values) : keys_values, heads,
                         /*causal=*/true);
}

}  // namespace

torch::Tensor KeyValues::append(const torch::Tensor& more) {
  const int64_t past = positions_;
  positions_ += more.size(1);
  if (!room_.defined()) return room_ = more;
  if (positions_ > room_.size(1)) {
    auto larger =
        torch::empty({room_.size(0), std::max(2 * past, positions_), room_.size(2)}, more.options());
    larger.slice(1, 0, past).copy_(room_.slice(1, 0, past));
    room_ = larger;
  }
  room_.slice(1, past, positions_).copy_(more);
  return room_.slice(1, 0, positions_);
}

void KeyValues::keep(const torch::Tensor& index, int64_t count) {
  if (!room_.defined()) return;
  positions_ = std::min(positions_, count);
  room_ = room_.slice(1, 0, positions_).index_select(0, index);
}

Conv1DImpl::Conv1DImpl(int64_t in, int64_t out, double standard_deviation) {
  weight = register_parameter("weight", torch::randn({in, out}) * standard_deviation);
  bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor Conv1DImpl::forward(const torch::Tensor& x) const {
  return add_product(bias.to(x.dtype()), x, weight.to(x.dtype()));
}

LayerNormImpl::LayerNormImpl(int64_t width) {
  weight = register_parameter("weight", torch::ones({width}));
  bias = register_parameter("bias", torch::zeros({width}));
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) const {
  if (x.scalar_type() == torch::kBFloat16) {
    return torch::addcmul(bias.to(x.dtype()), layer_norm(x), weight.to(x.dtype()));
  }
  return torch::layer_norm(x.to(torch::promote_types(x.scalar_type(), torch::kFloat)), {x.size(-1)}, weight,
                           bias, 1e-5)
      .to(x.dtype());
}

AttentionImpl::AttentionImpl(int64_t width, int64_t heads_, double output_deviation) : heads(heads_) {
  c_attn = register_module("c_attn", Conv1D(width, 3 * width, 0.02));
  c_proj = register_module("c_proj", Conv1D(width, width, output_deviation));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, KeyValues* cache) {
  return c_proj(self_attention(c_attn(x), heads, cache));
}

MlpImpl::MlpImpl(int64_t width, double output_deviation) {
  c_fc = register_module("c_fc", Conv1D(width, 4 * width, 0.02));
  c_proj = register_module("c_proj", Conv1D(4 * width, width, output_deviation));
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) { return c_proj(torch::gelu(c_fc(x), "tanh")); }

BlockImpl::BlockImpl(int64_t width, int64_t heads, double output_deviation) {
  ln_1 = register_module("ln_1", LayerNorm(width));
  attn = register_module("attn", Attention(width, heads, output_deviation));
  ln_2 = register_module("ln_2", LayerNorm(width));
  mlp = register_module("mlp", Mlp(width, output_deviation));
}

torch::Tensor BlockImpl::forward(torch::Tensor x, KeyValues* cache) {
  if (!cache && torch::GradMode::is_enabled()) {
    // The norm's gain and bias become part of the product after it, so that no pass over the activations is
    // theirs.
    const auto after = [&](const LayerNorm& norm, const Conv1D& conv) {
      const auto &w = conv->weight, &gain = norm->weight;
      return Linear((gain.unsqueeze(1) * w).to(x.dtype()),
                    (torch::matmul(norm->bias, w) + conv->bias).to(x.dtype()));
    };
    const auto plain = [&](const Conv1D& conv) {
      return Linear(conv->weight.to(x.dtype()), conv->bias.to(x.dtype()));
    };
    x = residual_attention(x, after(ln_1, attn->c_attn), plain(attn->c_proj), attn->heads, true);
    return residual_gelu_mlp(x, after(ln_2, mlp->c_fc), plain(mlp->c_proj));
  }
  x = x + attn(ln_1(x), cache);
  return x + mlp(ln_2(x));
}

TableImpl::TableImpl(int64_t rows, int64_t width, double standard_deviation) {
  weight = register_parameter("weight", torch::randn({rows, width}) * standard_deviation);
}

Gpt2Impl::Gpt2Impl(int64_t positions, int64_t width, int64_t layers, int64_t heads) {
  wpe = register_module("wpe", Table(positions, width, 0.02));
  // GPT-2 scales what is added to the residual stream by the number of additions.
  const double output_deviation = 0.02 / std::sqrt(2.0 * static_cast<double>(layers));
  for (int64_t i = 0; i < layers; ++i) h->push_back(Block(width, heads, output_deviation));
  register_module("h", h);
  ln_f = register_module("ln_f", LayerNorm(width));
}

torch::Tensor Gpt2Impl::forward(const torch::Tensor& x, std::vector<KeyValues>* caches, int64_t past) {
  return blocks(x + wpe->weight.slice(0, past, past + x.size(1)).to(x.dtype()), caches);
}

torch::Tensor Gpt2Impl::blocks(torch::Tensor x, std::vector<KeyValues>* caches) {
  for (size_t i = 0; i < h->size(); ++i) x = h->at<BlockImpl>(i).forward(x, caches ? &(*caches)[i] : nullptr);
  return ln_f(x);
}

MatrixImpl::MatrixImpl(int64_t in, int64_t out, double gain) {
  weight =
      register_parameter("weight", torch::randn({in, out}) * (gain / std::sqrt(static_cast<double>(in))));
}

torch::Tensor MatrixImpl::forward(const torch::Tensor& x) const { return product(x, weight.to(x.dtype())); }

torch::Tensor MatrixImpl::add_to(const torch::Tensor& residual, const torch::Tensor& x) const {
  // The residual may show rows of the product as several, as [N, P, width] for [N, P · width].
  return add_product(residual.reshape({-1, weight.size(1)}), x.reshape({-1, weight.size(0)}),
                     weight.to(x.dtype()))
      .view(residual.sizes());
}

PlainBlockImpl::PlainBlockImpl(int64_t width, int64_t heads_, int64_t mlp_multiple) : heads(heads_) {
  if (heads > 0) {
    qkv = register_module("qkv", Matrix(width, 3 * width, 1.0));
    out = register_module("out", Matrix(width, width, 0.0));
  }
  up = register_module("up", Matrix(width, mlp_multiple * width, 1.0));
  down = register_module("down", Matrix(mlp_multiple * width, width, 0.0));
}

torch::Tensor PlainBlockImpl::forward(const torch::Tensor& x, bool causal, KeyValues* cache) {
  if (!cache) {
    return mlp(residual_attention(x, qkv->weight.to(x.dtype()), out->weight.to(x.dtype()), heads, causal));
  }
  return mlp(out->add_to(x, self_attention(qkv(layer_norm(x)), heads, cache)));
}

torch::Tensor PlainBlockImpl::mlp(const torch::Tensor& x) {
  return residual_mlp(x, up->weight.to(x.dtype()), down->weight.to(x.dtype()));
}

torch::Tensor in_binary(int64_t count, int64_t bits) {
  const auto number = torch::arange(count, torch::kLong).unsqueeze(1);
  return number.bitwise_right_shift(torch::arange(bits, torch::kLong)).bitwise_and(1).to(torch::kFloat) * 2 -
         1;
}

torch::Tensor sinusoids(int64_t count, double period, int64_t harmonics) {
  const auto angle = torch::arange(count, torch::kFloat).unsqueeze(1) * (2 * std::numbers::pi / period) *
                     torch::arange(1, harmonics + 1, torch::kFloat);
  return torch::cat({angle.cos(), angle.sin()}, 1);
}

torch::Tensor symbol_features() {
  const auto value = torch::arange(256, torch::kFloat);
  auto columns = in_binary(256, 8).unbind(1);
  columns.push_back(value / 127.5 - 1);
  columns.push_back(torch::log2(value + 1) / 4 - 1);
  for (const double period : {16.0, 256.0}) {
    for (int harmonic = 1; harmonic <= 8; ++harmonic) {
      const auto angle = value * (2 * std::numbers::pi * harmonic / period);
      columns.push_back(angle.cos() * 0.5);
      columns.push_back(angle.sin() * 0.5);
    }
  }
  auto features = torch::zeros({257, structured_features});
  features.slice(0, 0, 256).slice(1, 0, structured_features - 1) = torch::stack(columns, 1);
  features[256][structured_features - 1] = 1;
  return features;
}

}  // namespace bytecpu
