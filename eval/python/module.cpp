// The Python module bytecpu._core: machines, streams, datasets, and the judge. Arrays are views of what the objects
// hold, and keep those alive: nothing is copied on the way out.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>

#include "datagen/corpus/program_stream.hpp"
#include "datagen/dataset/dataset.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/machine.hpp"
#include "emulator/version.hpp"
#include "eval/documents/judge.hpp"
#include "eval/documents/text.hpp"
#include "eval/python/callable.hpp"
#include "eval/report/report.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace bytecpu::python {
namespace {

// What comes in: of this type as it is, never converted.
using BytesIn = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;

// A view of bytes that `owner` holds.
nb::object view(std::span<const uint8_t> bytes, std::initializer_list<size_t> shape, nb::handle owner,
                bool writable) {
  if (!writable) return nb::cast(nb::ndarray<nb::numpy, const uint8_t>(bytes.data(), shape, owner));
  return nb::cast(nb::ndarray<nb::numpy, uint8_t>(const_cast<uint8_t*>(bytes.data()), shape, owner));
}

// Bytes of its own.
nb::object array(std::vector<uint8_t> bytes, std::initializer_list<size_t> shape) {
  auto* held = new std::vector<uint8_t>(std::move(bytes));
  nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<uint8_t>*>(p); });
  return view(*held, shape, owner, true);
}

std::span<const uint8_t> span_of(const BytesIn& array) { return {array.data(), array.size()}; }

// `array`, of `each` bytes, or of any number of them where `many`.
std::span<const uint8_t> bytes_of(const BytesIn& array, size_t each, bool many, const char* what) {
  const bool fits = array.ndim() > 0 && array.shape(array.ndim() - 1) == each &&
                    (array.ndim() == 1 || (many && array.ndim() == 2));
  if (!fits)
    throw nb::value_error(fmt::format("{}: uint8 [{}{}] is wanted", what, many ? "N, " : "", each).c_str());
  return span_of(array);
}

nb::object from_json(const nlohmann::ordered_json& json) {
  return nb::module_::import_("json").attr("loads")(json_text(json));
}

ProgramOptions program_options(const Machine& machine, int least, std::optional<int> most,
                               double small_operands) {
  ProgramOptions options;
  options.min_instructions = least;
  options.max_instructions = most.value_or(std::min(options.max_instructions, machine.most_instructions()));
  options.small_operands = small_operands;
  return options;
}

Split split_named(std::string_view name) {
  for (const Split split : splits) {
    if (to_string(split) == name) return split;
  }
  throw nb::value_error("split: \"train\" or \"test\"");
}

// One trace, of a batch or a dataset, which `owner` is.
struct TraceView {
  Trace trace;
  nb::object owner;
  bool writable;

  nb::object bytes() const { return view(trace.bytes, {trace.bytes.size()}, owner, writable); }
  nb::object image() const { return view(trace.image(), {trace.image().size()}, owner, writable); }
  nb::object states() const {
    const auto records = trace.records();
    const auto width = static_cast<size_t>(trace.record_bytes);
    return view(records, {records.size() / width, width}, owner, writable);
  }
};

struct Traces {
  TraceBatch batch;
};

class Stream {
 public:
  Stream(const ProgramStream::Options& options, uint64_t index) : stream_(options), index_(index) {}

  std::unique_ptr<Traces> next() {
    const std::lock_guard lock(mutex_);
    Pool pool(stream_.frame().layout);
    stream_.fill(index_++, {}, pool);
    return std::make_unique<Traces>(std::move(pool.traces));
  }
  uint64_t index() const { return index_; }
  const Layout& layout() const { return stream_.frame().layout; }

 private:
  ProgramStream stream_;
  uint64_t index_;
  std::mutex mutex_;
};

// A machine that several threads may call, one after the other.
struct PythonMachine {
  std::unique_ptr<Machine> machine;
  std::unique_ptr<std::mutex> mutex = std::make_unique<std::mutex>();
};

struct SplitView {
  const Dataset* data;
  Split split;
  nb::object owner;
};

size_t index_in(Py_ssize_t index, size_t size) {
  if (index < 0) index += static_cast<Py_ssize_t>(size);
  if (index < 0 || static_cast<size_t>(index) >= size) throw nb::index_error();
  return static_cast<size_t>(index);
}

void add_traces(nb::module_& m) {
  nb::class_<TraceView>(m, "Trace", "One run of a program: memory image, then a record of every state.")
      .def_prop_ro("bytes", &TraceView::bytes, nb::sig("def bytes(self) -> Bytes"),
                   "uint8 [memory + states * record]: image and records, back to back.")
      .def_prop_ro("image", &TraceView::image, nb::sig("def image(self) -> Bytes"),
                   "uint8 [memory]: the memory as the program starts.")
      .def_prop_ro("states", &TraceView::states, nb::sig("def states(self) -> Bytes"),
                   "uint8 [states, record]: state 0, which is given, and all that follow.")
      .def_prop_ro(
          "stop", [](const TraceView& t) { return to_string(t.trace.stop); },
          "Why it ends: \"halted\", \"step limit\", …");

  nb::class_<Traces>(m, "Traces",
                     "Traces back to back, a sequence of Trace. The arrays are views: no copies.")
      .def("__len__", [](const Traces& t) { return t.batch.size(); })
      .def(
          "__getitem__",
          [](nb::pointer_and_handle<Traces> self, Py_ssize_t index) {
            const size_t i = index_in(index, self.p->batch.size());
            return TraceView{self.p->batch[i], nb::borrow(self.h), true};
          },
          nb::sig("def __getitem__(self, index: int) -> Trace"))
      .def_prop_ro(
          "bytes",
          [](nb::pointer_and_handle<Traces> self) {
            return view(self.p->batch.bytes, {self.p->batch.bytes.size()}, self.h, true);
          },
          nb::sig("def bytes(self) -> Bytes"), "uint8 [total]: trace i is bytes[offsets[i]:offsets[i + 1]].")
      .def_prop_ro(
          "offsets",
          [](nb::pointer_and_handle<Traces> self) {
            auto& offsets = self.p->batch.offsets;
            return nb::cast(nb::ndarray<nb::numpy, int64_t>(offsets.data(), {offsets.size()}, self.h));
          },
          nb::sig("def offsets(self) -> Offsets"), "int64 [traces + 1].")
      .def_prop_ro(
          "stops",
          [](nb::pointer_and_handle<Traces> self) {
            const auto* stops = reinterpret_cast<const uint8_t*>(self.p->batch.stops.data());
            return view({stops, self.p->batch.stops.size()}, {self.p->batch.stops.size()}, self.h, true);
          },
          nb::sig("def stops(self) -> Bytes"), "uint8 [traces]: why each ends; 0: it halted.");
}

void add_machines(nb::module_& m) {
  m.def("machines", &machine_names, "Names of the machines that there are.");
  nb::class_<PythonMachine>(m, "Machine",
                            "A machine inside Unicorn: runs programs and writes down every state.")
      .def(
          "__init__",
          [](PythonMachine* self, std::string_view name, int memory) {
            new (self) PythonMachine{make_machine(name, memory)};
          },
          "name"_a = "toy8", "memory"_a = 1024, "name: of machines(). memory: bytes of the memory image.")
      .def_prop_ro(
          "layout", [](const PythonMachine& self) { return from_json(to_json(self.machine->layout())); },
          nb::sig("def layout(self) -> dict[str, Any]"),
          "As in a dataset's manifest: memory_bytes, record_bytes, fields with name, offset and bytes.")
      .def_prop_ro(
          "operations",
          [](const PythonMachine& self) {
            const auto names = self.machine->operations();
            return std::vector<std::string>(names.begin(), names.end());
          },
          "Names of the operations that random programs have.")
      .def(
          "assemble",
          [](const PythonMachine& self, nb::handle program, std::string_view function) {
            std::string text;
            if (!nb::try_cast(program, text)) {
              const auto bytes = nb::cast<nb::bytes>(program);
              text.assign(bytes.c_str(), bytes.size());
            }
            auto image = self.machine->load_program(text, "the program", function);
            const size_t size = image.size();
            return array(std::move(image), {size});
          },
          "program"_a, "function"_a = "",
          nb::sig("def assemble(self, program: str | bytes, function: str = '') -> Bytes"),
          "A program as its file holds it (toy8: assembly; the others: machine code, or an ELF object of which\n"
          "`function` names one) as a memory image, uint8 [memory].")
      .def(
          "first_state",
          [](const PythonMachine& self) {
            auto state = self.machine->first_state();
            const size_t size = state.size();
            return array(std::move(state), {size});
          },
          nb::sig("def first_state(self) -> Bytes"), "State 0 of a given program, uint8 [record].")
      .def(
          "run",
          [](const PythonMachine& self, const BytesIn& starts, uint64_t steps) {
            const auto bytes =
                bytes_of(starts, static_cast<size_t>(self.machine->layout().start_bytes()), true, "starts");
            auto traces = std::make_unique<Traces>(TraceBatch(self.machine->layout()));
            const nb::gil_scoped_release released;
            const std::lock_guard lock(*self.mutex);
            self.machine->run(bytes, {.steps = steps}, traces->batch);
            return traces;
          },
          nb::arg("starts").noconvert(), "steps"_a = most_steps,
          nb::sig("def run(self, starts: Bytes, steps: int = 1000000) -> Traces"),
          "Runs every start, uint8 [N, memory + record], memory image and state 0, for at most `steps` states.")
      .def(
          "random_starts",
          [](const PythonMachine& self, int64_t count, uint64_t seed, std::string_view split,
             int min_instructions, std::optional<int> max_instructions, double small_operands) {
            if (count < 0) throw nb::value_error("count: 0 or more");
            auto random = NativeRandom(seed, 0);
            auto starts = draw_starts(
                *self.machine, random,
                program_options(*self.machine, min_instructions, max_instructions, small_operands),
                split_named(split), count);
            return array(std::move(starts), {static_cast<size_t>(count),
                                             static_cast<size_t>(self.machine->layout().start_bytes())});
          },
          "count"_a, "seed"_a = 0, "split"_a = "train", "min_instructions"_a = 1,
          "max_instructions"_a = nb::none(), "small_operands"_a = 0.0,
          nb::sig("def random_starts(self, count: int, seed: int = 0, split: str = 'train', "
                  "min_instructions: int = 1, max_instructions: int | None = None, "
                  "small_operands: float = 0.0) -> Bytes"),
          "Random programs of one split with random registers, uint8 [count, memory + record].")
      .def(
          "disassemble",
          [](const PythonMachine& self, const BytesIn& image) {
            return self.machine->disassemble(
                bytes_of(image, static_cast<size_t>(self.machine->layout().memory_bytes), false, "image"));
          },
          nb::arg("image").noconvert(), nb::sig("def disassemble(self, image: Bytes) -> str"),
          "The program in a memory image, uint8 [memory].")
      .def(
          "describe",
          [](const PythonMachine& self, const BytesIn& record) {
            const auto said = self.machine->describe(
                bytes_of(record, static_cast<size_t>(self.machine->layout().record_bytes), false, "record"));
            nb::dict result;
            result["operation"] = said.operation;
            result["name"] = std::string(said.name);
            result["group"] = std::string(said.group);
            result["form"] = said.form;
            result["text"] = said.text;
            return result;
          },
          nb::arg("record").noconvert(), nb::sig("def describe(self, record: Bytes) -> dict[str, Any]"),
          "The instruction that a record, uint8 [record], has fetched: its text, form, name and group, and its\n"
          "index in `operations`, -1 for none.");
}

void add_sources(nb::module_& m) {
  nb::class_<Stream>(
      m, "Stream",
      "An endless stream of fresh random programs, run: an iterator of Traces. Stream i of the same\n"
      "arguments is always the same, whatever the number of threads, and no program of the split\n"
      "\"train\" is one of \"test\".")
      .def(
          "__init__",
          [](Stream* self, const std::string& machine, int memory, int traces, uint64_t seed,
             std::string_view split, int threads, uint64_t index, int min_instructions,
             std::optional<int> max_instructions, double small_operands) {
            const auto drawer = make_machine(machine, memory);
            new (self) Stream(
                {.machine = machine,
                 .memory_bytes = memory,
                 .programs = program_options(*drawer, min_instructions, max_instructions, small_operands),
                 .seed = seed,
                 .split = split_named(split),
                 .pool_traces = traces,
                 .threads = threads},
                index);
          },
          "machine"_a = "toy8", "memory"_a = 1024, "traces"_a = 4096, "seed"_a = 0, "split"_a = "train",
          "threads"_a = 1, "index"_a = 0, "min_instructions"_a = 1, "max_instructions"_a = nb::none(),
          "small_operands"_a = 0.0,
          nb::sig("def __init__(self, machine: str = 'toy8', memory: int = 1024, traces: int = 4096, "
                  "seed: int = 0, split: str = 'train', threads: int = 1, index: int = 0, "
                  "min_instructions: int = 1, max_instructions: int | None = None, "
                  "small_operands: float = 0.0) -> None"),
          "traces: in each item. index: of the first item. small_operands: probability that a register starts\n"
          "with few significant bits.")
      .def(
          "__iter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __iter__(self) -> Stream"))
      .def("__next__", &Stream::next, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("index", &Stream::index, "Of the next item.")
      .def_prop_ro(
          "layout", [](const Stream& s) { return from_json(to_json(s.layout())); },
          nb::sig("def layout(self) -> dict[str, Any]"), "As Machine.layout.");

  nb::class_<SplitView>(m, "Split",
                        "The traces of a dataset's split, a sequence of Trace: views of its files.")
      .def("__len__", [](const SplitView& s) { return s.data->size(s.split); })
      .def(
          "__getitem__",
          [](const SplitView& s, Py_ssize_t index) {
            return TraceView{s.data->trace(s.split, index_in(index, s.data->size(s.split))), s.owner, false};
          },
          nb::sig("def __getitem__(self, index: int) -> Trace"));
  nb::class_<Dataset>(m, "Dataset", "A dataset on disk, its files mapped into memory.")
      .def(nb::init<const std::filesystem::path&>(), "folder"_a)
      .def_prop_ro(
          "manifest", [](const Dataset& d) { return from_json(to_json(d.manifest())); },
          nb::sig("def manifest(self) -> dict[str, Any]"), "What manifest.json says.")
      .def_prop_ro(
          "layout", [](const Dataset& d) { return from_json(to_json(d.layout())); },
          nb::sig("def layout(self) -> dict[str, Any]"), "As Machine.layout.")
      .def_prop_ro("train",
                   [](nb::pointer_and_handle<Dataset> self) {
                     return SplitView{self.p, Split::train, nb::borrow(self.h)};
                   })
      .def_prop_ro("test", [](nb::pointer_and_handle<Dataset> self) {
        return SplitView{self.p, Split::test, nb::borrow(self.h)};
      });
  m.def(
      "generate",
      [](const std::filesystem::path& folder, const std::string& machine, int memory, int64_t train,
         int64_t test, uint64_t seed, int threads, int min_instructions, std::optional<int> max_instructions,
         double small_operands) {
        const auto programs = program_options(*make_machine(machine, memory), min_instructions,
                                              max_instructions, small_operands);
        const nb::gil_scoped_release released;
        generate({.machine = machine,
                  .memory_bytes = memory,
                  .programs = programs,
                  .traces = {train, test},
                  .seed = seed,
                  .threads = threads,
                  .out = folder});
      },
      "folder"_a, "machine"_a = "toy8", "memory"_a = 1024, "train"_a = 0, "test"_a = 0, "seed"_a = 0,
      "threads"_a = 1, "min_instructions"_a = 1, "max_instructions"_a = nb::none(), "small_operands"_a = 0.0,
      nb::sig("def generate(folder: str | os.PathLike[str], machine: str = 'toy8', memory: int = 1024, "
              "train: int = 0, test: int = 0, seed: int = 0, threads: int = 1, min_instructions: int = 1, "
              "max_instructions: int | None = None, small_operands: float = 0.0) -> None"),
      "Writes a dataset of random programs into a folder, as bytecpu-datagen generate does; where that was\n"
      "interrupted, it goes on.");
}

// What evaluate() in __init__.py calls, with every argument.
std::string evaluate_predictor(nb::callable predict, std::string name, std::string_view machine_name,
                               int memory, const std::vector<std::string>& modes,
                               const std::optional<std::string>& data, int64_t traces, uint64_t seed,
                               const std::vector<std::string>& forms, int64_t cases, int64_t places,
                               int min_instructions, std::optional<int> max_instructions, int64_t chunk) {
  if (chunk < 1) throw nb::value_error("chunk: 1 or more");
  std::optional<Dataset> dataset;
  if (data) dataset.emplace(*data);
  const auto machine = dataset ? make_machine(dataset->layout().machine, dataset->layout().memory_bytes)
                               : make_machine(machine_name, memory);
  const auto programs = program_options(*machine, min_instructions, max_instructions, 0);
  const bool needs_traces = std::ranges::any_of(modes, [](const auto& mode) { return mode != "exhaustive"; });
  TestSet set;
  nlohmann::ordered_json about = isolated_json(*machine);
  if (needs_traces && dataset) {
    set = dataset_traces(*dataset, Split::test, traces, *machine);
    about = dataset_json(*dataset, *data, Split::test, set);
  } else if (needs_traces) {
    set = fresh_traces(*machine, programs, traces, seed, nullptr);
    about = fresh_json(*machine, set, seed, programs);
  }
  CallablePredictor predictor(std::move(predict), name, machine->layout());
  const bool isolates = std::ranges::find(modes, "exhaustive") != modes.end();
  const auto isolated =
      isolates
          ? exhaustive_cases(*machine, {.forms = forms, .most_cases = cases, .places = places, .seed = seed})
          : std::vector<CasesOfRow>();
  auto document = new_document({{"name", predictor.name()}, {"details", predictor.details()}}, about);
  for (const auto& mode : modes) {
    document["modes"][mode] = judge(mode, predictor, set, *machine, isolated, chunk);
  }
  return json_text(document, 1);
}

void add_judge(nb::module_& m) {
  m.def("_evaluate", &evaluate_predictor);
  m.def("_title", [](const std::string& document) { return title(nlohmann::ordered_json::parse(document)); });
  m.def("_summary",
        [](const std::string& document) { return summary(nlohmann::ordered_json::parse(document)); });
  m.def("_report",
        [](const std::string& document) { return render_report(nlohmann::ordered_json::parse(document)); });
}

}  // namespace
}  // namespace bytecpu::python

NB_MODULE(_core, m) {
  using namespace bytecpu::python;
  m.attr("__version__") = std::string(bytecpu::version());
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const bytecpu::Error& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    }
  });
  add_traces(m);
  add_machines(m);
  add_sources(m);
  add_judge(m);
}
