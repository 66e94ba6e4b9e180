#include "model/inference/prepare.hpp"

#include "model/compute/device.hpp"

namespace bytecpu {

void prepare(ByteModel& model, const InferenceOptions& options) {
  use_threads(options.threads);
  model.eval();
  const auto device = choose_device(options.device);
  model.to(device);
  const bool bf16 = options.precision == "bf16" || (options.precision == "auto" && device.is_cuda());
  model.freeze(supported_precision(bf16 ? "bf16" : "fp32", device));
}

}  // namespace bytecpu
