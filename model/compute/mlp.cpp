#include "model/compute/mlp.hpp"

#include "model/compute/backend.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct ReluSquaredMlpFunction : Function<ReluSquaredMlpFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& up, const Tensor& down) {
    const auto& backend = backend_on(input.device());
    const auto x = input.contiguous().view({-1, input.size(-1)});
    const auto [y, inverse] = backend.layer_norm(x);
    const auto hidden = product(y, up);
    const auto active = backend.relu_squared(hidden);
    context->save_for_backward({y, inverse, hidden, active, up, down});
    return add_product(x, active, down).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &hidden = saved[2], &active = saved[3], &up = saved[4],
               &down = saved[5];
    const auto& backend = backend_on(y.device());
    const auto g = gradients[0].contiguous().view({-1, y.size(-1)});
    const auto dhidden = backend.relu_squared_backward(hidden, product(g, down.t()));
    const auto dx = backend.layer_norm_backward(product(dhidden, up.t()), y, inverse, g);
    return {dx.view(gradients[0].sizes()), product(y.t(), dhidden), product(active.t(), g)};
  }
};

struct GeluMlpFunction : Function<GeluMlpFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& up,
                        const Tensor& up_bias, const Tensor& down, const Tensor& down_bias) {
    const auto& backend = backend_on(input.device());
    const auto x = input.contiguous().view({-1, input.size(-1)});
    const auto [y, inverse] = backend.layer_norm(x);
    const auto [hidden, active] = backend.gelu_product(y, up, up_bias);
    context->save_for_backward({y, inverse, hidden, active, up, up_bias, down});
    return backend.add_product(x, active, down, down_bias).view(input.sizes());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &y = saved[0], &inverse = saved[1], &hidden = saved[2], &active = saved[3], &up = saved[4],
               &up_bias = saved[5], &down = saved[6];
    const auto& backend = backend_on(y.device());
    const auto g = gradients[0].contiguous().view({-1, y.size(-1)});
    const auto [dhidden, dup_bias] = backend.gelu_product_backward(g, down, hidden, up_bias);
    const auto dx = backend.layer_norm_backward(product(dhidden, up.t()), y, inverse, g);
    return {dx.view(gradients[0].sizes()), product(y.t(), dhidden), dup_bias, product(active.t(), g),
            backend.column_sums(g)};
  }
};

}  // namespace

Tensor residual_mlp(const Tensor& x, const Tensor& up, const Tensor& down) {
  if (backend_for_rows(x)) return ReluSquaredMlpFunction::apply(x, up, down);
  return x + torch::matmul(torch::relu(torch::matmul(layer_norm(x), up)).square(), down);
}

Tensor residual_gelu_mlp(const Tensor& x, const Linear& up, const Linear& down) {
  if (backend_for_rows(x)) return GeluMlpFunction::apply(x, up.weight, up.bias, down.weight, down.bias);
  const auto hidden = torch::matmul(layer_norm(x), up.weight) + up.bias;
  return x + torch::matmul(torch::gelu(hidden, "tanh"), down.weight) + down.bias;
}

}  // namespace bytecpu
