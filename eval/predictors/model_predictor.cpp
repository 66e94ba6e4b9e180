#include "eval/predictors/model_predictor.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <iterator>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"
#include "eval/predictors/model_details.hpp"
#include "model/compute/device.hpp"
#include "model/inference/prepare.hpp"
#include "model/inference/rollout.hpp"
#include "model/inference/steps.hpp"
#include "model/training/batch.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {
namespace {

class ModelPredictor final : public Predictor {
 public:
  ModelPredictor(const std::filesystem::path& run, const PredictorOptions& options) {
    const bool bare = std::filesystem::is_regular_file(run);
    const auto checkpoint = bare ? run : find_checkpoint(run);
    if (!checkpoint) throw Error("{}: holds no checkpoint; train one with bytecpu-train --out", run.string());
    checkpoint_ = *checkpoint;
    if (bare) {
      model_ = load_published(run, make_machine(options.machine, options.memory_bytes)->layout());
    } else {
      model_ = load_model(checkpoint_);
      step_ = load_training_state(checkpoint_).value("step", int64_t{0});
    }
    if (model_->frame().kind == DocumentKind::file) {
      throw Error("{}: is a model of files: give it a dataset of files, or use bytecpu-infer", run.string());
    }
    prepare(*model_, {options.threads, options.precision, options.device});
    batch_traces_ = std::max(1, options.batch_traces);
  }

  std::string name() const override { return model_->config().family; }
  const Layout& layout() const override { return model_->frame().layout; }
  nlohmann::ordered_json details() const override { return details_of(*model_, checkpoint_, step_); }

  std::vector<StepPrediction> step(std::span<const Trace> traces) override { return predict(traces, {}); }

  std::vector<StepPrediction> record(std::span<const Trace> traces, int64_t number) override {
    return predict(traces, number);
  }

  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override {
    std::vector<Rollout> predictions;
    for (size_t first = 0; first < traces.size(); first += batch_traces_) {
      const size_t count = std::min(batch_traces_, traces.size() - first);
      const auto documents = documents_of(traces.subspan(first, count));
      auto rollouts = roll_out(*model_, documents, most.subspan(first, count), {.guess = true});
      std::ranges::move(rollouts, std::back_inserter(predictions));
    }
    return predictions;
  }

 private:
  static std::vector<Document> documents_of(std::span<const Trace> traces) {
    std::vector<Document> documents;
    for (const Trace& trace : traces) documents.emplace_back(trace);
    return documents;
  }

  std::vector<StepPrediction> predict(std::span<const Trace> traces, std::optional<int64_t> only) {
    const auto documents = documents_of(traces);
    std::vector<StepPrediction> predictions(traces.size());
    for (const auto& batch : batches(documents)) {
      std::vector<Document> chosen;
      for (const size_t i : batch) chosen.push_back(documents[i]);
      auto predicted = predict_steps(*model_, chosen, only);
      for (size_t i = 0; i < batch.size(); ++i) predictions[batch[i]] = std::move(predicted[i]);
    }
    return predictions;
  }
  // Documents of similar length, few enough for the memory that their logits take.
  BatchPlan batches(std::span<const Document> documents) const {
    constexpr int64_t most_patches = 4096;
    std::vector<int64_t> lengths;
    for (const auto& document : documents) lengths.push_back(model_->length(document));
    return plan_batches(lengths, most_patches, 0);
  }

  std::filesystem::path checkpoint_;
  std::shared_ptr<ByteModel> model_;
  int64_t step_ = 0;  // of its training; 0: unknown
  size_t batch_traces_ = 0;
};

}  // namespace

nlohmann::ordered_json details_of(const ByteModel& model, const std::filesystem::path& checkpoint,
                                  int64_t step) {
  int64_t parameters = 0;
  for (const auto& p : model.parameters()) parameters += p.numel();
  return {{"checkpoint", checkpoint.string()}, {"step", step},
          {"parameters", parameters},          {"precision", precision_name(model.precision())},
          {"device", model.device().str()},    {"model", model.config()}};
}

std::unique_ptr<Predictor> load_model_predictor(const std::filesystem::path& checkpoint,
                                                const PredictorOptions& options) {
  return std::make_unique<ModelPredictor>(checkpoint, options);
}

}  // namespace bytecpu
