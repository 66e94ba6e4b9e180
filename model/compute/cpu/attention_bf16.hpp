// Attention for processors with AVX-512's bf16 instructions; attention.cpp has the plain version for all others.
#pragma once

#include "model/compute/cpu/kernels.hpp"

namespace bytecpu::cpu {

// Whether this build has it and it takes the shape: heads and distances between queries of an even number of
// elements.
bool bf16_attention_takes(const Attention& shape);

// As attention() and attention_backward(). Probabilities and their gradients are rounded to bf16.
void bf16_attention(const Attention& shape, const Bf16* q, const Bf16* k, const Bf16* v, Bf16* out);
void bf16_attention_backward(const Attention& shape, const Bf16* q, const Bf16* k, const Bf16* v,
                             const Bf16* dout, Bf16* dq, Bf16* dk, Bf16* dv);

}  // namespace bytecpu::cpu
