#include "model/compute/sums.hpp"

#include <numbers>

#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// 2^i for i = from … to - 1.
Tensor powers_of_two(int64_t from, int64_t to, const torch::TensorOptions& options) {
  return torch::pow(2, torch::arange(from, to, options));
}

}  // namespace

Tensor product_columns(const Tensor& a, const Tensor& b) {
  const auto columns = convolve_words(a, b);
  const auto low = columns.slice(1, 0, word_bits), high = columns.slice(1, word_bits);
  const auto carry = (low * powers_of_two(-word_bits, 0, a.options())).sum(1, true);
  const auto carried = torch::cat({high.slice(1, 0, 1) + carry, high.slice(1, 1)}, 1);
  const auto sign = [](const Tensor& x) { return x.slice(1, word_bits - 1); };
  return torch::stack({low, carried, carried - sign(a) * b - sign(b) * a}, 1);
}

Tensor carried_sums(const Tensor& columns) {
  const auto place = torch::arange(word_bits, columns.options());
  const auto distance = place.unsqueeze(0) - place.unsqueeze(1);
  return torch::matmul(columns, torch::pow(2, -distance).masked_fill(distance.lt(0), 0));
}

Tensor binary_waves(const Tensor& numbers, int64_t periods) {
  const auto frequencies = 2 * std::numbers::pi / powers_of_two(1, periods + 1, numbers.options());
  const auto angles = numbers.unsqueeze(-1) * frequencies;
  return torch::cat({angles.sin(), angles.cos()}, -1);
}

}  // namespace bytecpu
