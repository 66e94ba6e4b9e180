#include "model/compute/cpu/onednn.hpp"

#include "model/compute/backend.hpp"

#if BYTECPU_ONEDNN
#include <dnnl.h>
#endif

namespace bytecpu {

using torch::Tensor;

#if BYTECPU_ONEDNN
namespace {

// A matrix as BLAS takes it: its rows, or if transposed its columns, lie `stride` elements apart and have no gaps.
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

bool suits(const Tensor& a, const Tensor& b) {
  return use_kernels() && a.is_cpu() && a.scalar_type() == torch::kFloat &&
         b.scalar_type() == torch::kFloat && a.numel() > 0 && b.numel() > 0;
}

}  // namespace

Tensor onednn_product(const Tensor& add, const Tensor& a, const Tensor& b) {
  if (!suits(a, b)) return {};
  const auto x = operand(a), y = operand(b);
  if (x.transposed != 'N') return {};  // OpenBLAS sums faster over many rows, as for gradients of weights
  const int64_t m = a.size(0), n = b.size(1), k = a.size(1);
  auto c = torch::empty({m, n}, a.options());
  if (add.defined()) c.copy_(add);
  const auto status =
      dnnl_sgemm(x.transposed, y.transposed, m, n, k, 1, x.matrix.data_ptr<float>(), x.stride,
                 y.matrix.data_ptr<float>(), y.stride, add.defined() ? 1 : 0, c.data_ptr<float>(), n);
  TORCH_CHECK(status == dnnl_success, "oneDNN's sgemm of ", a.sizes(), " and ", b.sizes(),
              " failed: ", status);
  return c;
}
#else
Tensor onednn_product(const Tensor&, const Tensor&, const Tensor&) { return {}; }
#endif

}  // namespace bytecpu
