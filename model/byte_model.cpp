#include "model/byte_model.hpp"

#include "emulator/error.hpp"
#include "model/bgpt.hpp"
#include "model/fused.hpp"
#include "model/transition.hpp"

namespace bytecpu {

std::shared_ptr<ByteModel> make_model(const ModelConfig& config) {
  check(config);
  if (config.family == "bgpt") return std::make_shared<Bgpt>(config);
  if (config.family == "transition") return std::make_shared<Transition>(config);
  throw Error("unknown model family \"{}\"", config.family);
}

Loss cross_entropy(const torch::Tensor& logits, const torch::Tensor& patches) {
  const auto loss = class_loss(logits.reshape({-1, logits.size(-1)}), patches.reshape({-1}));
  return {.nats = loss.mean,
          .row_nats = loss.nats.view(patches.sizes()).mean(1).to(torch::kFloat),
          .mistakes = loss.best.view(patches.sizes()).ne(patches).sum(1)};
}

}  // namespace bytecpu
