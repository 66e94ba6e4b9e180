// Pointers into a sequence that move along it while another one is written: the forward pass of a hidden Markov
// model whose states are places. As the attention by location of Graves (2013, arXiv 1308.0850) it knows where it
// was, as monotonic attention (Raffel et al. 2017, arXiv 1704.00784) it moves from place to place; unlike both it keeps a
// distribution over all places, which what was written corrects.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// N pointers into I places, over T steps. All F32, or all double; probabilities are in 0 … 1.
struct PointerMoves {
  torch::Tensor scores;    // [N, T, I] how well each place fits what was written, a logarithm
  torch::Tensor stops;     // [N, I] that a pointer on its way stops at this place
  torch::Tensor targets;   // [N, I] where one goes that jumps; sums to 1
  torch::Tensor advances;  // [N, T] that it leaves for a later place
  torch::Tensor jumps;     // [N, T] that it jumps
  torch::Tensor start;     // [N, I] where it is before step 0; sums to 1; no gradient
};

// Where the pointers are at each step: [N, T, I], each row sums to 1. With p the row before,
//   moved[j] = stops[j] · Σ over i < j of p[i] · Π over i < k < j of (1 - stops[k])
//   q = (1 - jump) · ((1 - advance) · p + advance · moved) + jump · targets
//   row[j] ∝ (q[j] + 1e-8) · exp(scores[j])
// What moves past the last place is lost, and the rest shares it out. Differentiable.
torch::Tensor move_pointers(const PointerMoves& moves);

}  // namespace bytecpu
