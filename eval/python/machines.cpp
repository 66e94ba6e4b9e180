#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <limits>
#include <memory>
#include <mutex>

#include "datagen/dataset/dataset.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/error.hpp"
#include "emulator/machine.hpp"
#include "emulator/random.hpp"
#include "eval/python/arrays.hpp"
#include "eval/python/module.hpp"
#include "eval/python/programs.hpp"
#include "eval/python/traces.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace bytecpu::python {
namespace {

constexpr int64_t most_starts = std::numeric_limits<uint32_t>::max();

// A machine that several threads may call: each has it alone.
class PythonMachine {
 public:
  PythonMachine(std::string_view name, std::optional<int> memory)
      : machine_(make_machine(name, memory.value_or(usual_memory(name)))) {}

  // What `use` makes of the machine. It runs without the interpreter's lock, and must touch nothing of Python's: who
  // waited for the machine with that lock held might wait for ever.
  template <typename Use>
  auto alone(Use use) {
    const nb::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    return use(*machine_);
  }

 private:
  std::unique_ptr<Machine> machine_;
  std::mutex mutex_;
};

// A program's text as UTF-8, or its bytes.
std::string program_text(nb::handle program) {
  std::string text;
  if (nb::try_cast(program, text)) return text;
  if (!nb::isinstance<nb::bytes>(program)) {
    throw nb::type_error("program: bytes, or a str that has a form in UTF-8, is wanted");
  }
  const auto bytes = nb::borrow<nb::bytes>(program);
  return {bytes.c_str(), bytes.size()};
}

nb::object flat(std::vector<uint8_t> bytes) {
  const size_t size = bytes.size();
  return array(std::move(bytes), {size});
}

nb::object layout(PythonMachine& self) {
  return from_json(self.alone([](const Machine& machine) { return to_json(machine.layout()); }));
}

std::vector<std::string> operations(PythonMachine& self) {
  return self.alone([](const Machine& machine) {
    const auto names = machine.operations();
    return std::vector<std::string>(names.begin(), names.end());
  });
}

nb::object assemble(PythonMachine& self, nb::handle program, std::string_view function) {
  const auto text = program_text(program);
  return flat(self.alone([&](const Machine& machine) {
    auto loaded = machine.load(text, "the program", function);
    // An image alone does not tell it, and state 0 would be wrong without a word.
    if (loaded.entry != 0) {
      throw Error("the program: it begins at {:#x} in its memory image; bytecpu-datagen trace runs it",
                  loaded.entry);
    }
    return loaded.image;
  }));
}

nb::object first_state(PythonMachine& self) {
  return flat(self.alone([](const Machine& machine) { return machine.first_state(); }));
}

std::unique_ptr<Traces> run(PythonMachine& self, const BytesIn& starts, uint64_t steps) {
  return self.alone([&](Machine& machine) {
    const auto bytes = bytes_of(starts, static_cast<size_t>(machine.layout().start_bytes()), true, "starts");
    auto traces = std::make_unique<Traces>(TraceBatch(machine.layout()));
    machine.run(bytes, {.steps = steps}, traces->batch);
    return traces;
  });
}

nb::object random_starts(PythonMachine& self, int64_t count, uint64_t seed, std::string_view split_name,
                         int min_instructions, std::optional<int> max_instructions, double small_operands) {
  if (count < 0 || count > most_starts) throw nb::value_error("count: from 0 to 4294967295");
  const Split split = split_named(split_name);
  size_t each = 0;
  auto starts = self.alone([&](const Machine& machine) {
    each = static_cast<size_t>(machine.layout().start_bytes());
    auto random = NativeRandom(seed, 0);
    return draw_starts(machine, random,
                       program_options(machine, min_instructions, max_instructions, small_operands), split,
                       count);
  });
  return array(std::move(starts), {static_cast<size_t>(count), each});
}

std::string disassemble(PythonMachine& self, const BytesIn& image) {
  return self.alone([&](const Machine& machine) {
    const auto memory = static_cast<size_t>(machine.layout().memory_bytes);
    return machine.disassemble(bytes_of(image, memory, false, "image"));
  });
}

nb::dict describe(PythonMachine& self, const BytesIn& record) {
  const Instruction said = self.alone([&](const Machine& machine) {
    const auto width = static_cast<size_t>(machine.layout().record_bytes);
    return machine.describe(bytes_of(record, width, false, "record"));
  });
  nb::dict result;
  result["operation"] = said.operation;
  result["name"] = std::string(said.name);
  result["group"] = std::string(said.group);
  result["form"] = said.form;
  result["text"] = said.text;
  return result;
}

}  // namespace

void add_machines(nb::module_& m) {
  m.def("machines", &machine_names, "Names of the machines that there are.");
  nb::class_<PythonMachine>(m, "Machine",
                            "A machine inside Unicorn: runs programs and writes down every state. Several\n"
                            "threads may call it: one waits for the other.")
      .def(nb::init<std::string_view, std::optional<int>>(), "name"_a = "toy8", "memory"_a = nb::none(),
           "name: of machines(). memory: bytes of the memory image; None: what is usual for the machine.")
      .def_prop_ro(
          "layout", &layout, nb::sig("def layout(self) -> dict[str, Any]"),
          "As in a dataset's manifest: memory_bytes, record_bytes, fields with name, offset and bytes.")
      .def_prop_ro("operations", &operations, "Names of the operations that random programs have.")
      .def(
          "assemble", &assemble, "program"_a, "function"_a = "",
          nb::sig("def assemble(self, program: str | bytes, function: str = '') -> Bytes"),
          "A program as its file holds it (toy8: assembly; the others: machine code, or an ELF object of which\n"
          "`function` names one) as a memory image, uint8 [memory].")
      .def("first_state", &first_state, nb::sig("def first_state(self) -> Bytes"),
           "State 0 of a given program, uint8 [record].")
      .def(
          "run", &run, nb::arg("starts").noconvert(), "steps"_a = most_steps,
          nb::sig("def run(self, starts: Bytes, steps: int = 1000000) -> Traces"),
          "Runs every start, uint8 [N, memory + record], memory image and state 0, for at most `steps` states.\n"
          "The array must be contiguous.")
      .def("random_starts", &random_starts, "count"_a, "seed"_a = 0, "split"_a = "train",
           "min_instructions"_a = 1, "max_instructions"_a = nb::none(), "small_operands"_a = 0.0,
           nb::sig("def random_starts(self, count: int, seed: int = 0, split: str = 'train', "
                   "min_instructions: int = 1, max_instructions: int | None = None, "
                   "small_operands: float = 0.0) -> Bytes"),
           "Random programs of one split with random registers, uint8 [count, memory + record].")
      .def("disassemble", &disassemble, nb::arg("image").noconvert(),
           nb::sig("def disassemble(self, image: Bytes) -> str"),
           "The program in a memory image, uint8 [memory], contiguous.")
      .def(
          "describe", &describe, nb::arg("record").noconvert(),
          nb::sig("def describe(self, record: Bytes) -> dict[str, Any]"),
          "The instruction that a record, uint8 [record], contiguous, has fetched: its text, form, name and\n"
          "group, and its index in `operations`, -1 for none.");
}

}  // namespace bytecpu::python
