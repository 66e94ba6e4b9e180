// bytecpu-infer: new files from a trained model, from nothing, from a beginning, or made from other files; labels of
// files; and files compressed with it.
#include <fmt/ranges.h>

#include <algorithm>

#include "datagen/files/names.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "model/inference/compress_commands.hpp"
#include "model/inference/continuation.hpp"
#include "model/inference/file_model.hpp"
#include "model/inference/likelihood.hpp"
#include "model/training/validation.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct ModelOptions {
  fs::path checkpoint, out;
  InferenceOptions inference;
  int batch = 64;
  int64_t most_bytes = 0;
  bool json = false;
};

void model_options(OptionList& field, ModelOptions& m) {
  field(m.checkpoint, "checkpoint", text("RUN"),
        "a trained model of files: a run's folder, or a checkpoint's")
      .required();
  field(m.out, "out", text("DIR"), "folder for the new files; it must be new or empty").required();
  field(m.most_bytes, "most-bytes", at_least(0),
        "cut files there, of a model that writes from the end their beginning; 0: at what the model takes");
  field(m.batch, "batch", in(1, 1 << 16), "files made at once");
  inference_options(field, m.inference);
  field(m.json, "json", "print the summary as JSON");
}

// A file to be made: what is known of it, and its name.
struct Wanted {
  Document beginning;
  std::string name;
};

struct Made {
  std::string name;
  int64_t bytes;
  bool ended;
};

// Makes the files and writes each, with its beginning.
std::vector<Made> make_files(const ModelOptions& m, std::span<const Wanted> wanted,
                             ContinuationOptions options) {
  const auto model = load_model_of_files(m.checkpoint, m.inference);
  const OutputFolder folder(m.out);
  folder.remove_temporaries();
  folder.require_empty();
  if (m.most_bytes > 0) options.most_bytes = m.most_bytes;
  std::vector<Made> made;
  cli::Progress progress("infer", "files", static_cast<double>(wanted.size()));
  for (size_t first = 0; first < wanted.size(); first += static_cast<size_t>(m.batch)) {
    const auto batch = wanted.subspan(first, std::min(wanted.size() - first, static_cast<size_t>(m.batch)));
    std::vector<Document> beginnings;
    for (const auto& file : batch) beginnings.push_back(file.beginning);
    options.first_stream = first;
    const auto files = continue_files(*model, beginnings, options);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto begun = batch[i].beginning.steps;
      write_file(m.out / batch[i].name, std::array{begun, std::span<const uint8_t>(files[i].bytes)});
      made.push_back({batch[i].name, std::ssize(begun) + std::ssize(files[i].bytes), files[i].ended});
    }
    progress.update(static_cast<double>(made.size()));
  }
  return made;
}

void print(const ModelOptions& m, const std::vector<Made>& made) {
  const auto ended = std::ranges::count(made, true, &Made::ended);
  int64_t bytes = 0;
  auto files = ordered_json::array();
  for (const auto& file : made) {
    bytes += file.bytes;
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"ended", file.ended}});
    if (!file.ended && !m.json)
      fmt::print("{}: cut after {} bytes\n", (m.out / file.name).string(), file.bytes);
  }
  if (m.json) {
    fmt::print("{}\n",
               json_text({{"out", m.out.string()}, {"bytes", bytes}, {"ended", ended}, {"files", files}}));
  } else {
    fmt::print("{}: {} files, {} bytes; {} ended by themselves, {} were cut\n", m.out.string(), made.size(),
               bytes, ended, std::ssize(made) - ended);
  }
}

std::string dotted(std::string_view extension) {
  return extension.empty() ? std::string() : fmt::format(".{}", extension);
}

struct GenerateValues {
  ModelOptions model;
  std::string extension;
  fs::path begin;
  int number = 1;
  ContinuationOptions how;
};

OptionList options(GenerateValues& v) {
  OptionList field;
  field(v.extension, "extension", text("EXT"),
        "of the new files, without the dot; a kind that the model learned")
      .required();
  field(v.begin, "begin", text("FILE"), "all files begin with the bytes of this one");
  field(v.number, "number", in(1, 1 << 24), "how many files");
  field(v.how.seed, "seed", at_least(0), "of the draws; file i is the same whatever --number and --batch");
  field(v.how.sampling.temperature, "temperature", at_least(0),
        "of the draws; 0: always the most probable byte");
  field(v.how.sampling.top_k, "top-k", in(0, symbols), "draw from the N most probable bytes; 0: all");
  field(v.how.sampling.top_p, "top-p", in(0, 1), "draw from the most probable bytes with this share; 1: all");
  model_options(field, v.model);
  return field;
}

void generate_files(GenerateValues& v, const OptionList& given) {
  if (v.how.sampling.temperature == 0) {
    given.refuse("changes nothing at temperature 0", v.how.seed, v.how.sampling.top_k, v.how.sampling.top_p);
    if (v.number > 1) throw UsageError("--temperature 0: all {} files would be the same", v.number);
  }
  const std::string begun = v.begin.empty() ? std::string() : read_file(v.begin);
  const auto beginning = Document::file(v.extension, bytes_of(begun), false);
  std::vector<Wanted> wanted;
  for (int i = 0; i < v.number; ++i) {
    wanted.push_back({beginning, fmt::format("{:05}{}", i, dotted(v.extension))});
  }
  print(v.model, make_files(v.model, wanted, v.how));
}

struct ConvertValues {
  ModelOptions model;
  std::vector<std::string> files;
  std::string to;
};

OptionList options(ConvertValues& v) {
  OptionList field;
  field(v.files, "files", text("FILE ..."), "files to convert").required().positional();
  field(v.to, "to", text("EXT"), "extension of the new files, without the dot").required();
  model_options(field, v.model);
  return field;
}

void convert_files(ConvertValues& v, const OptionList&) {
  std::vector<std::string> contents, extensions;
  for (const auto& file : v.files) {
    contents.push_back(read_file(file));
    extensions.emplace_back(extension_of(file));
  }
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < v.files.size(); ++i) {
    const auto name = std::string(base_name(stem_of(v.files[i]))) + dotted(v.to);
    if (std::ranges::find(wanted, name, &Wanted::name) != wanted.end()) {
      throw UsageError("{}: another file would become {}, too", v.files[i], name);
    }
    wanted.push_back({Document::file(v.to, {}, false).from(extensions[i], bytes_of(contents[i])), name});
  }
  print(v.model, make_files(v.model, wanted, {.sampling = {.temperature = 0}}));
}

struct ClassifyValues {
  fs::path checkpoint;
  std::vector<std::string> files;
  InferenceOptions inference;
  bool json = false;
};

OptionList options(ClassifyValues& v) {
  OptionList field;
  field(v.files, "files", text("FILE ..."), "files to classify").required().positional();
  field(v.checkpoint, "checkpoint", text("RUN"), "a model that was trained with --learn labels or both")
      .required();
  inference_options(field, v.inference);
  field(v.json, "json", "print all labels' probabilities as JSON");
  return field;
}

void classify_files(ClassifyValues& v, const OptionList&) {
  const auto model = load_model_of_files(v.checkpoint, v.inference);
  const auto& labels = model->frame().labels;
  if (labels.empty()) {
    throw Error("{}: has learned no labels; train with --learn labels or both", v.checkpoint.string());
  }
  auto all = ordered_json::array();
  for (const auto& file : v.files) {
    const auto contents = read_file(file);
    const auto extension = extension_of(file);
    const auto document = Document::file(extension, bytes_of(contents));
    check_length(*model, Document::label(labels[0], document));
    const auto shares = label_probabilities(*model, document);
    const auto best = static_cast<size_t>(std::ranges::max_element(shares) - shares.begin());
    if (!v.json) {
      fmt::print("{}: {}, probability {:.4f}\n", file, escaped(labels[best]), shares[best]);
      continue;
    }
    ordered_json probabilities;
    for (size_t i = 0; i < labels.size(); ++i) probabilities[escaped(labels[i])] = shares[i];
    all.push_back({{"file", file}, {"label", escaped(labels[best])}, {"probabilities", probabilities}});
  }
  if (v.json) fmt::print("{}\n", json_text(all));
}

int main(int argc, char** argv) {
  cli::prepare_compute(argv);
  return cli::main(
      "bytecpu-infer", "New files, conversions, labels and compression from a trained model of files.",
      {cli::command<GenerateValues>("generate", "New files, from nothing or from a beginning.",
                                    "--checkpoint RUN --extension EXT --out DIR [options]", options,
                                    generate_files),
       cli::command<ConvertValues>("convert", "Files become files of another kind.",
                                   "FILE ... --to EXT --checkpoint RUN --out DIR [options]", options,
                                   convert_files),
       cli::command<ClassifyValues>("classify", "The label of each file, and how probable it is.",
                                    "FILE ... --checkpoint RUN [options]", options, classify_files),
       compress_command(), decompress_command()},
      argc, argv);
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) { return bytecpu::main(argc, argv); }
