#include "eval/predictors/file_model.hpp"

#include <algorithm>
#include <iterator>

#include "emulator/error.hpp"
#include "eval/predictors/model_details.hpp"
#include "model/inference/continuation.hpp"
#include "model/inference/likelihood.hpp"
#include "model/inference/prepare.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/validation.hpp"

namespace bytecpu {
namespace {

class TrainedFileModel final : public FileModel {
 public:
  TrainedFileModel(const std::filesystem::path& run, const PredictorOptions& options)
      : batch_(static_cast<size_t>(std::max(1, options.batch_traces))) {
    const auto checkpoint = find_checkpoint(run);
    if (!checkpoint) throw Error("{}: holds no checkpoint; train one with bytecpu-train --out", run.string());
    checkpoint_ = *checkpoint;
    model_ = load_model(checkpoint_);
    if (model_->frame().kind != DocumentKind::file) {
      throw Error("{}: is a model of the machine {}, and the data are files", run.string(),
                  model_->frame().layout.machine);
    }
    step_ = load_training_state(checkpoint_).value("step", int64_t{0});
    prepare(*model_, {options.threads, options.precision, options.device});
  }

  std::string name() const override { return model_->config().family; }
  nlohmann::ordered_json details() const override { return details_of(*model_, checkpoint_, step_); }

  bool predicts_bytes() const override { return model_->predicts_bytes(); }
  std::vector<double> nats(std::span<const Document> documents,
                           const std::function<void(int64_t)>& done) override {
    constexpr int64_t batch_patches = 4096;
    for (const auto& document : documents) check_length(*model_, document);  // now, not after minutes
    return nats_of(*model_, documents, batch_patches, done);
  }

  std::span<const std::string> labels() const override { return model_->frame().labels; }
  std::vector<double> label_probabilities(const Document& file) override {
    return bytecpu::label_probabilities(*model_, file);
  }

  std::vector<Continuation> convert(std::span<const Document> documents) override {
    std::vector<Continuation> all;
    for (size_t first = 0; first < documents.size(); first += batch_) {
      std::vector<Document> starts;
      for (const auto& d : documents.subspan(first, std::min(batch_, documents.size() - first))) {
        starts.push_back(d.first(0));
      }
      auto made = continue_files(*model_, starts, {.sampling = {.temperature = 0}});
      std::ranges::move(made, std::back_inserter(all));
    }
    return all;
  }

 private:
  std::filesystem::path checkpoint_;
  std::shared_ptr<ByteModel> model_;
  int64_t step_ = 0;
  size_t batch_;
};

}  // namespace

std::unique_ptr<FileModel> load_file_model(const std::filesystem::path& checkpoint,
                                           const PredictorOptions& options) {
  return std::make_unique<TrainedFileModel>(checkpoint, options);
}

}  // namespace bytecpu
