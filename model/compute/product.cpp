#include "model/compute/product.hpp"

#include <bit>

#include "model/compute/fused.hpp"
#include "model/compute/torch_compat.hpp"

#if BYTECPU_ONEDNN
#include <dnnl.h>
#endif

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

#if BYTECPU_ONEDNN
// A matrix as BLAS takes it: its rows, or if transposed its columns, lie `stride` elements apart and have no
// gaps.
struct Operand {
  Tensor matrix;
  char transposed;
  int64_t stride;
};

Operand operand(const Tensor& matrix) {
  const int64_t rows = matrix.size(0), columns = matrix.size(1);
  if (matrix.stride(1) == 1 && matrix.stride(0) >= columns) return {matrix, 'N', matrix.stride(0)};
  if (matrix.stride(0) == 1 && matrix.stride(1) >= rows) return {matrix, 'T', matrix.stride(1)};
  return {matrix.contiguous(), 'N', columns};
}

bool suits_onednn(const Tensor& a, const Tensor& b) {
  return use_kernels() && a.is_cpu() && a.scalar_type() == torch::kFloat &&
         b.scalar_type() == torch::kFloat && a.numel() > 0 && b.numel() > 0;
}
#endif

// Whether LibTorch would sum this product in bf16, as it does where it does not hand it to oneDNN: on
// processors without bf16 instructions, and up to 16³ multiplications (mkldnn_gemm_min_size of its
// Matmul.cpp) on all.
bool sums_in_bf16(const Tensor& a, const Tensor& b) {
  return a.is_cpu() && a.scalar_type() == torch::kBFloat16 &&
         (!cpu_has_bf16() || a.numel() * b.size(1) <= 16 * 16 * 16);
}

// a·b, plus `add` if it is defined. a: [m, k], b: [k, n], add: [m, n] or [n].
Tensor multiply(const Tensor& add, const Tensor& a, const Tensor& b) {
#if BYTECPU_ONEDNN
  if (suits_onednn(a, b)) {
    const auto x = operand(a), y = operand(b);
    const int64_t m = a.size(0), n = b.size(1), k = a.size(1);
    if (x.transposed == 'N') {  // sums over many rows, as weights' gradients are, OpenBLAS has faster
      auto c = torch::empty({m, n}, a.options());
      if (add.defined()) c.copy_(add);
      const auto status =
          dnnl_sgemm(x.transposed, y.transposed, m, n, k, 1, x.matrix.data_ptr<float>(), x.stride,
                     y.matrix.data_ptr<float>(), y.stride, add.defined() ? 1 : 0, c.data_ptr<float>(), n);
      TORCH_CHECK(status == dnnl_success, "oneDNN's sgemm of ", a.sizes(), " and ", b.sizes(),
                  " failed: ", status);
      return c;
    }
  }
#endif
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

Tensor product(const Tensor& x, const Tensor& weight) { return any_product({}, x, weight); }

Tensor add_product(const Tensor& add, const Tensor& x, const Tensor& weight) {
  return any_product(add, x, weight);
}

}  // namespace bytecpu
