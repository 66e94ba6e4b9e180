#include "model/inference/file_model.hpp"

#include "datagen/io/files.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

void inference_options(OptionList& field, InferenceOptions& o) {
  field(o.threads, "threads", in(0, 4096), "the model's threads; 0: every core");
  field(o.precision, "precision", one_of({"auto", "fp32", "bf16"}), "of the products; auto: bf16 on a GPU");
  field(o.device, "device", one_of({"auto", "cpu", "cuda"}), "auto: CUDA where there is a GPU");
}

namespace {

fs::path checkpoint_of(const fs::path& run) {
  const auto checkpoint = find_checkpoint(run);
  if (!checkpoint) throw Error("{}: holds no checkpoint", run.string());
  return *checkpoint;
}

}  // namespace

std::shared_ptr<ByteModel> load_model_of_files(const fs::path& run, const InferenceOptions& options) {
  auto model = load_model(checkpoint_of(run));
  if (model->frame().kind != DocumentKind::file) {
    throw Error("{}: is a model of the machine {}, not of files: bytecpu-run goes with it", run.string(),
                model->frame().layout.machine);
  }
  prepare(*model, options);
  return model;
}

std::string weights_of(const fs::path& run) {
  return checksum(MappedFile(checkpoint_of(run) / "model.safetensors").bytes());
}

}  // namespace bytecpu
