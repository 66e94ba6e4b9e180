// Products of bf16 matrices with what follows them, by cuBLASLt.
#pragma once

#include <cublasLt.h>
#include <torch/torch.h>

namespace bytecpu::cuda {

// What is done to the product on its way to memory.
struct Epilogue {
  cublasLtEpilogue_t kind;
  torch::Tensor vector;     // the bias, or where its gradient goes
  torch::Tensor auxiliary;  // the argument of GELU: written, or read for its gradient
};

// d = a·b, or a·bᵀ if `transposed`, plus the residual where it is defined, and the epilogue. All matrices are
// contiguous. False, and nothing done, if cuBLASLt cannot.
bool product(const torch::Tensor& d, const torch::Tensor& a, const torch::Tensor& b, bool transposed,
             const torch::Tensor& residual, const Epilogue& epilogue);

}  // namespace bytecpu::cuda
