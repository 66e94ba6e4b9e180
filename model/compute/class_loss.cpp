#include "model/compute/class_loss.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Returns the mean of nats, nats [N] and best [N].
struct ClassLossFunction : Function<ClassLossFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& logits, const Tensor& targets) {
    const auto classes = backend_on(logits.device()).cross_entropy(logits, targets);
    context->save_for_backward({classes.gradient});
    context->mark_non_differentiable({classes.nats, classes.best});
    return {classes.nats.mean(), classes.nats, classes.best};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto gradient = context->get_saved_variables()[0];
    return {backend_on(gradient.device()).cross_entropy_backward(gradient, gradients[0]), Tensor()};
  }
};

}  // namespace

ClassLoss class_loss(const Tensor& logits, const Tensor& targets) {
  const Backend* backend = backend_for(logits.device(), logits.scalar_type());
  if (backend && backend->takes_classes(logits)) {
    const auto result = ClassLossFunction::apply(logits, targets.contiguous());
    return {.nats = result[1], .mean = result[0], .best = result[2]};
  }
  const auto wide = logits.to(torch::promote_types(logits.scalar_type(), torch::kFloat));
  const auto nats = at::cross_entropy_loss(wide, targets, {}, at::Reduction::None);
  return {.nats = nats.detach(), .mean = nats.mean(), .best = logits.detach().argmax(-1)};
}

}  // namespace bytecpu
