// A trained model of files, as the evaluation asks it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datagen/corpus/document.hpp"
#include "eval/predictors/model_predictor.hpp"
#include "model/inference/prediction.hpp"

namespace bytecpu {

class FileModel {
 public:
  virtual ~FileModel() = default;
  virtual std::string name() const = 0;
  // As Predictor::details().
  virtual nlohmann::ordered_json details() const = 0;
  // Whether it predicts bytes; a classifier tells labels alone.
  virtual bool predicts_bytes() const = 0;
  // Of each document the negative log-likelihood, in nats, of its bytes and its end. Calls `done` with how many
  // documents are finished.
  virtual std::vector<double> nats(std::span<const Document> documents,
                                   const std::function<void(int64_t)>& done) = 0;
  // The labels that it has learned; and the probability of each of them, of a file.
  virtual std::span<const std::string> labels() const = 0;
  virtual std::vector<double> label_probabilities(const Document& file) = 0;
  // What it makes of each document's context, by the most probable bytes.
  virtual std::vector<Continuation> convert(std::span<const Document> documents) = 0;
};

// As load_model_predictor(). Throws Error where the model is one of a machine.
std::unique_ptr<FileModel> load_file_model(const std::filesystem::path& checkpoint,
                                           const PredictorOptions& options);

}  // namespace bytecpu
