#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <filesystem>

#include "datagen/dataset/dataset.hpp"
#include "datagen/dataset/generate.hpp"
#include "eval/python/arrays.hpp"
#include "eval/python/module.hpp"
#include "eval/python/programs.hpp"
#include "eval/python/traces.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace bytecpu::python {
namespace {

struct SplitView {
  const Dataset* data;
  Split split;
  nb::object owner;
};

template <Split split>
SplitView split_of(nb::pointer_and_handle<Dataset> self) {
  return {self.p, split, nb::borrow(self.h)};
}

void generate_programs(const std::filesystem::path& folder, const std::string& machine, int memory,
                       int64_t train, int64_t test, uint64_t seed, int threads, int min_instructions,
                       std::optional<int> max_instructions, double small_operands) {
  const nb::gil_scoped_release released;
  generate({.machine = machine,
            .memory_bytes = memory,
            .programs = program_options(*make_machine(machine, memory), min_instructions, max_instructions,
                                        small_operands),
            .traces = {train, test},
            .seed = seed,
            .threads = threads,
            .out = folder});
}

}  // namespace

void add_datasets(nb::module_& m) {
  nb::class_<SplitView>(m, "Split",
                        "The traces of a dataset's split, a sequence of Trace: views of its files.")
      .def(
          "__len__", [](const SplitView& s) { return s.data->size(s.split); }, "How many traces.")
      .def(
          "__getitem__",
          [](const SplitView& s, Py_ssize_t index) {
            return TraceView{s.data->trace(s.split, index_in(index, s.data->size(s.split))), s.owner, false};
          },
          "index"_a, nb::sig("def __getitem__(self, index: int) -> Trace"),
          "A trace, negative indices from the end. Its arrays are read-only.");
  nb::class_<Dataset>(m, "Dataset", "A dataset on disk, its files mapped into memory.")
      .def(nb::init<const std::filesystem::path&>(), "folder"_a, "folder: as generate() wrote it.")
      .def_prop_ro(
          "manifest", [](const Dataset& d) { return from_json(to_json(d.manifest())); },
          nb::sig("def manifest(self) -> dict[str, Any]"), "What manifest.json says.")
      .def_prop_ro(
          "layout", [](const Dataset& d) { return from_json(to_json(d.layout())); },
          nb::sig("def layout(self) -> dict[str, Any]"), "As Machine.layout.")
      .def_prop_ro("train", &split_of<Split::train>, nb::sig("def train(self) -> Split"),
                   "The traces to learn from.")
      .def_prop_ro("test", &split_of<Split::test>, nb::sig("def test(self) -> Split"),
                   "The traces to be judged on.");
  m.def(
      "generate", &generate_programs, "folder"_a, "machine"_a = "toy8", "memory"_a = 1024, "train"_a = 0,
      "test"_a = 0, "seed"_a = 0, "threads"_a = 1, "min_instructions"_a = 1,
      "max_instructions"_a = nb::none(), "small_operands"_a = 0.0,
      nb::sig("def generate(folder: str | os.PathLike[str], machine: str = 'toy8', memory: int = 1024, "
              "train: int = 0, test: int = 0, seed: int = 0, threads: int = 1, min_instructions: int = 1, "
              "max_instructions: int | None = None, small_operands: float = 0.0) -> None"),
      "Writes a dataset of random programs into a folder, as bytecpu-datagen generate does; where that was\n"
      "interrupted, it goes on.");
}

}  // namespace bytecpu::python
