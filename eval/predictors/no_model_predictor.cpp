// Stands in for model_predictor.cpp and file_model.cpp where bytecpu is built without LibTorch.
#include "emulator/error.hpp"
#include "eval/predictors/file_model.hpp"

namespace bytecpu {

namespace {

[[noreturn]] void refuse(const std::filesystem::path& checkpoint) {
  throw UsageError("{}: this bytecpu was built without the model; build it with -DBYTECPU_MODEL=ON",
                   checkpoint.string());
}

}  // namespace

std::unique_ptr<Predictor> load_model_predictor(const std::filesystem::path& checkpoint,
                                                const PredictorOptions&) {
  refuse(checkpoint);
}

std::unique_ptr<FileModel> load_file_model(const std::filesystem::path& checkpoint, const PredictorOptions&) {
  refuse(checkpoint);
}

}  // namespace bytecpu
