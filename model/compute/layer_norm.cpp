#include "model/compute/layer_norm.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct LayerNormFunction : Function<LayerNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input) {
    const auto [y, inverse] = backend_on(input.device()).layer_norm(input.contiguous());
    context->save_for_backward({y, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1];
    return {backend_on(y.device()).layer_norm_backward(gradients[0].contiguous(), y, inverse, {})};
  }
};

}  // namespace

Tensor layer_norm(const Tensor& x) {
  if (backend_for_rows(x)) return LayerNormFunction::apply(x);
  return torch::layer_norm(x.to(torch::promote_types(x.scalar_type(), torch::kFloat)), {x.size(-1)})
      .to(x.dtype());
}

}  // namespace bytecpu
