// bytecpu-eval: how often predictions are right, step by step.
#include <fmt/chrono.h>

#include <algorithm>
#include <boost/algorithm/string.hpp>
#include <chrono>
#include <cstdio>
#include <optional>

#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "eval/documents/document.hpp"
#include "eval/predictors/baselines.hpp"
#include "eval/predictors/model_predictor.hpp"
#include "eval/report/report.hpp"
#include "eval/sweeps/exhaustive.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;
using nlohmann::ordered_json;

void data_options(po::options_description& options) {
  options.add_options()                                                                //
      ("data", po::value<std::string>()->value_name("DIR"), "dataset to evaluate on")  //
      ("split", po::value<std::string>()->value_name("NAME")->default_value("test"),
       "its split, train or test")  //
      ("traces", po::value<int64_t>()->value_name("N")->default_value(0), "only its first N traces; 0: all");
}

void output_options(po::options_description& options) {
  options.add_options()                                                                   //
      ("report", po::value<std::string>()->value_name("FILE"), "write the report, HTML")  //
      ("json", po::value<std::string>()->value_name("FILE"),
       "write the figures as JSON; -: to stdout, without the tables");
}

void evaluation_options(po::options_description& options) {
  data_options(options);
  options.add_options()  //
      ("fresh", po::value<int64_t>()->value_name("N")->default_value(0),
       "evaluate on N fresh programs instead, none of them in the train split")  //
      ("seed", po::value<uint64_t>()->value_name("N")->default_value(0),
       "of fresh programs, and of the registers in exhaustive evaluation")  //
      ("machine", po::value<std::string>()->value_name("NAME"),
       "of fresh programs or a bare weight file; else that of data or model")  //
      ("memory", po::value<int>()->value_name("BYTES"),
       "of fresh programs or a bare weight file; else that of data or model")                           //
      ("min-instructions", po::value<int>()->value_name("N")->default_value(1), "of fresh programs")    //
      ("max-instructions", po::value<int>()->value_name("N")->default_value(255), "of fresh programs")  //
      ("mode", po::value<std::string>()->value_name("LIST")->default_value("step,rollout"),
       "step (teacher-forced), rollout (free-running), exhaustive; with commas between")  //
      ("forms", po::value<std::string>()->value_name("LIST"),
       "exhaustive: only these operations or forms, for example DIV,\"ADD R R\"")  //
      ("cases", po::value<int64_t>()->value_name("N")->default_value(0),
       "exhaustive: at most N cases of each form, spread evenly; 0: all")  //
      ("places", po::value<int64_t>()->value_name("N")->default_value(0),
       "exhaustive: the instruction is one of its program's first N; 0: anywhere")  //
      ("chunk", po::value<int64_t>()->value_name("N")->default_value(1024),
       "traces given to the predictor at once");
  output_options(options);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  if (!text.empty()) boost::split(parts, text, boost::is_any_of(","));
  for (auto& part : parts) boost::trim(part);
  return parts;
}

int64_t positive(const po::variables_map& options, const char* name, int64_t least) {
  const auto value = options[name].as<int64_t>();
  if (value < least) throw UsageError("--{} is {}; use {} or more", name, value, least);
  return value;
}

std::string required(const po::variables_map& options, const char* name) {
  if (!options.count(name)) throw UsageError("--{} is needed", name);
  return options[name].as<std::string>();
}

Split split_option(const po::variables_map& options) {
  const auto& name = options["split"].as<std::string>();
  for (const Split split : splits) {
    if (name == to_string(split)) return split;
  }
  throw UsageError("--split: \"{}\" is neither train nor test", name);
}

// So that a long evaluation does not fail at its end.
void check_outputs(const po::variables_map& options) {
  for (const char* name : {"report", "json"}) {
    if (!options.count(name)) continue;
    const fs::path path = options[name].as<std::string>();
    if (path == "-" && name == std::string_view("json")) continue;
    const fs::path folder = path.parent_path().empty() ? "." : path.parent_path();
    if (!fs::is_directory(folder))
      throw UsageError("--{} {}: there is no folder {}", name, path.string(), folder.string());
    if (fs::is_directory(path)) throw UsageError("--{} {}: is a folder", name, path.string());
  }
}

ordered_json new_document(ordered_json predictor, ordered_json data) {
  return {{"format", evaluation_format},
          {"version", evaluation_version},
          {"bytecpu", BYTECPU_VERSION},
          {"command", cli::command_line()},
          {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()))},
          {"predictor", std::move(predictor)},
          {"data", std::move(data)},
          {"modes", ordered_json::object()}};
}

ordered_json dataset_json(const Dataset& data, const std::string& folder, Split split, const TestSet& set) {
  const Manifest& manifest = data.manifest();
  return {{"source", folder},
          {"split", to_string(split)},
          {"traces", set.traces.size()},
          {"states", set.states},
          {"layout", to_json(manifest.layout)},
          {"generator", manifest.generator},
          {"traces_in_split", manifest[split].traces},
          {"test_programs_in_train", manifest.overlap}};
}

// Prints first, so that what was measured is seen though a file cannot be written.
void write_results(const po::variables_map& options, const ordered_json& document) {
  const bool json_to_stdout = options.count("json") && options["json"].as<std::string>() == "-";
  // Command lines and names of files need not be UTF-8.
  const auto json = document.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  fmt::print("{}", json_to_stdout ? json : summary(document));
  std::fflush(stdout);
  if (options.count("json") && !json_to_stdout) write_file(options["json"].as<std::string>(), json);
  if (options.count("report")) write_file(options["report"].as<std::string>(), render_report(document));
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

ExhaustiveOptions exhaustive_options(const po::variables_map& options) {
  ExhaustiveOptions exhaustive;
  if (options.count("forms")) exhaustive.forms = split_list(options["forms"].as<std::string>());
  exhaustive.most_cases = positive(options, "cases", 0);
  exhaustive.places = positive(options, "places", 0);
  exhaustive.seed = options["seed"].as<uint64_t>();
  exhaustive.chunk = positive(options, "chunk", 1);
  return exhaustive;
}

void refuse_machine(const po::variables_map& options) {
  if (options.count("machine") || options.count("memory"))
    throw UsageError("--data says which machine and memory; leave --machine and --memory out");
}

// The baselines' rates over the same traces, all but that of the predictor itself.
ordered_json baselines(Mode mode, const TestSet& set, const Machine& machine, std::string_view but) {
  constexpr int64_t chunk = 1024;
  auto all = ordered_json::object();
  for (const char* name : {"copy", "oracle"}) {
    if (name == but) continue;
    const auto baseline = make_baseline(name, machine.layout());
    all[name] = headline(evaluate(*baseline, mode, set, machine, chunk));
  }
  return all;
}

// What to evaluate on: the machine, and the traces for the modes that need them.
struct Subject {
  std::optional<Dataset> data;
  std::unique_ptr<Machine> machine;
  TestSet set;
  ordered_json description;
};

// `layout`: of the predictor; null where it follows the data.
Subject make_subject(const po::variables_map& options, const Layout* layout, bool needs_traces) {
  Subject subject;
  const int64_t fresh = positive(options, "fresh", 0), most = positive(options, "traces", 0);
  const Split split = split_option(options);
  if (options.count("data")) subject.data.emplace(options["data"].as<std::string>());
  if (subject.data) layout = &subject.data->layout();
  if (!layout && !(options.count("machine") && options.count("memory"))) {
    throw UsageError("what to evaluate on? Give --data DIR, or --machine and --memory with --fresh N");
  }
  if (needs_traces && !subject.data && fresh == 0)
    throw UsageError("which traces? Give --data DIR or --fresh N");
  if (subject.data) refuse_machine(options);
  subject.machine =
      make_machine(options.count("machine") ? options["machine"].as<std::string>() : layout->machine,
                   options.count("memory") ? options["memory"].as<int>() : layout->memory_bytes);
  Machine& machine = *subject.machine;
  if (!needs_traces) {
    subject.description = {{"source", "isolated instructions"}, {"layout", to_json(machine.layout())}};
  } else if (fresh > 0) {
    ProgramOptions programs;
    programs.min_instructions = options["min-instructions"].as<int>();
    programs.max_instructions =
        std::min(options["max-instructions"].as<int>(), machine.layout().memory_bytes / 4);
    const auto seed = options["seed"].as<uint64_t>();
    subject.set = fresh_traces(machine, programs, fresh, seed, subject.data ? &*subject.data : nullptr);
    subject.description = {{"source", "fresh programs"},
                           {"split", "test"},
                           {"traces", subject.set.traces.size()},
                           {"states", subject.set.states},
                           {"layout", to_json(machine.layout())},
                           {"seed", seed},
                           {"min_instructions", programs.min_instructions},
                           {"max_instructions", programs.max_instructions}};
    if (subject.data) subject.description["unlike_train_split_of"] = options["data"].as<std::string>();
  } else {
    subject.set = dataset_traces(*subject.data, split, most, machine);
    subject.description = dataset_json(*subject.data, options["data"].as<std::string>(), split, subject.set);
  }
  return subject;
}

// Evaluates in the modes asked for; without a predictor, the baseline that the options name. `metrics`: the
// training's, or empty.
void evaluate_command(const po::variables_map& options, std::unique_ptr<Predictor> predictor,
                      const fs::path& metrics) {
  const auto modes = split_list(options["mode"].as<std::string>());
  bool needs_traces = false;
  for (const auto& mode : modes) {
    if (mode != "step" && mode != "rollout" && mode != "exhaustive") {
      throw UsageError("--mode: \"{}\" is none of step, rollout, exhaustive", mode);
    }
    needs_traces |= mode != "exhaustive";
  }
  if (modes.empty()) throw UsageError("--mode: give at least one of step, rollout, exhaustive");
  check_outputs(options);
  const auto exhaustive = exhaustive_options(options);
  Subject subject = make_subject(options, predictor ? &predictor->layout() : nullptr, needs_traces);
  Machine& machine = *subject.machine;
  if (!predictor) predictor = make_baseline(required(options, "predictor"), machine.layout());
  const Layout &have = machine.layout(), &want = predictor->layout();
  if (have.machine != want.machine || have.memory_bytes != want.memory_bytes ||
      have.record_bytes != want.record_bytes) {
    throw Error("{} predicts {} with {} bytes of memory and records of {}; the data is of {} with {} and {}",
                predictor->name(), want.machine, want.memory_bytes, want.record_bytes, have.machine,
                have.memory_bytes, have.record_bytes);
  }

  // What can fail before the evaluation does so.
  const bool all_cases = std::ranges::find(modes, "exhaustive") != modes.end();
  const int64_t cases = all_cases ? exhaustive_cases(machine, exhaustive) : 0;
  ordered_json training, run_record;
  if (!metrics.empty()) {
    training = read_training_metrics(metrics);
    const fs::path run = metrics.parent_path() / "run.json";
    if (fs::is_regular_file(run)) {
      run_record = ordered_json::parse(read_file(run), nullptr, false);
      if (!run_record.is_object()) throw Error("{}: not a JSON object", run.string());
    }
  }
  const int64_t at_once = options.count("batch-traces") ? options["batch-traces"].as<int>() : 1;

  auto document =
      new_document({{"name", predictor->name()}, {"details", predictor->details()}}, subject.description);
  for (const auto& mode : modes) {
    const Stopwatch watch;
    ordered_json result;
    if (mode == "exhaustive") {
      cli::Progress progress(mode, "cases", static_cast<double>(cases));
      result = to_json(evaluate_exhaustive(*predictor, machine, exhaustive, [&](int64_t done) {
        progress.update(static_cast<double>(done));
      }));
    } else {
      cli::Progress progress(mode, "states", static_cast<double>(subject.set.states));
      const Mode kind = mode == "step" ? Mode::step : Mode::rollout;
      result = to_json(evaluate(*predictor, kind, subject.set, machine, std::max(exhaustive.chunk, at_once),
                                [&](int64_t done) { progress.update(static_cast<double>(done)); }),
                       machine);
    }
    result["seconds"] = watch.seconds();
    if (mode != "exhaustive") {
      result["baselines"] =
          baselines(mode == "step" ? Mode::step : Mode::rollout, subject.set, machine, predictor->name());
    }
    document["modes"][mode] = std::move(result);
  }
  if (!training.is_null()) document["training"] = std::move(training);
  if (!run_record.is_null()) document["run"] = std::move(run_record);
  write_results(options, document);
}

void model_command(const po::variables_map& options) {
  check_outputs(options);
  const fs::path checkpoint = required(options, "checkpoint");
  PredictorOptions predictor;
  predictor.threads = options["threads"].as<int>();
  predictor.batch_traces = options["batch-traces"].as<int>();
  predictor.precision = options["precision"].as<std::string>();
  if (predictor.threads < 0) throw UsageError("--threads is {}; use 0 or more", predictor.threads);
  if (predictor.batch_traces < 1)
    throw UsageError("--batch-traces is {}; use 1 or more", predictor.batch_traces);
  if (fs::is_regular_file(checkpoint)) {
    if (options.count("data")) {
      const Dataset data(options["data"].as<std::string>());
      predictor.machine = data.layout().machine;
      predictor.memory_bytes = data.layout().memory_bytes;
    } else if (options.count("machine") && options.count("memory")) {
      predictor.machine = options["machine"].as<std::string>();
      predictor.memory_bytes = options["memory"].as<int>();
    } else {
      throw UsageError("{} does not tell its machine: give --data DIR, or --machine and --memory",
                       checkpoint.string());
    }
  }
  fs::path metrics;
  const auto given = fs::absolute(checkpoint / "").lexically_normal().parent_path();  // no slash at the end
  for (const fs::path& folder : {given, given.parent_path()}) {
    if (metrics.empty() && fs::is_regular_file(folder / "metrics.jsonl")) metrics = folder / "metrics.jsonl";
  }
  evaluate_command(options, load_model_predictor(checkpoint, predictor), metrics);
}

void files_command(const po::variables_map& options) {
  check_outputs(options);
  const std::string predicted = required(options, "predicted");
  const bool machine_given = options.count("machine") && options.count("memory");
  if (!options.count("data") && !machine_given) {
    throw UsageError(
        "what are the true traces? Give --data DIR, or --machine and --memory to run the files' own "
        "programs");
  }
  const Split split = split_option(options);
  const int64_t most = positive(options, "traces", 0);
  const Truth truth = options.count("data") ? Truth::data : Truth::files;
  const bool skip_missing = options["skip-missing"].as<bool>();
  std::optional<Dataset> data;
  std::unique_ptr<Machine> machine;
  TestSet set;
  ordered_json description;
  if (truth == Truth::data) {
    refuse_machine(options);
    const std::string folder = options["data"].as<std::string>();
    data.emplace(folder);
    machine = make_machine(data->layout().machine, data->layout().memory_bytes);
    set = dataset_traces(*data, split, most, *machine);
    description = dataset_json(*data, folder, split, set);
  } else {
    if (skip_missing || most > 0) throw UsageError("--skip-missing and --traces go with --data");
    machine = make_machine(options["machine"].as<std::string>(), options["memory"].as<int>());
    set = traces_of_files(predicted, split, *machine);
    description = {{"source", "programs of the predicted files"},
                   {"split", "predicted"},
                   {"traces", set.traces.size()},
                   {"states", set.states},
                   {"layout", to_json(machine->layout())}};
  }
  const Stopwatch watch;
  const FileScores result = evaluate_files(predicted, split, truth, skip_missing, set, *machine);
  auto document = new_document({{"name", predicted}}, description);
  auto& rollout = document["modes"]["rollout"] = to_json(result.scores, *machine);
  rollout["seconds"] = watch.seconds();
  rollout["baselines"] = baselines(Mode::rollout, set, *machine, "");
  auto& files =
      document["files"] = {{"without_file", result.without_file}, {"problems", ordered_json::array()}};
  for (const auto& [file, problem] : result.problems)
    files["problems"].push_back({{"file", file}, {"problem", problem}});
  write_results(options, document);
  if (result.without_file > 0) {
    fmt::print(stderr, "bytecpu-eval: {} of {} traces have no file in {}: {}\n", result.without_file,
               set.traces.size(), predicted, skip_missing ? "not counted" : "counted as all wrong");
  }
}

std::vector<cli::Command> commands() {
  cli::Command model{
      "model",      "evaluate a trained model", "--checkpoint RUN (--data DIR | --fresh N) [options]", {}, {},
      model_command};
  model.options.add_options()  //
      ("checkpoint", po::value<std::string>()->value_name("RUN"),
       "a run's folder (its newest checkpoint), a checkpoint's, or a safetensors file of bGPT weights")  //
      ("threads", po::value<int>()->value_name("N")->default_value(0), "of LibTorch; 0: every core")     //
      ("batch-traces", po::value<int>()->value_name("N")->default_value(256),
       "rollouts that the model does at once")  //
      ("precision", po::value<std::string>()->value_name("NAME")->default_value("auto"),
       "fp32, bf16 or auto");
  evaluation_options(model.options);

  cli::Command files{"files",
                     "evaluate predictions made by another program",
                     "--predicted DIR (--data DIR | --machine NAME --memory BYTES) [options]",
                     {},
                     {},
                     files_command};
  files.options.add_options()  //
      ("predicted", po::value<std::string>()->value_name("DIR"),
       "folder of .bin files, each memory image, state 0, predicted states")  //
      ("machine", po::value<std::string>()->value_name("NAME"),
       "without --data: run the files' own programs on this machine for the truth")              //
      ("memory", po::value<int>()->value_name("BYTES"), "without --data: the machine's memory")  //
      ("skip-missing", po::bool_switch(),
       "leave traces without a file out instead of counting them as wrong");
  data_options(files.options);
  output_options(files.options);

  cli::Command baseline{"baseline",
                        "evaluate a predictor that needs no training",
                        "--predictor copy|oracle (--data DIR | --fresh N) [options]",
                        {},
                        {},
                        [](const po::variables_map& options) { evaluate_command(options, nullptr, {}); }};
  baseline.options.add_options()  //
      ("predictor", po::value<std::string>()->value_name("NAME"),
       "copy: nothing changes; oracle: Unicorn itself");
  evaluation_options(baseline.options);
  return {model, files, baseline};
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) {
  bytecpu::cli::prepare_compute(argv);
  return bytecpu::cli::main("bytecpu-eval", "Says how often predictions of traces are right, step by step.",
                            bytecpu::commands(), argc, argv);
}
