// Symbols to vectors, and vectors to logits of symbols.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// table[symbols] + positions, in `precision`. symbols I64 [N, P]; table [classes, width]; positions [P, width].
torch::Tensor embed(const torch::Tensor& symbols, const torch::Tensor& table, const torch::Tensor& positions,
                    torch::ScalarType precision);

// x·tableᵀ. x: [..., width], table [symbols, width] of the same type.
torch::Tensor symbol_logits(const torch::Tensor& x, const torch::Tensor& table);

}  // namespace bytecpu
