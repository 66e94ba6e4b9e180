#include "model/network/byte_model.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "model/compute/fused.hpp"
#include "model/compute/product.hpp"
#include "model/network/bgpt.hpp"
#include "model/network/transition.hpp"

namespace bytecpu {

std::shared_ptr<ByteModel> make_model(const ModelConfig& config) {
  check(config);
  if (config.family == "bgpt") return std::make_shared<Bgpt>(config);
  if (config.family == "transition") return std::make_shared<Transition>(config);
  throw Error("unknown model family \"{}\"", config.family);
}

int64_t ByteModel::predicted(std::span<const TraceView> traces, Targets targets) const {
  int64_t patches = 0;
  for (const auto& t : traces) {
    const int64_t bytes = std::ssize(t.bytes) - (targets == Targets::all ? 0 : config_.layout.start_bytes());
    patches += bytes / config_.patch_size + (t.complete ? 1 : 0);
  }
  return patches;
}

torch::Tensor ByteModel::common_choice(std::span<const TraceView> traces, Targets targets) const {
  const int64_t count = predicted(traces, targets), taken = common_size(count);
  if (!device().is_cpu() || taken == count) return {};
  auto choice = torch::zeros({count}, torch::kBool);
  for (int64_t i = 0; i < taken; ++i) choice.data_ptr<bool>()[i * count / taken] = true;
  return choice;
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

Loss cross_entropy(const torch::Tensor& logits, const torch::Tensor& patches) {
  const auto loss = class_loss(logits.reshape({-1, logits.size(-1)}), patches.reshape({-1}));
  return {.nats = loss.mean,
          .row_nats = loss.nats.view(patches.sizes()).mean(1).to(torch::kFloat),
          .mistakes = loss.best.view(patches.sizes()).ne(patches).sum(1)};
}

}  // namespace bytecpu
