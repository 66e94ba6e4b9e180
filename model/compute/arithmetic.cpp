#include "model/compute/arithmetic.hpp"

#include <vector>

#include "model/compute/backend.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct MixNumbersFunction : Function<MixNumbersFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& weights, const Tensor& numbers) {
    context->save_for_backward({numbers});
    return backend_on(weights.device()).words()->mix_numbers(weights.contiguous(), numbers);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto numbers = context->get_saved_variables()[0];
    return {backend_on(numbers.device()).words()->mix_numbers_backward(gradients[0].contiguous(), numbers),
            Tensor()};
  }
};

// Two numbers of every pair, I64 [M, pairs]: the second any other one, or only one behind.
struct Pairs {
  Tensor first, second;
};
Pairs pairs_of(const Tensor& numbers, int64_t words, bool only_behind) {
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < words; ++i) {
    for (int64_t j = only_behind ? i + 1 : 0; j < numbers.size(1); ++j) {
      if (i == j) continue;
      first.push_back(i);
      second.push_back(j);
    }
  }
  const auto at = [&](const std::vector<int64_t>& index) {
    return numbers.index_select(1, torch::tensor(index, torch::kLong).to(numbers.device()));
  };
  return {at(first), at(second)};
}

Tensor with_sign(const Tensor& number) { return number.to(torch::kInt).to(torch::kLong); }

}  // namespace

int64_t arithmetic_results(int64_t words, int64_t others) {
  const int64_t products = words * (words - 1) / 2 + words * others, quotients = words * (words - 1 + others);
  return 3 * products + 4 * quotients;
}

Tensor arithmetic(const Tensor& bits, int64_t words) {
  const torch::NoGradGuard no_grad;
  if (const auto* backend = word_backend_for(bits)) return backend->arithmetic(bits.contiguous(), words);
  const auto place = torch::arange(word_bits, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  const auto numbers = bits.gt(0).to(torch::kLong).bitwise_left_shift(place).sum(2);
  const auto [a, b] = pairs_of(numbers, words, true);
  const auto upper = [](const Tensor& product) { return product.bitwise_right_shift(word_bits); };
  const auto products = torch::stack({a * b, upper(a * b), upper(with_sign(a) * with_sign(b))}, 2);

  const auto [dividend, divisor] = pairs_of(numbers, words, false);
  const auto quotient = [](const Tensor& of, const Tensor& by) {
    return torch::div(of, by.masked_fill(by.eq(0), 1), "trunc").masked_fill(by.eq(0), 0);
  };
  const auto signed_dividend = with_sign(dividend), signed_divisor = with_sign(divisor);
  const auto q = quotient(dividend, divisor), signed_q = quotient(signed_dividend, signed_divisor);
  const auto quotients =
      torch::stack({q, dividend - q * divisor, signed_q, signed_dividend - signed_q * signed_divisor}, 2);
  return torch::cat({products.flatten(1), quotients.flatten(1)}, 1).to(torch::kInt);
}

Tensor mix_numbers(const Tensor& weights, const Tensor& numbers) {
  if (word_backend_for(weights)) return MixNumbersFunction::apply(weights, numbers);
  const auto place = torch::arange(word_bits, numbers.options());
  const auto set = numbers.unsqueeze(2).bitwise_right_shift(place).bitwise_and(1);
  return torch::bmm(weights, (set * 2 - 1).to(weights.dtype()));
}

}  // namespace bytecpu
