// Attention in several heads: among the positions of a row, together with the layer norm, products and residual sum
// around it; and from the positions of one row to those of another.
#pragma once

#include "model/compute/product.hpp"

namespace bytecpu {

// x + out(attention(qkv(layer_norm(x)))), among the P positions of each of N rows; biases in both or in neither.
// x: [N, P, width], qkv [width, 3 · width], out [width, width].
torch::Tensor residual_attention(const torch::Tensor& x, const Linear& qkv, const Linear& out, int64_t heads,
                                 bool causal);

// Softmax(q·kᵀ / √(width / heads))·v in each head. q: [B, Tq, width]; kv: [B, Tk, 2 · width], keys before values;
// returns [B, Tq, width]. Causal: the queries are the last of the Tk positions.
torch::Tensor cross_attention(const torch::Tensor& q, const torch::Tensor& kv, int64_t heads,
                              bool causal = false);

}  // namespace bytecpu
