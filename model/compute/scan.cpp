#include "model/compute/scan.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct ScanBitsFunction : Function<ScanBitsFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given_gates, const Tensor& given_start) {
    const auto gates = given_gates.contiguous(), start = given_start.contiguous();
    const auto h = backend_on(gates.device()).words()->scan_bits(gates, start);
    context->save_for_backward({gates, start, h});
    return h;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto [dgates, dstart] =
        backend_on(saved[0].device())
            .words()
            ->scan_bits_backward(saved[0], saved[1], saved[2], gradients[0].contiguous());
    return {dgates, dstart};
  }
};

}  // namespace

Tensor scan_bits(const Tensor& gates, const Tensor& start) {
  if (word_backend_for(gates)) return ScanBitsFunction::apply(gates, start);
  const int64_t bits = gates.size(1), channels = start.size(1), half = channels / 2, quarter = half / 2;
  const auto z = gates.slice(2, 0, channels), c = gates.slice(2, channels).tanh();
  std::vector<Tensor> parts;
  for (int64_t direction = 0; direction < 2; ++direction) {
    const int64_t from = direction * half;
    const auto a = torch::cat(
        {z.slice(2, from, from + quarter).sigmoid(), z.slice(2, from + quarter, from + half).tanh()}, 2);
    const auto b = (1 - a.abs()) * c.slice(2, from, from + half);
    auto h = start.slice(1, from, from + half);
    std::vector<Tensor> states(bits);
    for (int64_t k = 0; k < bits; ++k) {
      const int64_t i = direction == 0 ? k : bits - 1 - k;
      states[i] = h = a.select(1, i) * h + b.select(1, i);
    }
    parts.push_back(torch::stack(states, 1));
  }
  return torch::cat(parts, 2);
}

}  // namespace bytecpu
