#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <mutex>

#include "datagen/corpus/program_stream.hpp"
#include "datagen/dataset/dataset.hpp"
#include "eval/python/arrays.hpp"
#include "eval/python/module.hpp"
#include "eval/python/programs.hpp"
#include "eval/python/traces.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace bytecpu::python {
namespace {

// Several threads may ask for items: each has it alone. Its methods are called without the interpreter's lock.
class Stream {
 public:
  Stream(const ProgramStream::Options& options, bool fit_length, uint64_t index)
      : stream_(options), index_(index) {
    if (fit_length) stream_.fit_length();
  }

  std::unique_ptr<Traces> next() {
    const std::lock_guard lock(mutex_);
    Pool pool(stream_.frame().layout);
    stream_.fill(index_, {}, pool);
    ++index_;
    return std::make_unique<Traces>(std::move(pool.traces));
  }
  uint64_t index() {
    const std::lock_guard lock(mutex_);
    return index_;
  }
  // Never changes.
  const Layout& layout() const { return stream_.frame().layout; }

 private:
  ProgramStream stream_;
  uint64_t index_;
  std::mutex mutex_;
};

void make_stream(Stream* self, const std::string& machine, int memory, int traces, uint64_t seed,
                 std::string_view split, int threads, uint64_t index, int min_instructions,
                 std::optional<int> max_instructions, double small_operands) {
  new (self) Stream({.machine = machine,
                     .memory_bytes = memory,
                     .programs = program_options(min_instructions, max_instructions, small_operands),
                     .seed = seed,
                     .split = split_named(split),
                     .pool_traces = traces,
                     .threads = threads},
                    !max_instructions, index);
}

}  // namespace

void add_stream(nb::module_& m) {
  nb::class_<Stream>(
      m, "Stream",
      "An endless stream of fresh random programs, run: an iterator of Traces. Item i of the same\n"
      "arguments is always the same, whatever the number of threads, and no program of the split\n"
      "\"train\" is one of \"test\".")
      .def(
          "__init__", &make_stream, "machine"_a = "toy8", "memory"_a = 1024, "traces"_a = 4096, "seed"_a = 0,
          "split"_a = "train", "threads"_a = 1, "index"_a = 0, "min_instructions"_a = 1,
          "max_instructions"_a = nb::none(), "small_operands"_a = 0.0,
          nb::sig("def __init__(self, machine: str = 'toy8', memory: int = 1024, traces: int = 4096, "
                  "seed: int = 0, split: str = 'train', threads: int = 1, index: int = 0, "
                  "min_instructions: int = 1, max_instructions: int | None = None, "
                  "small_operands: float = 0.0) -> None"),
          "traces: in each item. index: of the first item. small_operands: probability that a register starts\n"
          "with few significant bits.")
      .def(
          "__iter__", [](nb::handle self) { return nb::borrow(self); },
          nb::sig("def __iter__(self) -> Stream"), "Itself.")
      .def("__next__", &Stream::next, nb::call_guard<nb::gil_scoped_release>(),
           "The next item. Several threads may ask: each gets one of its own.")
      .def_prop_ro("index", &Stream::index, nb::call_guard<nb::gil_scoped_release>(), "Of the next item.")
      .def_prop_ro(
          "layout", [](const Stream& s) { return from_json(to_json(s.layout())); },
          nb::sig("def layout(self) -> dict[str, Any]"), "As Machine.layout.");
}

}  // namespace bytecpu::python
