#include "model/compute/embedding.hpp"

#include "model/compute/backend.hpp"
#include "model/compute/product.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct EmbedFunction : Function<EmbedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& symbols, const Tensor& table,
                        const Tensor& positions, int64_t precision) {
    context->save_for_backward({symbols, table, positions});
    return backend_on(table.device())
        .embed(symbols, table, positions, static_cast<torch::ScalarType>(precision));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &symbols = saved[0], &table = saved[1], &positions = saved[2];
    const auto [dtable, dpositions] =
        backend_on(table.device()).embed_backward(symbols, table, positions, gradients[0].contiguous());
    return {Tensor(), dtable, dpositions, Tensor()};
  }
};

}  // namespace

Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
             torch::ScalarType precision) {
  if (table.scalar_type() == torch::kFloat && backend_for(table.device(), precision)) {
    return EmbedFunction::apply(symbols.contiguous(), table, positions, static_cast<int64_t>(precision));
  }
  return torch::embedding(table.to(precision), symbols) + positions.to(precision);
}

Tensor symbol_logits(const Tensor& x, const Tensor& table) {
  const int64_t symbols = table.size(0), missing = (8 - symbols % 8) % 8;
  if (!x.is_cuda() || missing == 0) return product(x, table.t());
  // On a GPU a product is slow unless its sizes are multiples of 8.
  const auto padded = torch::constant_pad_nd(table, {0, 0, 0, missing});
  return product(x, padded.t()).slice(-1, 0, symbols);
}

}  // namespace bytecpu
