// bytecpu-eval model and baseline: predictors that run here, in the modes asked for.
#include <algorithm>
#include <boost/algorithm/string.hpp>
#include <filesystem>

#include "datagen/files/file_dataset.hpp"
#include "datagen/programs/program_options.hpp"
#include "eval/commands/eval_commands.hpp"
#include "eval/predictors/baselines.hpp"
#include "eval/predictors/model_predictor.hpp"
#include "eval/sweeps/exhaustive.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Of both commands.
struct Evaluation {
  DataOptions data;
  int64_t fresh = 0;
  ProgramOptions programs;
  std::vector<std::string> modes = {"step", "rollout"};
  std::string forms;
  ExhaustiveOptions exhaustive = {.forms = {}, .chunk = 1024};
  std::optional<Part> part;
  OutputOptions output;

  bool has(std::string_view mode) const { return std::ranges::find(modes, mode) != modes.end(); }
  bool needs_traces() const { return has("step") || has("rollout"); }
};

OptionList options(Evaluation& e) {
  OptionList field;
  data_options(field, e.data, "of fresh programs or a bare weight file; else that of data or model");
  field(e.fresh, "fresh", at_least(0),
        "evaluate on N fresh programs instead, none of them in the train split; 0: on the dataset's");
  length_options(field, e.programs);
  field(e.exhaustive.seed, "seed", at_least(0),
        "of fresh programs, and of the registers and samples in exhaustive evaluation");
  field(e.modes, "mode", one_of({"step", "rollout", "exhaustive"}),
        "step: teacher-forced, rollout: free-running, exhaustive: each form of each instruction alone, with "
        "every operand (toy8) or samples (other machines)");
  field(
      e.forms, "forms", text("LIST"),
      "exhaustive: only these operations or forms, for example DIV,\"ADD R R\"; with a semicolon after each "
      "where they have commas: \"add r, r;mov;\"");
  field(e.exhaustive.most_cases, "cases", at_least(0),
        "exhaustive: at most N cases of each form, spread evenly; 0: all, or 1,000 samples");
  field(e.exhaustive.places, "places", at_least(0),
        "exhaustive: the instruction is one of its program's first N; 0: anywhere");
  field(e.exhaustive.chunk, "chunk", at_least(1), "traces given to the predictor at once");
  part_option(field, e.part);
  output_options(field, e.output);
  return field;
}

// Throws UsageError for options that do not go together, and sets what others say.
void check(Evaluation& e, const OptionList& given) {
  if (e.fresh == 0) {
    given.refuse_flags("goes with --fresh N", e.programs.min_instructions, e.programs.max_instructions);
  } else {
    given.refuse_flags("is of a dataset's own traces; --fresh N draws others", e.data.split, e.data.traces);
  }
  if (!e.needs_traces()) {
    given.refuse_flags("goes with --mode step or rollout", e.fresh, e.data.split, e.data.traces);
  }
  if (!e.has("exhaustive")) {
    given.refuse_flags("goes with --mode exhaustive", e.forms, e.exhaustive.most_cases, e.exhaustive.places);
    if (e.fresh == 0) given.refuse_flags("goes with --fresh N or --mode exhaustive", e.exhaustive.seed);
  }
  check_part(given, e.part, e.output);
  check_outputs(e.output);
  const char* between = e.forms.find(';') == e.forms.npos ? "," : ";";
  if (!e.forms.empty()) boost::split(e.exhaustive.forms, e.forms, boost::is_any_of(between));
  for (auto& form : e.exhaustive.forms) boost::trim(form);
  std::erase(e.exhaustive.forms, "");
}

// What to evaluate on: the machine, and the traces for the modes that need them.
struct Subject {
  std::optional<Dataset> data;
  std::unique_ptr<Machine> machine;
  TestSet set;
  ordered_json description;
};

void draw_fresh(Subject& subject, Evaluation& e, const OptionList& given) {
  const Machine& machine = *subject.machine;
  fit_length(given, machine, e.programs);
  const auto seed = e.exhaustive.seed;
  subject.set =
      fresh_traces(*subject.machine, e.programs, e.fresh, seed, subject.data ? &*subject.data : nullptr);
  subject.description = fresh_json(machine, subject.set, seed, e.programs);
  if (subject.data) subject.description["unlike_train_split_of"] = e.data.data;
}

// `layout`: of the predictor; null where it follows the data.
Subject make_subject(Evaluation& e, const OptionList& given, const Layout* layout) {
  Subject subject;
  if (!e.data.data.empty()) subject.data.emplace(e.data.data);
  if (subject.data) layout = &subject.data->layout();
  if (!layout && !e.data.names_machine()) {
    throw UsageError("what to evaluate on? Give --data DIR, or --machine and --memory with --fresh N");
  }
  if (e.needs_traces() && !subject.data && e.fresh == 0)
    throw UsageError("which traces? Give --data DIR or --fresh N");
  refuse_machine(given, e.data);
  const auto name = e.data.machine.empty() ? layout->machine : e.data.machine;
  const int memory_bytes = e.data.memory_bytes ? *e.data.memory_bytes : layout->memory_bytes;
  subject.machine = as_usage([&] { return make_machine(name, memory_bytes); });
  Machine& machine = *subject.machine;
  if (!e.needs_traces()) {
    subject.description = isolated_json(machine);
  } else if (e.fresh > 0) {
    draw_fresh(subject, e, given);
  } else {
    subject.set = dataset_traces(*subject.data, e.data.split, e.data.traces, machine);
    subject.description = dataset_json(*subject.data, e.data.data, e.data.split, subject.set);
  }
  subject.set.part = e.part;
  return subject;
}

void check_layout(const Predictor& predictor, const Machine& machine) {
  const Layout &have = machine.layout(), &want = predictor.layout();
  if (have.machine == want.machine && have.memory_bytes == want.memory_bytes &&
      have.record_bytes == want.record_bytes) {
    return;
  }
  throw Error("{} predicts {} with {} bytes of memory and records of {}; the data is of {} with {} and {}",
              predictor.name(), want.machine, want.memory_bytes, want.record_bytes, have.machine,
              have.memory_bytes, have.record_bytes);
}

ordered_json judge_mode(const std::string& mode, Predictor& predictor, const Subject& subject,
                        std::span<const CasesOfRow> cases, int64_t chunk, const std::string& baseline) {
  const bool exhaustive = mode == "exhaustive";
  const auto total = static_cast<double>(exhaustive ? count_cases(cases) : subject.set.states_of_part());
  cli::Progress progress(mode, exhaustive ? "cases" : "states", total);
  return judge(mode, predictor, subject.set, *subject.machine, cases, chunk, baseline,
               [&](int64_t done) { progress.update(static_cast<double>(done)); });
}

// `most_at_once`: as many traces as the predictor takes at once. `training_folder`: may be empty.
void evaluate_all(Evaluation& e, const OptionList& given, std::unique_ptr<Predictor> predictor,
                  const std::string& baseline, int64_t most_at_once, const fs::path& training_folder) {
  Subject subject = make_subject(e, given, predictor ? &predictor->layout() : nullptr);
  if (!predictor) predictor = make_baseline(baseline, subject.machine->layout());
  check_layout(*predictor, *subject.machine);
  // What can fail before the evaluation does so.
  const auto cases =
      e.has("exhaustive") ? exhaustive_cases(*subject.machine, e.exhaustive) : std::vector<CasesOfRow>();
  ordered_json record;
  add_record(record, training_folder);
  const int64_t chunk = std::max(e.exhaustive.chunk, most_at_once);
  auto document =
      new_document({{"name", predictor->name()}, {"details", predictor->details()}}, subject.description);
  for (const auto& mode : e.modes) {
    const int64_t at_once = mode == "exhaustive" ? e.exhaustive.chunk : chunk;
    document["modes"][mode] = judge_mode(mode, *predictor, subject, cases, at_once, baseline);
  }
  if (!record.is_null()) document.update(record);
  if (e.part) {
    write_part(e.output, document, *e.part, given);
  } else {
    write_results(e.output, document);
  }
}

struct ModelValues {
  fs::path checkpoint;
  PredictorOptions predictor;
  Evaluation evaluation;
  int64_t conversions = 1000;
};

OptionList options(ModelValues& v) {
  OptionList field;
  field(v.checkpoint, "checkpoint", text("RUN"),
        "a run's folder (its newest checkpoint), a checkpoint's, or a safetensors file of bGPT weights")
      .required();
  predictor_options(field, v.predictor);
  field(v.predictor.batch_traces, "batch-traces", at_least(1), "rollouts that the model does at once");
  field(v.conversions, "conversions", at_least(0),
        "a dataset of pairs: convert the first N of each direction, too");
  return field.add(options(v.evaluation));
}

// Where the training of a checkpoint left its record: in its own folder, if it is a run's or was exported, or
// around it.
fs::path training_folder(const fs::path& checkpoint) {
  const auto given = fs::is_regular_file(checkpoint) ? checkpoint.parent_path() : checkpoint;
  const auto folder = fs::absolute(given / "").lexically_normal().parent_path();
  const bool own = fs::is_regular_file(folder / "metrics.jsonl") || fs::is_regular_file(folder / "run.json");
  return own ? folder : folder.filename().string().starts_with("step-") ? folder.parent_path() : fs::path();
}

void run_on_files(const ModelValues& v, const OptionList& given) {
  const auto& e = v.evaluation;
  given.refuse_flags("goes with programs, and the data are files", e.fresh, e.programs.min_instructions,
                     e.programs.max_instructions, e.exhaustive.seed, e.modes, e.forms,
                     e.exhaustive.most_cases, e.exhaustive.places, e.exhaustive.chunk, e.data.machine,
                     e.data.memory_bytes);
  given.refuse("goes with traces of machines, and the data are files", e.part);
  check_outputs(e.output);
  evaluate_documents({v.checkpoint, v.predictor, e.data, v.conversions, e.output},
                     training_folder(v.checkpoint));
}

void run_model(ModelValues& v, const OptionList& given) {
  auto& e = v.evaluation;
  if (!e.data.data.empty() && holds_files(e.data.data)) return run_on_files(v, given);
  given.refuse_flags("goes with a dataset of files", v.conversions);
  check(e, given);
  if (fs::is_regular_file(v.checkpoint)) {
    if (!e.data.data.empty()) {
      const Dataset data(e.data.data);
      v.predictor.machine = data.layout().machine;
      v.predictor.memory_bytes = data.layout().memory_bytes;
    } else if (e.data.names_machine()) {
      v.predictor.machine = e.data.machine;
      v.predictor.memory_bytes = *e.data.memory_bytes;
    } else {
      throw UsageError("{} does not tell its machine: give --data DIR, or --machine and --memory",
                       v.checkpoint.string());
    }
  }
  evaluate_all(e, given, load_model_predictor(v.checkpoint, v.predictor), "", v.predictor.batch_traces,
               training_folder(v.checkpoint));
}

struct BaselineValues {
  std::string predictor;
  Evaluation evaluation;
};

OptionList options(BaselineValues& v) {
  OptionList field;
  field(v.predictor, "predictor", one_of({"copy", "oracle"}), "copy: nothing changes; oracle: Unicorn itself")
      .required();
  return field.add(options(v.evaluation));
}

void run_baseline(BaselineValues& v, const OptionList& given) {
  check(v.evaluation, given);
  evaluate_all(v.evaluation, given, nullptr, v.predictor, 1, {});
}

}  // namespace

cli::Command model_command() {
  return cli::command<ModelValues>("model", "evaluate a trained model",
                                   "--checkpoint RUN (--data DIR | --fresh N) [options]", options, run_model);
}

cli::Command baseline_command() {
  return cli::command<BaselineValues>("baseline", "evaluate a predictor that needs no training",
                                      "--predictor copy|oracle (--data DIR | --fresh N) [options]", options,
                                      run_baseline);
}

}  // namespace bytecpu
