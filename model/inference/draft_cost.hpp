// What decoding costs with a draft and without one, to decide whether to check a draft.
#pragma once

#include <torch/torch.h>

#include "model/inference/decode.hpp"

namespace bytecpu {

// Costs are in the time of one position of one patch.

// Of `length` positions of each of `rows` patches, decoded one by one.
double bytewise_cost(torch::Device device, double rows, double length);
// Of checking them in passes, if `wrong` bytes of a patch were rejected, and each pass rejects the share of
// bytes that the one before it did.
double checking_cost(torch::Device device, double rows, double length, double wrong);

// Bytes before the last, which conditions nothing, in which `chosen` differs from `given` (I64 [N, T], up to
// the patches' end): bool [N, T - 1].
torch::Tensor rejected(const torch::Tensor& chosen, const torch::Tensor& given);

// How many bytes of recent drafts were rejected in a batch of free runs, checked or not; one for each part of a step.
class Acceptance {
 public:
  // Whether checking the drafts of so many patches promises to cost less than decoding them bytewise: a pass
  // over all, then for those with a wrong byte more passes, or their bytes one by one.
  bool pays(torch::Device device, double rows, double patch) const;
  void observe(const torch::Tensor& draft, const Decoded& decoded);

 private:
  bool known_ = false;
  // Running means of the share of patches with a wrong byte, and of the wrong bytes of a patch.
  double open_ = 0, wrong_ = 0;
};

}  // namespace bytecpu
