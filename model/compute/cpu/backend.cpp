#include "model/compute/cpu/backend.hpp"

#include <cmath>

#include "model/compute/arithmetic.hpp"
#include "model/compute/cpu/kernels.hpp"
#include "model/compute/product.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu::cpu {
namespace {

using torch::Tensor;

// Calls visit with a null pointer of the kernels' element type.
template <typename Visit>
void for_type(const Tensor& x, Visit visit) {
  if (x.scalar_type() == torch::kFloat) {
    visit(static_cast<float*>(nullptr));
  } else {
    visit(static_cast<Bf16*>(nullptr));
  }
}

template <typename T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

Attention self_attention_shape(const Tensor& qkv, int64_t heads, bool causal) {
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

Attention cross_attention_shape(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) {
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

OwnWords own_words(const Tensor& weights) {
  return {.rows = weights.size(0), .heads = weights.size(1), .words = weights.size(2)};
}

Pointers pointers_of(const PointerMoves& moves) {
  return {.pointers = moves.scores.size(0), .steps = moves.scores.size(1), .places = moves.scores.size(2)};
}
PointerInputs inputs_of(const PointerMoves& m) {
  return {.scores = data<const float>(m.scores),
          .stops = data<const float>(m.stops),
          .targets = data<const float>(m.targets),
          .advances = data<const float>(m.advances),
          .jumps = data<const float>(m.jumps),
          .start = data<const float>(m.start)};
}

class CpuWordBackend final : public WordBackend {
 public:
  Tensor mix_words(const Tensor& weights, const Tensor& planes, const Tensor& item,
                   const Tensor& shift) const override {
    auto out = torch::empty({weights.size(0), weights.size(1), word_bits}, weights.options());
    const Words shape{weights.size(0), weights.size(1), weights.size(2), planes.size(1), planes.size(2)};
    cpu::mix_words(shape, data<const float>(weights), data<const int8_t>(planes), data<const int64_t>(item),
                   data<const int64_t>(shift), data<float>(out));
    return out;
  }

  Tensor mix_words_backward(const Tensor& dout, const Tensor& planes, const Tensor& item, const Tensor& shift,
                            int64_t words) const override {
    auto dweights = torch::empty({dout.size(0), dout.size(1), words}, dout.options());
    const Words shape{dout.size(0), dout.size(1), words, planes.size(1), planes.size(2)};
    cpu::mix_words_backward(shape, data<const float>(dout), data<const int8_t>(planes),
                            data<const int64_t>(item), data<const int64_t>(shift), data<float>(dweights));
    return dweights;
  }

  Tensor rotate_words(const Tensor& weights, const Tensor& words) const override {
    auto out = torch::empty_like(words);
    cpu::rotate_words(data<const float>(weights), data<const float>(words), data<float>(out), words.size(0));
    return out;
  }

  std::pair<Tensor, Tensor> rotate_words_backward(const Tensor& weights, const Tensor& words,
                                                  const Tensor& dout) const override {
    auto dweights = torch::empty_like(weights), dwords = torch::empty_like(words);
    cpu::rotate_words_backward(data<const float>(weights), data<const float>(words), data<const float>(dout),
                               data<float>(dweights), data<float>(dwords), words.size(0));
    return {dweights, dwords};
  }

  Tensor arithmetic(const Tensor& bits, int64_t words) const override {
    const int64_t all = bits.size(1), results = arithmetic_results(words, all - words);
    auto out = torch::empty({bits.size(0), results}, bits.options().dtype(torch::kInt));
    cpu::arithmetic({bits.size(0), words, all, results}, data<const float>(bits), data<int32_t>(out));
    return out;
  }

  Tensor mix_numbers(const Tensor& weights, const Tensor& numbers) const override {
    auto out = torch::empty({weights.size(0), weights.size(1), word_bits}, weights.options());
    cpu::mix_numbers(own_words(weights), data<const float>(weights), data<const int32_t>(numbers),
                     data<float>(out));
    return out;
  }

  Tensor mix_numbers_backward(const Tensor& dout, const Tensor& numbers) const override {
    auto dweights = torch::empty({dout.size(0), dout.size(1), numbers.size(1)}, dout.options());
    cpu::mix_numbers_backward(own_words(dweights), data<const float>(dout), data<const int32_t>(numbers),
                              data<float>(dweights));
    return dweights;
  }

  Tensor sum_words(const Tensor& weights, const Tensor& words) const override {
    auto out = torch::empty({words.size(0), weights.size(1), words.size(2)}, words.options());
    cpu::sum_words(own_words(weights), data<const float>(weights), data<const float>(words),
                   data<float>(out));
    return out;
  }

  std::pair<Tensor, Tensor> sum_words_backward(const Tensor& weights, const Tensor& words,
                                               const Tensor& dout) const override {
    auto dweights = torch::empty_like(weights), dwords = torch::empty_like(words);
    cpu::sum_words_backward(own_words(weights), data<const float>(weights), data<const float>(words),
                            data<const float>(dout), data<float>(dweights), data<float>(dwords));
    return {dweights, dwords};
  }

  Tensor scan(const Tensor& gates, const Tensor& bounds, const Tensor& start) const override {
    auto out = torch::empty({gates.size(0), start.size(1)}, gates.options());
    for_type(gates, [&]<typename T>(T*) {
      cpu::scan(data<const T>(gates), data<const int64_t>(bounds), data<const T>(start), data<T>(out),
                start.size(0), start.size(1));
    });
    return out;
  }

  std::pair<Tensor, Tensor> scan_backward(const Tensor& gates, const Tensor& bounds, const Tensor& start,
                                          const Tensor& h, const Tensor& dout) const override {
    auto dgates = torch::empty_like(gates), dstart = torch::empty_like(start);
    for_type(gates, [&]<typename T>(T*) {
      cpu::scan_backward(data<const T>(gates), data<const int64_t>(bounds), data<const T>(start),
                         data<const T>(h), data<const T>(dout), data<T>(dgates), data<T>(dstart),
                         start.size(0), start.size(1));
    });
    return {dgates, dstart};
  }
};

class CpuBackend final : public Backend {
 public:
  bool takes_width(int64_t) const override { return true; }
  bool takes_attention(int64_t, int64_t, int64_t, bool) const override { return true; }
  bool takes_classes(const Tensor&) const override { return true; }

  Normalised layer_norm(const Tensor& x) const override {
    auto y = torch::empty_like(x);
    const int64_t width = x.size(-1), rows = x.numel() / width;
    auto inverse = torch::empty({rows}, x.options().dtype(torch::kFloat));
    for_type(x, [&]<typename T>(T*) {
      cpu::layer_norm(data<const T>(x), data<T>(y), data<float>(inverse), rows, width);
    });
    return {y, inverse};
  }

  Tensor layer_norm_backward(const Tensor& dy, const Tensor& y, const Tensor& inverse,
                             const Tensor& add) const override {
    auto dx = torch::empty_like(y);
    const int64_t width = y.size(-1), rows = y.numel() / width;
    for_type(y, [&]<typename T>(T*) {
      cpu::layer_norm_backward(data<const T>(dy), data<const T>(y), data<const float>(inverse),
                               add.defined() ? data<const T>(add) : nullptr, data<T>(dx), rows, width);
    });
    return dx;
  }

  Tensor add_product(const Tensor& residual, const Tensor& x, const Tensor& weight,
                     const Tensor& bias) const override {
    return bytecpu::add_product(bias.defined() ? residual + bias : residual, x, weight);
  }

  Tensor column_sums(const Tensor& dy) const override {
    auto sums = torch::empty({dy.size(1)}, dy.options());
    for_type(dy, [&]<typename T>(T*) {
      cpu::column_sums(data<const T>(dy), data<T>(sums), dy.size(0), dy.size(1));
    });
    return sums;
  }

  Tensor relu_squared(const Tensor& x) const override {
    auto y = torch::empty_like(x);
    for_type(x, [&]<typename T>(T*) { cpu::relu_squared(data<const T>(x), data<T>(y), x.numel()); });
    return y;
  }

  Tensor relu_squared_backward(const Tensor& x, Tensor dy) const override {
    for_type(x, [&]<typename T>(T*) {
      cpu::relu_squared_backward(data<const T>(x), data<const T>(dy), data<T>(dy), x.numel());
    });
    return dy;
  }

  // hidden: x·weight, without the bias.
  Activated gelu_product(const Tensor& x, const Tensor& weight, const Tensor& bias) const override {
    const auto hidden = product(x, weight);
    auto y = torch::empty_like(hidden);
    for_type(hidden, [&]<typename T>(T*) {
      cpu::gelu(data<const T>(hidden), data<const T>(bias), data<T>(y), hidden.size(0), hidden.size(1));
    });
    return {hidden, y};
  }

  std::pair<Tensor, Tensor> gelu_product_backward(const Tensor& g, const Tensor& next, const Tensor& hidden,
                                                  const Tensor& bias) const override {
    auto d = product(g, next.t());
    for_type(hidden, [&]<typename T>(T*) {
      cpu::gelu_backward(data<const T>(hidden), data<const T>(bias), data<const T>(d), data<T>(d),
                         hidden.size(0), hidden.size(1));
    });
    return {d, column_sums(d)};
  }

  Attended self_attention(const Tensor& qkv, int64_t heads, bool causal) const override {
    const int64_t width = qkv.size(2) / 3;
    auto out = torch::empty({qkv.size(0), qkv.size(1), width}, qkv.options());
    for_type(qkv, [&]<typename T>(T*) {
      const T* q = data<const T>(qkv);
      attention(self_attention_shape(qkv, heads, causal), q, q + width, q + 2 * width, data<T>(out));
    });
    return {out, {}};
  }

  Tensor self_attention_backward(const Tensor& qkv, const std::vector<Tensor>&, const Tensor& dout,
                                 int64_t heads, bool causal) const override {
    const int64_t width = qkv.size(2) / 3;
    auto dqkv = torch::empty_like(qkv);
    for_type(qkv, [&]<typename T>(T*) {
      const T* q = data<const T>(qkv);
      T* dq = data<T>(dqkv);
      attention_backward(self_attention_shape(qkv, heads, causal), q, q + width, q + 2 * width,
                         data<const T>(dout), dq, dq + width, dq + 2 * width);
    });
    return dqkv;
  }

  Attended cross_attention(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) const override {
    auto out = torch::empty(q.sizes(), q.options());
    for_type(q, [&]<typename T>(T*) {
      const T* k = data<const T>(kv);
      attention(cross_attention_shape(q, kv, heads, causal), data<const T>(q), k, k + q.size(2),
                data<T>(out));
    });
    return {out, {}};
  }

  std::pair<Tensor, Tensor> cross_attention_backward(const Tensor& q, const Tensor& kv,
                                                     const std::vector<Tensor>&, const Tensor& dout,
                                                     int64_t heads, bool causal) const override {
    auto dq = torch::empty_like(q), dkv = torch::empty_like(kv);
    for_type(q, [&]<typename T>(T*) {
      const T* k = data<const T>(kv);
      T* dk = data<T>(dkv);
      attention_backward(cross_attention_shape(q, kv, heads, causal), data<const T>(q), k, k + q.size(2),
                         data<const T>(dout), data<T>(dq), dk, dk + q.size(2));
    });
    return {dq, dkv};
  }

  Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
               torch::ScalarType type) const override {
    auto y = torch::empty({symbols.size(0), symbols.size(1), table.size(1)}, table.options().dtype(type));
    for_type(y, [&]<typename T>(T*) {
      cpu::embed(data<const int64_t>(symbols), data<const float>(table), data<const float>(positions),
                 data<T>(y), symbols.size(0), symbols.size(1), table.size(1));
    });
    return y;
  }

  std::pair<Tensor, Tensor> embed_backward(const Tensor& symbols, const Tensor& table,
                                           const Tensor& positions, const Tensor& dy) const override {
    auto dtable = torch::zeros_like(table), dpositions = torch::zeros_like(positions);
    for_type(dy, [&]<typename T>(T*) {
      cpu::embed_backward(data<const int64_t>(symbols), data<const T>(dy), data<float>(dtable),
                          data<float>(dpositions), dy.size(0), dy.size(1), dy.size(2));
    });
    return {dtable, dpositions};
  }

  Classes cross_entropy(const Tensor& given_logits, const Tensor& targets) const override {
    const auto logits = given_logits.contiguous();
    const int64_t rows = logits.size(0);
    Classes c{.nats = torch::empty({rows}, logits.options().dtype(torch::kFloat)),
              .best = torch::empty({rows}, targets.options()),
              .gradient = torch::empty_like(logits)};
    for_type(logits, [&]<typename T>(T*) {
      cpu::cross_entropy(data<const T>(logits), data<const int64_t>(targets), data<float>(c.nats),
                         data<int64_t>(c.best), data<T>(c.gradient), rows, logits.size(1));
    });
    return c;
  }

  Tensor cross_entropy_backward(const Tensor& gradient, const Tensor& dmean) const override {
    return gradient.mul(dmean.item<double>() / static_cast<double>(gradient.size(0)));
  }

  std::optional<Greedy> greedy(const Tensor& given_logits, const Tensor& given) const override {
    const auto logits = given_logits.contiguous(), symbols = given.contiguous();
    const int64_t rows = logits.size(0);
    const auto f32 = logits.options().dtype(torch::kFloat);
    Greedy g{.best = torch::empty({rows}, given.options()),
             .log_best = torch::empty({rows}, f32),
             .log_last = torch::empty({rows}, f32),
             .log_given = torch::empty({rows}, f32)};
    for_type(logits, [&]<typename T>(T*) {
      cpu::greedy(data<const T>(logits), data<const int64_t>(symbols), data<int64_t>(g.best),
                  data<float>(g.log_best), data<float>(g.log_last), data<float>(g.log_given), rows,
                  logits.size(1));
    });
    return g;
  }

  bool moves_pointers() const override { return true; }
  Pointed move_pointers(const PointerMoves& moves) const override {
    Pointed pointed{.places = torch::empty_like(moves.scores), .sums = torch::empty_like(moves.advances)};
    cpu::move_pointers(pointers_of(moves), inputs_of(moves), data<float>(pointed.places),
                       data<float>(pointed.sums));
    return pointed;
  }
  PointerMoves move_pointers_backward(const PointerMoves& moves, const Pointed& pointed,
                                      const Tensor& dplaces) const override {
    PointerMoves d{.scores = torch::empty_like(moves.scores),
                   .stops = torch::empty_like(moves.stops),
                   .targets = torch::empty_like(moves.targets),
                   .advances = torch::empty_like(moves.advances),
                   .jumps = torch::empty_like(moves.jumps),
                   .start = {}};
    cpu::move_pointers_backward(pointers_of(moves), inputs_of(moves), data<const float>(pointed.places),
                                data<const float>(pointed.sums), data<const float>(dplaces),
                                {data<float>(d.scores), data<float>(d.stops), data<float>(d.targets),
                                 data<float>(d.advances), data<float>(d.jumps)});
    return d;
  }

  const WordBackend* words() const override { return &words_; }

  bool adamw(const AdamWTensors& t, const Tensor& divisor, const AdamWSettings& s) const override {
    if (t.parameters[0].scalar_type() != torch::kFloat) return false;
    const AdamWStep step{.rate = static_cast<float>(s.rate),
                         .beta1 = static_cast<float>(s.beta1),
                         .beta2 = static_cast<float>(s.beta2),
                         .decay = static_cast<float>(s.decay),
                         .correction1 = static_cast<float>(1 - std::pow(s.beta1, s.step)),
                         .correction2 = static_cast<float>(1 - std::pow(s.beta2, s.step)),
                         .gradient_scale = 1 / divisor.item<float>()};
    for (size_t i = 0; i < t.parameters.size(); ++i) {
      const auto gradient = t.gradients[i].contiguous();
      cpu::adamw(step, data<const float>(gradient), t.parameters[i].data_ptr<float>(),
                 t.first[i].data_ptr<float>(), t.second[i].data_ptr<float>(), gradient.numel());
    }
    return true;
  }

 private:
  const CpuWordBackend words_ = {};
};

}  // namespace

const Backend& backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace bytecpu::cpu
