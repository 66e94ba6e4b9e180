// bytecpu-train: trains a model on a dataset, or on an endless stream of fresh programs. Exit code 0: trained
// to the end; 130: stopped by a signal, all saved; 1: failed; 2: bad usage.
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>

#include "datagen/corpus/dataset_corpus.hpp"
#include "datagen/corpus/program_stream.hpp"
#include "datagen/files/file_corpus.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/program_options.hpp"
#include "emulator/version.hpp"
#include "model/compute/device.hpp"
#include "model/network/config.hpp"
#include "model/ranks/ranks.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/trainer.hpp"
#include "model/training/validation.hpp"

namespace bytecpu {
namespace {

constexpr int exit_stopped = 130;
std::atomic<bool> stop_requested = false;  // set by SIGINT, SIGTERM and SIGHUP

struct Values {
  std::string data, out, init;
  bool resume = false;
  ProgramStream::Options stream;
  FileCorpus::Learn learn = FileCorpus::Learn::files;
  ModelConfig model;
  TrainConfig train;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.out, "out", text("RUN"), "folder of the run: checkpoints, metrics.jsonl, configuration").required();
  field(v.resume, "resume", "go on from the newest checkpoint in --out, if there is one");
  field(v.data, "data", text("DIR"), "dataset; none: an endless stream of fresh programs");
  using Learn = FileCorpus::Learn;
  field(v.learn, "learn",
        Names<Learn>{{"files", Learn::files}, {"labels", Learn::labels}, {"both", Learn::both}},
        "of a dataset of files: the files, their labels, or both");
  field(v.init, "init", text("WEIGHTS"),
        "weights to start from: a run's folder (its newest checkpoint), a checkpoint's folder or weights, or "
        "published bGPT weights in a safetensors file");
  return field.add(options(v.stream)).add(options(v.model)).add(options(v.train));
}

// What a dataset's programs have, or lack, whatever the options say.
OptionList fixed_by_data(Values& v) {
  OptionList fixed = options(v.stream);
  fixed(v.train.operation_mix, "operation-mix", text(""), "");
  fixed(v.train.operation_floor, "operation-floor", any_number(), "");
  if (v.data.empty() || !holds_files(v.data)) fixed(v.train.length_warmup, "length-warmup", any_number(), "");
  return fixed;
}

// What a manifest says of an option of fixed_by_data(); nothing where it says nothing.
std::optional<nlohmann::ordered_json> said_by(const Manifest& manifest, std::string option) {
  if (option == "machine") return manifest.layout.machine;
  if (option == "memory") return manifest.layout.memory_bytes;
  std::ranges::replace(option, '-', '_');
  const auto found = manifest.generator.find(option);
  return found == manifest.generator.end() ? std::nullopt : std::optional(*found);
}

// As flags they would change nothing. A file may say again what the dataset's programs are, as the configuration
// of a training on fresh ones does. Throws UsageError where they are otherwise, Error where there is no dataset.
void check_fixed_by_data(Values& v, const OptionList& given) {
  constexpr auto why = "the programs of a dataset are what they are: leave it out, or --data";
  given.refuse_flags(why, fixed_by_data(v));
  if (holds_files(v.data))
    return given.refuse("goes with programs, not with a dataset of files", fixed_by_data(v));
  const auto manifest = read_manifest(std::filesystem::path(v.data) / "manifest.json");
  Values of_data;
  // How imported programs were drawn nobody knows.
  const auto kind = manifest.generator.find("kind");
  const bool drawn = kind != manifest.generator.end() && *kind == "random programs";
  if (!drawn) of_data.stream.programs = v.stream.programs;
  // It would do nothing without --operation-mix.
  of_data.train.operation_floor = v.train.operation_floor;
  auto options_of_data = fixed_by_data(of_data);
  for (Option& of_dataset : options_of_data.all()) {
    const auto& option = *std::ranges::find(given.all(), of_dataset.name, &Option::name);
    if (option.given_by.empty()) continue;
    if (const auto said = said_by(manifest, option.name)) {
      of_dataset.set(said->is_string() ? said->get<std::string>() : said->dump(), v.data);
    }
    const auto is = option.access.texts(), was = of_dataset.access.texts();
    if (is != was) {
      throw UsageError("{} {}: {} has {}; {}", option.given_by, fmt::join(is, " "), v.data,
                       was.empty() ? "the machine's own" : was[0], why);
    }
  }
}

// Throws UsageError for options that do not go together.
void check(Values& v, const OptionList& given) {
  if (!v.data.empty()) check_fixed_by_data(v, given);
  if (v.data.empty() || !holds_files(v.data)) given.refuse_flags("goes with a dataset of files", v.learn);
  if (v.train.loss == "all" && v.model.family != "bgpt") {
    throw UsageError("--loss all goes with the family bgpt: the family {} predicts what comes out alone",
                     v.model.family);
  }
  const ModelConfig& m = v.model;
  const TrainConfig& t = v.train;
  if (v.learn == FileCorpus::Learn::labels)
    given.refuse_flags("goes with --learn files or both", v.train.length_warmup);
  if (m.family == "pointer") {
    given.refuse_flags("goes with another family than pointer", m.patch_layers, m.patch_width, m.patch_heads,
                       m.mixer_layers, m.memory_width, m.patch_history, m.row_width);
  } else {
    given.refuse_flags("goes with --family pointer", m.from_end);
  }
  if (m.family == "classifier") {
    if (v.learn != FileCorpus::Learn::labels)
      throw UsageError("--family classifier goes with --learn labels");
    given.refuse_flags("goes with another family than classifier", m.byte_layers, m.byte_width, m.byte_heads,
                       m.encoder_layers, m.encoder_mlp, m.mixer_layers, m.byte_mlp, m.memory_width,
                       m.memory_heads, m.patch_history, m.row_width);
  }
  if (m.family == "bgpt") {
    given.refuse_flags("goes with another family than bgpt, as --family transition", m.encoder_layers,
                       m.encoder_mlp, m.mixer_layers, m.byte_mlp, m.memory_width, m.memory_heads,
                       m.patch_history);
  }
  if (t.optimizer == "adamw") given.refuse_flags("goes with --optimizer muon", t.muon_learning_rate);
  if (t.operation_mix == "uniform") {
    given.refuse_flags("goes with --operation-mix loss or errors", t.operation_floor);
  }
  if (t.schedule == "constant") {
    given.refuse_flags("goes with --schedule cosine or linear", t.final_learning_rate);
  }
  as_usage([&] { check(t); });
}

struct Corpora {
  std::unique_ptr<Corpus> train, held_out;
};

Corpora make_corpora(const Values& o) {
  constexpr uint64_t validation_seed =
      0x76616c6964617465;  // a stream of its own, whatever the training's seed
  if (!o.data.empty() && holds_files(o.data)) {
    const auto keep = o.model.from_end ? FileCorpus::Keep::end : FileCorpus::Keep::beginning;
    return {
        std::make_unique<FileCorpus>(o.data, Split::train, o.train.seed, o.train.pool_traces, o.learn, keep),
        std::make_unique<FileCorpus>(o.data, Split::test, 0, o.train.validation_traces, o.learn, keep)};
  }
  if (!o.data.empty()) {
    return {std::make_unique<DatasetCorpus>(o.data, Split::train, o.train.seed, o.train.pool_traces),
            std::make_unique<DatasetCorpus>(o.data, Split::test, 0, o.train.validation_traces)};
  }
  auto train = o.stream, held_out = o.stream;
  train.seed = o.train.seed;
  train.split = Split::train;
  train.pool_traces = o.train.pool_traces;
  train.tell_skills = o.train.operation_mix != "uniform";
  // Whole programs as the machine draws them.
  held_out.programs.small_operands = 0;
  held_out.programs.window_steps = 0;
  held_out.programs.anywhere_share = 0;
  held_out.seed = validation_seed;
  held_out.split = Split::test;
  held_out.pool_traces = o.train.validation_traces;
  return {std::make_unique<ProgramStream>(train), std::make_unique<ProgramStream>(held_out)};
}

// Throws Error where the dataset, if it is one of files, has one that is longer than the model takes.
void check_lengths(const ByteModel& model, const Corpus& corpus) {
  const auto* files = dynamic_cast<const FileCorpus*>(&corpus);
  if (!files) return;
  const auto& dataset = files->dataset();
  const auto& labels = corpus.frame().labels;
  const auto longest = std::ranges::max_element(labels, {}, &std::string::size);
  for (size_t i = 0; i < dataset.size(Split::train); ++i) {
    const auto document = dataset.document(Split::train, i);
    check_length(model, labels.empty() ? document : Document::label(*longest, document));
  }
}

// The newest checkpoint that the first rank finds in the folder, which all can read.
std::optional<std::filesystem::path> shared_checkpoint(const std::filesystem::path& out, Ranks& ranks) {
  std::string found;
  if (ranks.first()) found = find_checkpoint(out).value_or("").string();
  found = ranks.of_first(found);
  return found.empty() ? std::nullopt : std::optional<std::filesystem::path>(found);
}

// False if it was stopped.
bool run(Values& o, const OptionList& given, Ranks& ranks) {
  if (o.data.empty()) {
    const auto machine = as_usage([&] { return make_machine(o.stream.machine, o.stream.memory_bytes); });
    fit_length(given, *machine, o.stream.programs);
  }
  const auto corpora = make_corpora(o);
  o.model.frame = corpora.train->frame();
  as_usage([&] { check(o.model); });
  const std::filesystem::path out = o.out;
  std::optional<OutputFolder> folder;
  if (ranks.first()) {
    if (out.has_parent_path()) std::filesystem::create_directories(out.parent_path());
    folder.emplace(out);
  }
  const auto ini = o.data.empty() ? given.ini() : given.ini(fixed_by_data(o));
  auto settings = settings_of(ini);
  if (!o.data.empty()) settings["dataset"] = dataset_identity(o.data);
  const auto checkpoint = shared_checkpoint(out, ranks);
  if (checkpoint && !o.resume) {
    throw Error("{}: holds a training already: --resume goes on with it, or choose another folder", o.out);
  }
  if (checkpoint) {
    require_same(recorded_settings(*checkpoint), settings);
    if (load_model_config(*checkpoint) != o.model) {
      throw Error(
          "{}: the checkpoint's model or machine is another than the configuration's: train into a new "
          "folder",
          checkpoint->string());
    }
    if (finished(o.train, *checkpoint)) {
      if (ranks.first()) fmt::print("{}: finished already: its budget is spent\n", o.out);
      return true;
    }
  }
  const auto stop = [](int) { stop_requested = true; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  if (std::signal(SIGHUP, stop) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // as under nohup

  const int threads = use_threads(o.train.threads, ranks.local_size());
  const auto device = choose_device(o.train.device);
  torch::manual_seed(o.train.seed);
  const auto model = make_model(o.model);
  check_lengths(*model, *corpora.train);
  if (!o.init.empty() && !checkpoint) load_initial_weights(o.init, *model);
  model->to(device);
  auto training = o.train;
  training.precision = ranks.of_first(precision_name(supported_precision(training.precision, device)));
  model->set_precision(training.precision == "fp32" ? torch::kFloat : torch::kBFloat16);

  int64_t parameters = 0;
  for (const auto& p : model->parameters()) parameters += p.numel();
  if (ranks.first()) {
    fmt::print(
        "bytecpu {}\n{}\nmodel: {}, {:.2f} M parameters; {} on {}, {} threads{}\ndata: {}\nheld out: {}\n",
        version(), cli::command_line(), o.model.family, static_cast<double>(parameters) / 1e6,
        training.precision, device.str(), threads,
        ranks.alone() ? "" : fmt::format(" in each of {} processes", ranks.size()), corpora.train->describe(),
        corpora.held_out->describe());
    cli::flush();
  }

  const nlohmann::ordered_json record = {{"version", version()},
                                         {"command", cli::command_line()},
                                         {"libtorch", TORCH_VERSION},
                                         {"device", device.str()},
                                         {"threads", threads},
                                         {"processes", ranks.size()},
                                         {"precision", training.precision},
                                         {"parameters", parameters},
                                         {"data", corpora.train->describe()},
                                         {"held_out", corpora.held_out->describe()},
                                         {"model", o.model},
                                         {"training", to_json(o.train)}};
  const TrainingRun training_run{folder ? &*folder : nullptr, checkpoint, settings};
  return train(*model, training, {*corpora.train, *corpora.held_out}, training_run, ranks, stop_requested,
               [&] {
                 if (!folder) return;
                 folder->remove_temporaries();
                 write_file(out / "config.ini", ini);
                 write_file(out / "run.json", json_text(record, 1) + "\n");
               }) == TrainingEnd::finished;
}

// Alone, or with the other processes that a launcher has started.
bool run_together(Values& o, const OptionList& given) {
  check(o, given);
  const auto launch = launch_of(std::getenv);
  choose_gpu(launch.local_rank, launch.local_size);
  Ranks ranks(launch);
  const bool finished = run(o, given, ranks);
  ranks.finish();
  return finished;
}

struct ExportValues {
  std::vector<std::string> checkpoints;
  std::string precision = "bf16";
  std::filesystem::path out;
};

OptionList options(ExportValues& v) {
  OptionList field;
  field(v.checkpoints, "checkpoint", text("RUN"),
        "a run's folder (its newest checkpoint), or a checkpoint's; several: the mean of their weights")
      .required();
  field(v.precision, "precision", one_of({"bf16", "fp32"}), "of the weights that are written");
  field(v.out, "out", text("DIR"), "folder to write, a new one").required();
  return field;
}

void export_weights(ExportValues& v, const OptionList&) {
  std::vector<std::filesystem::path> checkpoints;
  for (const auto& run : v.checkpoints) {
    const auto checkpoint = find_checkpoint(run);
    if (!checkpoint) throw Error("{}: holds no checkpoint", run);
    checkpoints.push_back(*checkpoint);
  }
  export_checkpoint(checkpoints, v.out,
                    v.precision == "bf16" ? safetensors::Dtype::BF16 : safetensors::Dtype::F32);
  const auto of = checkpoints.size() == 1 ? checkpoints[0].string()
                                          : fmt::format("{} checkpoints, their mean", checkpoints.size());
  fmt::print("{}: the weights of {} in {}, {:.1f} MB\n", v.out.string(), of, v.precision,
             static_cast<double>(std::filesystem::file_size(v.out / "model.safetensors")) / 1e6);
}

int main(int argc, char** argv) {
  cli::prepare_compute(argv);
  Values values;
  bool stopped = false;
  constexpr auto summary = "Trains a byte model to predict a machine's next state, or files.";
  const int code = cli::main(
      "bytecpu-train", summary,
      {{.name = "",
        .summary = summary,
        .usage = "--config FILE [--data DIR] --out RUN [--resume]\n"
                 "       bytecpu-train export --checkpoint RUN --out DIR",
        .options = options(values),
        .run = [&](const OptionList& given) { stopped = !run_together(values, given); }},
       cli::command<ExportValues>(
           "export", "Writes the weights alone, of a checkpoint or the mean of several.",
           "--checkpoint RUN [--checkpoint RUN ...] --out DIR [--precision fp32]", options, export_weights)},
      argc, argv);
  return stopped ? exit_stopped : code;
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) { return bytecpu::main(argc, argv); }
