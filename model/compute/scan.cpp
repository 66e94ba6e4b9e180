#include "model/compute/scan.hpp"

#include <numeric>

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Where each sequence begins, and the end of the last: I64 [M + 1], on the CPU.
Tensor bounds_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> bounds = {0};
  for (const int64_t length : lengths) bounds.push_back(bounds.back() + length);
  return torch::tensor(bounds, torch::kLong);
}

struct ScanFunction : Function<ScanFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given_gates, const Tensor& bounds,
                        const Tensor& given_start) {
    const auto gates = given_gates.contiguous(), start = given_start.contiguous();
    const auto h = backend_on(gates.device()).words()->scan(gates, bounds, start);
    context->save_for_backward({gates, bounds, start, h});
    return h;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto [dgates, dstart] =
        backend_on(saved[0].device())
            .words()
            ->scan_backward(saved[0], saved[1], saved[2], saved[3], gradients[0].contiguous());
    return {dgates, Tensor(), dstart};
  }
};

// gates [M, I, 2 · C], start [M, C] → [M, I, C].
Tensor scan_plainly(const Tensor& gates, const Tensor& start) {
  const int64_t length = gates.size(1), channels = start.size(1), half = channels / 2, quarter = half / 2;
  if (length == 0) return torch::empty({gates.size(0), 0, channels}, gates.options());
  const auto z = gates.slice(2, 0, channels), c = gates.slice(2, channels).tanh();
  std::vector<Tensor> parts;
  for (int64_t direction = 0; direction < 2; ++direction) {
    const int64_t from = direction * half;
    const auto a = torch::cat(
        {z.slice(2, from, from + quarter).sigmoid(), z.slice(2, from + quarter, from + half).tanh()}, 2);
    const auto b = (1 - a.abs()) * c.slice(2, from, from + half);
    // Taken apart at once: a select() for each place would give each a gradient of the whole length.
    const auto each_a = a.unbind(1), each_b = b.unbind(1);
    auto h = start.slice(1, from, from + half);
    std::vector<Tensor> states(static_cast<size_t>(length));
    for (size_t k = 0; k < states.size(); ++k) {
      const size_t i = direction == 0 ? k : states.size() - 1 - k;
      states[i] = h = each_a[i] * h + each_b[i];
    }
    parts.push_back(torch::stack(states, 1));
  }
  return torch::cat(parts, 2);
}

}  // namespace

Tensor scan(const Tensor& gates, const std::vector<int64_t>& lengths, const Tensor& start) {
  if (word_backend_for(gates)) return ScanFunction::apply(gates, bounds_of(lengths), start);
  const auto sequences = gates.split_with_sizes(lengths, 0);
  std::vector<Tensor> states;
  for (size_t m = 0; m < lengths.size(); ++m) {
    const auto of = start.slice(0, static_cast<int64_t>(m), static_cast<int64_t>(m) + 1);
    states.push_back(scan_plainly(sequences[m].unsqueeze(0), of).squeeze(0));
  }
  return torch::cat(states, 0);
}

Tensor scan(const Tensor& gates, const std::vector<int64_t>& lengths) {
  return scan(gates, lengths, torch::zeros({std::ssize(lengths), gates.size(1) / 2}, gates.options()));
}

Tensor scan_bits(const Tensor& gates, const Tensor& start) {
  if (!word_backend_for(gates)) return scan_plainly(gates, start);
  const std::vector<int64_t> lengths(static_cast<size_t>(gates.size(0)), gates.size(1));
  return scan(gates.flatten(0, 1), lengths, start).view({gates.size(0), gates.size(1), start.size(1)});
}

}  // namespace bytecpu
