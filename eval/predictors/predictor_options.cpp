#include "eval/predictors/model_predictor.hpp"

namespace bytecpu {

void predictor_options(OptionList& field, PredictorOptions& predictor) {
  field(predictor.threads, "threads", in(0, 4096), "the model's threads; 0: every core");
  field(predictor.precision, "precision", one_of({"auto", "fp32", "bf16"}),
        "of the model's products; auto: bf16 on a GPU");
  field(predictor.device, "device", one_of({"auto", "cpu", "cuda"}), "auto: CUDA where there is a GPU");
}

}  // namespace bytecpu
