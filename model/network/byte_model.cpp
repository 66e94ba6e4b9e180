#include "model/network/byte_model.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "model/network/bgpt.hpp"
#include "model/network/transition.hpp"

namespace bytecpu {

std::shared_ptr<ByteModel> make_model(const ModelConfig& config) {
  check(config);
  if (config.family == "bgpt") return std::make_shared<Bgpt>(config);
  if (config.family == "transition") return std::make_shared<Transition>(config);
  throw Error("unknown model family \"{}\"", config.family);
}

void ByteModel::freeze(torch::ScalarType precision) {
  set_precision(precision);
  torch::NoGradGuard no_grad;
  for (auto& item : named_parameters()) {
    item.value().set_requires_grad(false);
    item.value().set_data(frozen(item.key(), item.value()));
  }
}

void ByteCache::keep(const torch::Tensor& index, int64_t count) {
  positions = std::min(positions, count);
  for (auto& layer : layers) layer.keep(index, positions);
}

}  // namespace bytecpu
