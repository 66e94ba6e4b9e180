#include "eval/documents/judge.hpp"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <filesystem>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/options.hpp"
#include "eval/documents/text.hpp"
#include "eval/python/callable.hpp"
#include "eval/python/module.hpp"
#include "eval/python/programs.hpp"
#include "eval/report/report.hpp"

namespace nb = nanobind;

namespace bytecpu::python {
namespace {

// What to evaluate on.
struct Subject {
  std::optional<Dataset> dataset;
  std::unique_ptr<Machine> machine;
  TestSet set;
  std::vector<CasesOfRow> isolated;
  nlohmann::ordered_json description;
};

// Where Ctrl-C was pressed: KeyboardInterrupt. With the interpreter's lock held.
void heed_signals(int64_t) {
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

// What evaluate() in __init__.py calls, which has checked the arguments.
std::string evaluate_predictor(nb::callable predict, std::string name, const std::string& machine_name,
                               int memory, const std::vector<std::string>& modes,
                               const std::optional<std::string>& data, int64_t traces, uint64_t seed,
                               const std::vector<std::string>& forms, int64_t cases, int64_t places,
                               int min_instructions, std::optional<int> max_instructions, int64_t chunk) {
  Subject on;
  {
    const nb::gil_scoped_release released;
    if (data) on.dataset.emplace(*data);
    on.machine = on.dataset ? make_machine(on.dataset->layout().machine, on.dataset->layout().memory_bytes)
                            : make_machine(machine_name, memory);
    Machine& machine = *on.machine;
    if (std::ranges::all_of(modes, [](const auto& mode) { return mode == "exhaustive"; })) {
      on.description = isolated_json(machine);
    } else if (on.dataset) {
      on.set = dataset_traces(*on.dataset, Split::test, traces, machine);
      on.description = dataset_json(*on.dataset, *data, Split::test, on.set);
    } else {
      const auto programs = program_options(machine, min_instructions, max_instructions, 0);
      on.set = fresh_traces(machine, programs, traces, seed, nullptr);
      on.description = fresh_json(machine, on.set, seed, programs);
    }
    if (std::ranges::find(modes, "exhaustive") != modes.end()) {
      on.isolated =
          exhaustive_cases(machine, {.forms = forms, .most_cases = cases, .places = places, .seed = seed});
    }
  }
  CallablePredictor predictor(std::move(predict), std::move(name), on.machine->layout());
  auto document =
      new_document({{"name", predictor.name()}, {"details", predictor.details()}}, on.description);
  for (const auto& mode : modes) {
    document["modes"][mode] =
        judge(mode, predictor, on.set, *on.machine, on.isolated, chunk, "", heed_signals);
  }
  return json_text(document, 1);
}

}  // namespace

void add_judge(nb::module_& m) {
  m.def("_evaluate", &evaluate_predictor);
  m.def("_title", [](const std::string& document) { return title(nlohmann::ordered_json::parse(document)); });
  m.def("_summary",
        [](const std::string& document) { return summary(nlohmann::ordered_json::parse(document)); });
  m.def("_report",
        [](const std::string& document) { return render_report(nlohmann::ordered_json::parse(document)); });
  m.def(
      "_write_file",
      [](const std::filesystem::path& path, const std::string& contents) { write_file(path, contents); },
      nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace bytecpu::python
