// bytecpu-eval files: predictions that another program made.
#include "eval/commands/eval_commands.hpp"
#include "eval/documents/counts.hpp"
#include "eval/documents/document.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

struct Values {
  std::string predicted;
  DataOptions data;
  bool skip_missing = false;
  std::optional<Part> part;
  OutputOptions output;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.predicted, "predicted", text("DIR"),
        "folder of .bin files, each memory image, state 0, predicted states")
      .required();
  data_options(field, v.data, "without --data: run the files' own programs on this machine for the truth");
  field(v.skip_missing, "skip-missing", "leave traces without a file out instead of counting them as wrong");
  part_option(field, v.part);
  output_options(field, v.output);
  return field;
}

void run(Values& v, const OptionList& given) {
  check_part(given, v.part, v.output);
  check_outputs(v.output);
  const bool has_data = !v.data.data.empty();
  if (!has_data && !v.data.names_machine()) {
    throw UsageError(
        "what are the true traces? Give --data DIR, or --machine and --memory to run the files' own "
        "programs");
  }
  refuse_machine(given, v.data);
  const Truth truth = has_data ? Truth::data : Truth::files;
  std::optional<Dataset> data;
  std::unique_ptr<Machine> machine;
  TestSet set;
  ordered_json description;
  if (has_data) {
    data.emplace(v.data.data);
    machine = make_machine(data->layout().machine, data->layout().memory_bytes);
    set = dataset_traces(*data, v.data.split, v.data.traces, *machine);
    description = dataset_json(*data, v.data.data, v.data.split, set);
  } else {
    given.refuse("goes with --data", v.skip_missing, v.data.traces);
    machine = as_usage([&] { return make_machine(v.data.machine, *v.data.memory_bytes); });
    set = traces_of_files(v.predicted, v.data.split, *machine);
    description = {{"source", "programs of the predicted files"},
                   {"split", "predicted"},
                   {"traces", set.traces.size()},
                   {"states", set.states},
                   {"layout", to_json(machine->layout())}};
  }
  set.part = v.part;
  const auto start = std::chrono::steady_clock::now();
  const FileScores result = evaluate_files(v.predicted, v.data.split, truth, v.skip_missing, set, *machine);
  auto document = new_document({{"name", v.predicted}}, description);
  auto& rollout = document["modes"]["rollout"] =
      v.part ? ordered_json{{"counts", counts_json(result.scores)}} : to_json(result.scores, *machine);
  rollout["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  rollout["baselines"] = baselines(Mode::rollout, set, *machine, "");
  auto& files =
      document["files"] = {{"without_file", result.without_file}, {"problems", ordered_json::array()}};
  for (const auto& [file, problem] : result.problems)
    files["problems"].push_back({{"file", file}, {"problem", problem}});
  if (v.part) {
    write_part(v.output, document, *v.part, given);
  } else {
    write_results(v.output, document);
  }
  if (result.without_file > 0) {
    fmt::print(stderr, "bytecpu-eval: {} of {} traces have no file in {}: {}\n", result.without_file,
               set.traces.size(), v.predicted, v.skip_missing ? "not counted" : "counted as all wrong");
  }
}

}  // namespace

cli::Command files_command() {
  return cli::command<Values>("files", "evaluate predictions made by another program",
                              "--predicted DIR (--data DIR | --machine NAME --memory BYTES) [options]",
                              options, run);
}

}  // namespace bytecpu
