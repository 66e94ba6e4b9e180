// A model's parameters with their names, and what optimisers need to know of each.
#pragma once

#include <torch/torch.h>

#include <string>

namespace bytecpu {

struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
};

struct TrainedParameter {
  std::string name;
  torch::Tensor tensor;
  // A hidden matrix: not an embedding, a table of positions, an output layer, a gain or a bias. Its last two
  // dimensions are the matrix; `parts` matrices stand side by side along the last (queries, keys and values:
  // 3).
  bool hidden_matrix = false;
  int parts = 1;
};

}  // namespace bytecpu
