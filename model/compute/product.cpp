#include "model/compute/product.hpp"

#include <bit>

#include "model/compute/cpu/onednn.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Whether LibTorch would sum this product in bf16, as it does where it does not hand it to oneDNN: on
// processors without bf16 instructions, and up to 16³ multiplications (mkldnn_gemm_min_size of its
// Matmul.cpp) on all.
bool sums_in_bf16(const Tensor& a, const Tensor& b) {
  return a.is_cpu() && a.scalar_type() == torch::kBFloat16 &&
         (!cpu_has_bf16() || a.numel() * b.size(1) <= 16 * 16 * 16);
}

// a·b, plus `add` if it is defined. a: [m, k], b: [k, n], add: [m, n] or [n].
Tensor multiply(const Tensor& add, const Tensor& a, const Tensor& b) {
  if (const auto c = onednn_product(add, a, b); c.defined()) return c;
  if (sums_in_bf16(a, b)) {
    return multiply(add.defined() ? add.to(torch::kFloat) : add, a.to(torch::kFloat), b.to(torch::kFloat))
        .to(torch::kBFloat16);
  }
  return add.defined() ? torch::addmm(add, a, b) : torch::mm(a, b);
}

struct ProductFunction : Function<ProductFunction> {
  static Tensor forward(AutogradContext* context, const OptionalTensor& add, const Tensor& a,
                        const Tensor& b) {
    context->saved_data["added"] = add ? add->dim() : 0;
    context->save_for_backward({a, b});
    return multiply(add.value_or(Tensor()), a, b);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &a = saved[0], &b = saved[1], &g = gradients[0];
    const int64_t added = context->saved_data["added"].toInt();
    return {added == 0   ? Tensor()
            : added == 1 ? g.sum(0)
                         : g,
            multiply({}, g, b.t()), multiply({}, a.t(), g)};
  }
};

Tensor any_product(const Tensor& add, const Tensor& x, const Tensor& weight) {
  TORCH_CHECK(x.size(-1) == weight.size(0), "a product of ", x.sizes(), " and ", weight.sizes());
  TORCH_CHECK(!add.defined() || (add.dim() > 0 && add.scalar_type() == x.scalar_type()),
              "cannot add to a product: ", add);
  auto shape = x.sizes().vec();
  shape.back() = weight.size(1);
  const auto rows = x.reshape({-1, weight.size(0)});
  const auto added = add.defined() && add.dim() > 1 ? add.reshape({-1, weight.size(1)}) : add;
  return (at::GradMode::is_enabled() ? ProductFunction::apply(if_defined(added), rows, weight)
                                     : multiply(added, rows, weight))
      .view(shape);
}

}  // namespace

int64_t common_size(int64_t count) {
  const int more_bits = std::bit_width(static_cast<uint64_t>(count)) - 5;
  return more_bits > 0 ? count >> more_bits << more_bits : count;
}

int64_t next_common_size(int64_t count) {
  const int64_t below = common_size(count);
  return below == count ? count : common_size(below + below / 16);
}

Tensor product(const Tensor& x, const Tensor& weight) { return any_product({}, x, weight); }

Tensor product(const Tensor& x, const Linear& linear) { return any_product(linear.bias, x, linear.weight); }

Tensor add_product(const Tensor& add, const Tensor& x, const Tensor& weight) {
  return any_product(add, x, weight);
}

}  // namespace bytecpu
