#include "model/compute/cuda/product.hpp"

#include <ATen/cuda/CUDAContext.h>

#include <memory>

#include "emulator/error.hpp"

namespace bytecpu::cuda {
namespace {

using torch::Tensor;

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) throw Error("cuBLASLt: status {}", static_cast<int>(status));
}

template <typename Handle, cublasStatus_t (*Destroy)(Handle)>
struct Destroyer {
  void operator()(Handle handle) const { Destroy(handle); }
};
template <typename Handle, cublasStatus_t (*Destroy)(Handle)>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroyer<Handle, Destroy>>;
using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using MatrixLayout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

}  // namespace

bool product(const Tensor& d, const Tensor& a, const Tensor& b, bool transposed, const Tensor& residual,
             const Epilogue& epilogue) {
  // cuBLASLt's matrices are stored by columns: to it these are their transposes, and dᵀ = bᵀ·aᵀ.
  cublasLtMatmulDesc_t raw_operation = nullptr;
  check(cublasLtMatmulDescCreate(&raw_operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const Operation operation(raw_operation);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
    check(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue.kind);
  set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_16BF);
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.vector.data_ptr());
  if (epilogue.auxiliary.defined()) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, epilogue.auxiliary.data_ptr());
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, epilogue.auxiliary.size(1));
  }
  const auto layout = [](const Tensor& matrix) {
    cublasLtMatrixLayout_t raw = nullptr;
    check(cublasLtMatrixLayoutCreate(&raw, CUDA_R_16BF, matrix.size(1), matrix.size(0), matrix.size(1)));
    return MatrixLayout(raw);
  };
  const auto left = layout(b), right = layout(a), result = layout(d);

  const auto workspace = torch::empty(
      {int64_t{32} << 20}, d.options().dtype(torch::kByte));  // bytes, as NVIDIA advises for Hopper
  const auto workspace_bytes = static_cast<size_t>(workspace.numel());
  cublasLtMatmulPreference_t raw_preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw_preference));
  const Preference preference(raw_preference);
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &workspace_bytes, sizeof(workspace_bytes)));
  const auto handle = at::cuda::getCurrentCUDABlasLtHandle();
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const auto status =
      cublasLtMatmulAlgoGetHeuristic(handle, operation.get(), left.get(), right.get(), result.get(),
                                     result.get(), preference.get(), 1, &found, &count);
  if (status != CUBLAS_STATUS_SUCCESS || count == 0) return false;
  const float alpha = 1, beta = residual.defined() ? 1 : 0;
  const void* added = residual.defined() ? residual.data_ptr() : d.data_ptr();
  check(cublasLtMatmul(handle, operation.get(), &alpha, b.data_ptr(), left.get(), a.data_ptr(), right.get(),
                       &beta, added, result.get(), d.data_ptr(), result.get(), &found.algo,
                       workspace.data_ptr(), workspace_bytes, at::cuda::getCurrentCUDAStream()));
  return true;
}

}  // namespace bytecpu::cuda
