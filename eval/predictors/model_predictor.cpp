#include "eval/predictors/model_predictor.hpp"

#include <torch/torch.h>

#include <numeric>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"
#include "model/inference/inference.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/trainer.hpp"

namespace bytecpu {
namespace {

class ModelPredictor final : public Predictor {
 public:
  ModelPredictor(const std::filesystem::path& run, const PredictorOptions& options) {
    const bool bare = std::filesystem::is_regular_file(run);
    const auto checkpoint = bare ? run : find_checkpoint(run);
    if (!checkpoint) throw Error("{}: holds no checkpoint; train one with bytecpu-train --out", run.string());
    checkpoint_ = *checkpoint;
    if (options.precision != "auto" && options.precision != "fp32" && options.precision != "bf16") {
      throw UsageError("precision must be auto, fp32 or bf16, not \"{}\"", options.precision);
    }
    use_threads(options.threads);
    if (bare) {
      model_ = load_published(run, make_machine(options.machine, options.memory_bytes)->layout());
    } else {
      model_ = load_model(checkpoint_);
      step_ = load_training_state(checkpoint_).value("step", int64_t{0});
    }
    model_->eval();
    const auto device = choose_device("auto");
    model_->to(device);
    const bool bf16 = options.precision == "bf16" || (options.precision == "auto" && device.is_cuda());
    model_->freeze(supported_precision(bf16 ? "bf16" : "fp32", device));
    batch_traces_ = std::max(1, options.batch_traces);
  }

  std::string name() const override { return model_->config().family; }
  const Layout& layout() const override { return model_->config().layout; }
  nlohmann::ordered_json details() const override {
    int64_t parameters = 0;
    for (const auto& p : model_->parameters()) parameters += p.numel();
    return {{"checkpoint", checkpoint_.string()},
            {"step", step_},
            {"parameters", parameters},
            {"precision", model_->precision() == torch::kFloat ? "fp32" : "bf16"},
            {"device", model_->device().str()},
            {"model", model_->config()}};
  }

  std::vector<StepPrediction> step(std::span<const std::span<const uint8_t>> traces) override {
    return predict(traces, {});
  }

  std::vector<StepPrediction> record(std::span<const std::span<const uint8_t>> traces,
                                     int64_t number) override {
    return predict(traces, number);
  }

  std::vector<RolloutPrediction> rollout(std::span<const std::span<const uint8_t>> starts,
                                         std::span<const int64_t> max_records,
                                         std::span<const std::span<const uint8_t>> guesses) override {
    std::vector<RolloutPrediction> predictions(starts.size());
    for (size_t first = 0; first < starts.size(); first += batch_traces_) {
      std::vector<size_t> batch(std::min<size_t>(batch_traces_, starts.size() - first));
      std::iota(batch.begin(), batch.end(), first);
      auto rollouts =
          roll_out(*model_, views(starts, batch), max_records.subspan(first, batch.size()), Decoding::drafted,
                   nullptr, guesses.empty() ? std::vector<TraceView>() : views(guesses, batch));
      for (size_t i = 0; i < batch.size(); ++i) {
        predictions[batch[i]] = {.records = std::move(rollouts[i].records),
                                 .ended = rollouts[i].ended,
                                 .confidence = std::move(rollouts[i].confidence)};
      }
    }
    return predictions;
  }

 private:
  std::vector<StepPrediction> predict(std::span<const std::span<const uint8_t>> traces,
                                      std::optional<int64_t> only) {
    std::vector<StepPrediction> predictions(traces.size());
    for (const auto& batch : batches(traces)) {
      auto predicted = predict_steps(*model_, views(traces, batch), only);
      for (size_t i = 0; i < batch.size(); ++i) {
        auto& p = predicted[i];
        predictions[batch[i]] = {.records = std::move(p.records),
                                 .ended = std::move(p.ended),
                                 .nats = std::move(p.nats),
                                 .confidence = std::move(p.confidence)};
      }
    }
    return predictions;
  }
  // Traces of similar length, few enough for the memory that their logits take.
  BatchPlan batches(std::span<const std::span<const uint8_t>> traces) const {
    constexpr int64_t most_patches = 4096;
    std::vector<int64_t> lengths;
    for (const auto& t : traces) lengths.push_back(std::ssize(t));
    return plan_batches(lengths, model_->config().patch_size, model_->extra_patches(), most_patches, 0);
  }
  static std::vector<TraceView> views(std::span<const std::span<const uint8_t>> traces,
                                      const std::vector<size_t>& batch) {
    std::vector<TraceView> result;
    for (size_t i : batch) result.push_back({.bytes = traces[i]});
    return result;
  }

  std::filesystem::path checkpoint_;
  std::shared_ptr<ByteModel> model_;
  int64_t step_ = 0;  // of its training; 0: unknown
  size_t batch_traces_ = 0;
};

}  // namespace

std::unique_ptr<Predictor> load_model_predictor(const std::filesystem::path& checkpoint,
                                                const PredictorOptions& options) {
  return std::make_unique<ModelPredictor>(checkpoint, options);
}

}  // namespace bytecpu
