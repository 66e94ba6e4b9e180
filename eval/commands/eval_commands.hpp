// The commands of bytecpu-eval, and what they share: the data evaluated on, and what is written.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/part.hpp"
#include "eval/documents/judge.hpp"
#include "eval/predictors/model_predictor.hpp"

namespace bytecpu {

cli::Command model_command();
cli::Command files_command();
cli::Command baseline_command();
cli::Command merge_command();

// A dataset's traces; and the machine, where there is no dataset.
struct DataOptions {
  std::string data;
  Split split = Split::test;
  int64_t traces = 0;
  std::string machine;
  std::optional<int> memory_bytes;

  bool names_machine() const { return !machine.empty() && memory_bytes; }
};
// `machine_of`: what the machine's options are for.
void data_options(OptionList& field, DataOptions& data, const std::string& machine_of);
// Throws UsageError where both the dataset and the options name the machine.
void refuse_machine(const OptionList& given, const DataOptions& data);

struct OutputOptions {
  std::string report, json;
};
void output_options(OptionList& field, OutputOptions& output);
// Throws, so that a long evaluation does not fail at its end.
void check_outputs(const OutputOptions& output);

// The share of an evaluation that a process does.
void part_option(OptionList& field, std::optional<Part>& part);
// Throws UsageError where the outputs are not those of a part.
void check_part(const OptionList& given, const std::optional<Part>& part, const OutputOptions& output);

// Writes the document of a part; `given` has its settings.
void write_part(const OutputOptions& output, const nlohmann::ordered_json& document, const Part& part,
                const OptionList& given);

// Evaluates a model of files on a dataset of files.
struct DocumentsOptions {
  std::filesystem::path checkpoint;
  PredictorOptions predictor;
  DataOptions data;
  int64_t conversions = 0;
  OutputOptions output;
};
void evaluate_documents(const DocumentsOptions& options, const std::filesystem::path& training_folder);

// What a training left in its folder: metrics.jsonl and run.json, as members of the document; nothing where there
// is none, or no folder.
void add_record(nlohmann::ordered_json& document, const std::filesystem::path& training_folder);

// Prints first, so that what was measured is seen though a file cannot be written.
void write_results(const OutputOptions& output, const nlohmann::ordered_json& document);

}  // namespace bytecpu
