// How good a model is on files: bits a byte of each kind, and what it makes of the files of another kind.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "datagen/files/file_dataset.hpp"
#include "eval/measures/metrics.hpp"
#include "eval/predictors/file_model.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {

// Documents of one kind: files with this extension, alone or made from files with that one.
struct FileKind {
  std::string extension;
  std::optional<std::string> from = {};

  auto operator<=>(const FileKind&) const = default;
  // "mid", "abc to mid", "without extension"
  std::string name() const;
};

// A conversion that came out otherwise.
struct WrongFile {
  std::string name;
  std::vector<uint8_t> context, truth, predicted;
  bool ended = false;
};

struct KindScores {
  FileKind kind;
  int64_t documents = 0, bytes = 0;
  double nats = 0;  // of all bytes and ends
  // Half of the 95 % interval of bits_per_byte(), the documents taken as independent; 0 of less than two.
  double half_interval = 0;
  // What the compressors need for the same bytes, those of the training before them.
  int64_t xz = 0, zstd = 0;
  // Of the files that were converted: those that are right to the last byte, and those that the model ended.
  Rate equal = {}, ended = {};
  std::vector<WrongFile> examples = {};

  double bits_per_byte() const;
};

struct FileEvaluation {
  Split split = Split::test;
  int64_t documents = 0;    // the split's first so many; 0: all
  int64_t conversions = 0;  // pairs of each kind, the first so many, that are converted greedily
};

// By kind, in the order of extensions. Calls `progress` with how many documents are judged.
std::vector<KindScores> evaluate_files(FileModel& model, const FileDataset& data,
                                       const FileEvaluation& options, const OnProgress& progress);
nlohmann::ordered_json to_json(const KindScores& scores);

// How often the most probable label is the right one, of the files that have one.
struct LabelScores {
  std::vector<std::string> labels;  // the dataset's
  // Files by their label, and by that which the model gives them.
  std::vector<std::vector<int64_t>> confusion;
  double nats = 0;  // of the right labels

  Rate right() const;
};

// Throws Error where the model's labels are not the dataset's. Calls `progress` with how many files are judged.
LabelScores evaluate_labels(FileModel& model, const FileDataset& data, const FileEvaluation& options,
                            const OnProgress& progress);
nlohmann::ordered_json to_json(const LabelScores& scores);

}  // namespace bytecpu
