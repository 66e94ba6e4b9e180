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

// Without kernels so many bits at a time, as those of all numbers take much memory.
constexpr int64_t bits_at_once = 4;

// As -1 and 1, of the weights' type: [M, S, bits_at_once], from bit `first` on.
Tensor bits_from(int64_t first, const Tensor& numbers, torch::ScalarType type) {
  const auto place = torch::arange(first, first + bits_at_once, numbers.options());
  return numbers.unsqueeze(2).bitwise_right_shift(place).bitwise_and(1).to(type) * 2 - 1;
}

struct MixNumbersFunction : Function<MixNumbersFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const Tensor& numbers) {
    const auto weights = given.contiguous();
    const auto* backend = word_backend_for(weights);
    context->save_for_backward({numbers});
    context->saved_data["kernels"] = backend != nullptr;
    if (backend) return backend->mix_numbers(weights, numbers);
    std::vector<Tensor> out;
    for (int64_t i = 0; i < word_bits; i += bits_at_once)
      out.push_back(torch::bmm(weights, bits_from(i, numbers, weights.scalar_type())));
    return torch::cat(out, 2);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto numbers = context->get_saved_variables()[0], dout = gradients[0].contiguous();
    if (context->saved_data["kernels"].toBool())
      return {backend_on(numbers.device()).words()->mix_numbers_backward(dout, numbers), Tensor()};
    auto dweights = torch::zeros({dout.size(0), dout.size(1), numbers.size(1)}, dout.options());
    for (int64_t i = 0; i < word_bits; i += bits_at_once) {
      dweights.baddbmm_(dout.slice(2, i, i + bits_at_once),
                        bits_from(i, numbers, dout.scalar_type()).transpose(1, 2));
    }
    return {dweights, Tensor()};
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
  return product_kinds * products + quotient_kinds * quotients;
}

ArithmeticPlaces arithmetic_places(int64_t heads, int64_t words, int64_t all) {
  std::vector<int64_t> results, pairs;
  int64_t result = 0;
  const auto add = [&](int64_t first_kind, int64_t count, int64_t i, int64_t j) {
    for (int64_t kind = first_kind; kind < first_kind + count; ++kind, ++result) {
      if (j >= words) continue;
      results.push_back(result);
      pairs.push_back((kind * words + i) * words + j);
    }
  };
  for (int64_t i = 0; i < heads; ++i) {
    for (int64_t j = i + 1; j < all; ++j) add(0, product_kinds, i, j);
  }
  for (int64_t i = 0; i < heads; ++i) {
    for (int64_t j = 0; j < all; ++j) {
      if (i != j) add(product_kinds, quotient_kinds, i, j);
    }
  }
  return {torch::tensor(results, torch::kLong), torch::tensor(pairs, torch::kLong)};
}

Tensor arithmetic(const Tensor& bits, int64_t words) {
  const torch::NoGradGuard no_grad;
  if (const auto* backend = word_backend_for(bits)) return backend->arithmetic(bits.contiguous(), words);
  const auto place = torch::arange(word_bits, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  const auto numbers = bits.gt(0).to(torch::kLong).bitwise_left_shift(place).sum(2);
  const auto [a, b] = pairs_of(numbers, words, true);
  const auto product = a * b;  // modulo 2^64
  const auto upper = [](const Tensor& x) { return x.bitwise_right_shift(word_bits); };
  const auto products = torch::stack({product, upper(product), upper(with_sign(a) * with_sign(b))}, 2);

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
  TORCH_CHECK(numbers.scalar_type() == torch::kInt, "numbers must be I32");
  return MixNumbersFunction::apply(weights, numbers.contiguous());
}

}  // namespace bytecpu
