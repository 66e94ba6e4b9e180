#include "model/network/instruction_gates.hpp"

#include "model/compute/layer_norm.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// Ones beside the bits, for a bias; as many as keep products' sizes even.
constexpr int64_t ones = 8;

}  // namespace

InstructionGatesImpl::InstructionGatesImpl(const WordLayout& layout, int64_t width)
    : first_(layout.instruction.front()), later_(std::ssize(layout.instruction) - 1) {
  in_ = register_module("in", Matrix(later_ * word_bits + ones, width, 1.0));
  block_ = register_module("block", PlainBlock(width, 0, 2));
  out_ = register_module("out", Matrix(width, later_, 0.0));
}

Tensor InstructionGatesImpl::correct(const Tensor& gates, const Tensor& next_bits,
                                     torch::ScalarType precision) {
  const int64_t count = next_bits.size(0);
  if (count == 0) return gates;
  // [N · later, later · 32]: row i of an instruction has its first i words, and 0 for the others.
  const auto bits = next_bits.slice(1, first_, first_ + later_).to(precision);
  std::vector<Tensor> before;
  for (int64_t i = 1; i <= later_; ++i)
    before.push_back(torch::constant_pad_nd(bits.slice(1, 0, i), {0, 0, 0, later_ - i}).flatten(1));
  const auto begun = torch::stack(before, 1).flatten(0, 1);
  const auto x =
      block_->mlp(in_(torch::cat({begun, torch::ones({count * later_, ones}, begun.options())}, 1)));
  // Row i is for gate i alone: the diagonal of [N, later, later].
  const auto of_each = out_(layer_norm(x)).view({count, later_, later_}).diagonal(0, 1, 2).to(gates);
  return gates + torch::constant_pad_nd(of_each, {first_ + 1, gates.size(1) - first_ - 1 - later_});
}

double InstructionGatesImpl::operations() const {
  const auto size = [](const Matrix& matrix) { return static_cast<double>(matrix->weight.numel()); };
  return static_cast<double>(later_) * (size(in_) + 2 * size(block_->up) + size(out_));
}

}  // namespace bytecpu
