#include "model/compute/cuda.hpp"

#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <cublasLt.h>

#include <memory>

#include "emulator/error.hpp"
#include "model/compute/cuda_kernels.hpp"

namespace bytecpu::cuda {
namespace {

using torch::Tensor;

void* stream() { return at::cuda::getCurrentCUDAStream().stream(); }

const Bf16* in(const Tensor& x) { return static_cast<const Bf16*>(x.data_ptr()); }
Bf16* out(const Tensor& x) { return static_cast<Bf16*>(x.data_ptr()); }

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

// What is done to the product on its way to memory.
struct Epilogue {
  cublasLtEpilogue_t kind = CUBLASLT_EPILOGUE_DEFAULT;
  Tensor vector;     // the bias, or where its gradient goes
  Tensor auxiliary;  // the argument of GELU: written, or read for its gradient
};

// d = a·b, or a·bᵀ if so told, plus the residual where there is one, and the epilogue. Matrices are
// contiguous. False, and nothing done, if cuBLASLt cannot.
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

// [B, T, heads, size] → [B, heads, T, size], as LibTorch has it.
Tensor by_head(const Tensor& x) { return x.transpose(1, 2); }

}  // namespace

bool built() { return true; }

std::string card() { return at::cuda::getCurrentDeviceProperties()->name; }

bool takes_width(int64_t width) { return width % 8 == 0 && width <= widest_row; }
bool takes_head(int64_t size) { return size % 8 == 0 && size <= 256; }

std::pair<Tensor, Tensor> normalised(const Tensor& x) {
  const int64_t width = x.size(-1), rows = x.numel() / width;
  auto y = torch::empty_like(x), inverse = torch::empty({rows}, x.options().dtype(torch::kFloat));
  layer_norm(in(x), out(y), inverse.data_ptr<float>(), rows, width, stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {y, inverse};
}

Tensor normalised_backward(const Tensor& dy, const Tensor& y, const Tensor& inverse, const Tensor& add) {
  const int64_t width = y.size(-1), rows = y.numel() / width;
  auto dx = torch::empty_like(y);
  layer_norm_backward(in(dy), in(y), inverse.data_ptr<float>(), add.defined() ? in(add) : nullptr, out(dx),
                      rows, width, stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return dx;
}

Tensor relu_squared(const Tensor& x) {
  auto y = torch::empty_like(x);
  relu_squared(in(x), out(y), x.numel(), stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return y;
}

Tensor relu_squared_backward(const Tensor& x, const Tensor& dy) {
  auto dx = torch::empty_like(x);
  relu_squared_backward(in(x), in(dy), out(dx), x.numel(), stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return dx;
}

Attended attention(const Tensor& q, const Tensor& k, const Tensor& v, bool causal) {
  const auto result =
      at::_scaled_dot_product_flash_attention(by_head(q), by_head(k), by_head(v), 0.0, causal);
  // Of the rest, what a dense attention's gradient reads: logarithms of sums, seed and offset of its random
  // numbers.
  return {by_head(std::get<0>(result)), {std::get<1>(result), std::get<6>(result), std::get<7>(result)}};
}

void attention_backward(const Tensor& q, const Tensor& k, const Tensor& v, const Attended& attended,
                        const Tensor& dout, bool causal, Tensor dq, Tensor dk, Tensor dv) {
  const auto& saved = attended.saved;
  const auto gradients = at::_scaled_dot_product_flash_attention_backward(
      by_head(dout), by_head(q), by_head(k), by_head(v), by_head(attended.out), saved[0], {}, {}, q.size(1),
      k.size(1), 0.0, causal, saved[1], saved[2]);
  dq.copy_(by_head(std::get<0>(gradients)));
  dk.copy_(by_head(std::get<1>(gradients)));
  dv.copy_(by_head(std::get<2>(gradients)));
}

bool is_short(const Tensor& qkv, int64_t heads) {
  const int64_t size = qkv.size(2) / 3 / heads;
  return qkv.size(1) == positions && (size == 32 || size == 64);
}

Tensor short_attention(const Tensor& qkv, int64_t heads, bool causal) {
  const int64_t width = qkv.size(2) / 3;
  auto mixed = torch::empty({qkv.size(0), positions, width}, qkv.options());
  short_attention(in(qkv), out(mixed), qkv.size(0), static_cast<int>(heads), static_cast<int>(width / heads),
                  causal, stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return mixed;
}

Tensor short_attention_backward(const Tensor& qkv, const Tensor& dout, int64_t heads, bool causal) {
  auto dqkv = torch::empty_like(qkv);
  short_attention_backward(in(qkv), in(dout), out(dqkv), qkv.size(0), static_cast<int>(heads),
                           static_cast<int>(qkv.size(2) / 3 / heads), causal, stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return dqkv;
}

Tensor add_product(const Tensor& residual, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  auto d = torch::empty_like(residual);
  if (product(d, x, weight, false, residual, {CUBLASLT_EPILOGUE_BIAS, bias, {}})) return d;
  return torch::addmm(residual + bias, x, weight);
}

std::pair<Tensor, Tensor> gelu_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  auto argument = torch::empty({x.size(0), weight.size(1)}, x.options()), y = torch::empty_like(argument);
  if (!product(y, x, weight, false, {}, {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, bias, argument})) {
    argument = torch::addmm(bias, x, weight);
    y = torch::gelu(argument, "tanh");
  }
  return {argument, y};
}

std::pair<Tensor, Tensor> gelu_product_backward(const Tensor& g, const Tensor& weight, const Tensor& x) {
  auto dx = torch::empty_like(x), sums = torch::empty({x.size(1)}, x.options());
  if (!product(dx, g, weight, true, {}, {CUBLASLT_EPILOGUE_DGELU_BGRAD, sums, x})) {
    dx = at::gelu_backward(torch::mm(g, weight.t()), x, "tanh");
    sums = dx.sum(0);
  }
  return {dx, sums};
}

std::pair<Tensor, Tensor> weight_gradient(const Tensor& x, const Tensor& dy) {
  // cuBLASLt's products that sum a bias's gradient are for large results; these are small, of very long sums.
  return {torch::mm(x.t(), dy), dy.sum(0)};
}

bool takes_classes(const Tensor& logits) {
  return logits.size(1) <= most_classes && logits.stride(1) == 1 && logits.stride(0) >= logits.size(1) &&
         logits.stride(0) <= most_classes;
}

Classes cross_entropy(const Tensor& logits, const Tensor& targets) {
  const int64_t rows = logits.size(0), classes = logits.size(1), stride = logits.stride(0);
  Classes c{.nats = torch::empty({rows}, logits.options().dtype(torch::kFloat)),
            .best = torch::empty({rows}, targets.options()),
            .gradient = torch::empty({rows, stride}, logits.options()).slice(1, 0, classes)};
  cross_entropy(in(logits), targets.data_ptr<int64_t>(), c.nats.data_ptr<float>(), c.best.data_ptr<int64_t>(),
                out(c.gradient), rows, classes, stride, stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return c;
}

}  // namespace bytecpu::cuda
