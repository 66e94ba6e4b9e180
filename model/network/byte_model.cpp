#include "model/network/byte_model.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "model/compute/class_loss.hpp"
#include "model/network/bgpt.hpp"
#include "model/network/classifier.hpp"
#include "model/network/fields.hpp"
#include "model/network/pointer.hpp"
#include "model/network/transition.hpp"

namespace bytecpu {

std::shared_ptr<ByteModel> make_model(const ModelConfig& config) {
  check(config);
  if (config.family == "bgpt") return std::make_shared<Bgpt>(config);
  if (config.family == "transition") return std::make_shared<Transition>(config);
  if (config.family == "fields") return std::make_shared<Fields>(config);
  if (config.family == "pointer") return std::make_shared<Pointer>(config);
  if (config.family == "classifier") return std::make_shared<Classifier>(config);
  throw Error("unknown model family \"{}\"", config.family);
}

Loss cross_entropy(const torch::Tensor& logits, const torch::Tensor& patches) {
  const auto loss = class_loss(logits.reshape({-1, logits.size(-1)}), patches.reshape({-1}));
  return {.nats = loss.mean,
          .row_nats = loss.nats.view(patches.sizes()).mean(1).to(torch::kFloat),
          .mistakes = loss.best.view(patches.sizes()).ne(patches).sum(1)};
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
