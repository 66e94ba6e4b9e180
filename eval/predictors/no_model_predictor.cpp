// Stands in for model_predictor.cpp where bytecpu is built without LibTorch.
#include "emulator/error.hpp"
#include "eval/predictors/model_predictor.hpp"

namespace bytecpu {

std::unique_ptr<Predictor> load_model_predictor(const std::filesystem::path& checkpoint,
                                                const PredictorOptions&) {
  throw UsageError("{}: this bytecpu was built without the model; build it with -DBYTECPU_MODEL=ON",
                   checkpoint.string());
}

}  // namespace bytecpu
