#include "eval/python/traces.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string_view.h>

#include "eval/python/arrays.hpp"
#include "eval/python/module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace bytecpu::python {

nb::object TraceView::bytes() const { return view(trace.bytes, {trace.bytes.size()}, owner, writable); }

nb::object TraceView::image() const { return view(trace.image(), {trace.image().size()}, owner, writable); }

nb::object TraceView::states() const {
  const auto records = trace.records();
  const auto width = static_cast<size_t>(trace.record_bytes);
  return view(records, {records.size() / width, width}, owner, writable);
}

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

  nb::class_<Traces>(
      m, "Traces",
      "Traces back to back, a sequence of Trace. The arrays are views: no copies. Those of the\n"
      "traces' bytes may be written to; offsets and stops, by which traces are found, may not.")
      .def(
          "__len__", [](const Traces& t) { return t.batch.size(); }, "How many traces.")
      .def(
          "__getitem__",
          [](nb::pointer_and_handle<Traces> self, Py_ssize_t index) {
            const size_t i = index_in(index, self.p->batch.size());
            return TraceView{self.p->batch[i], nb::borrow(self.h), true};
          },
          "index"_a, nb::sig("def __getitem__(self, index: int) -> Trace"),
          "A trace, negative indices from the end.")
      .def_prop_ro(
          "bytes",
          [](nb::pointer_and_handle<Traces> self) {
            return view(self.p->batch.bytes, {self.p->batch.bytes.size()}, self.h, true);
          },
          nb::sig("def bytes(self) -> Bytes"), "uint8 [total]: trace i is bytes[offsets[i]:offsets[i + 1]].")
      .def_prop_ro(
          "offsets",
          [](nb::pointer_and_handle<Traces> self) {
            const auto& offsets = self.p->batch.offsets;
            return nb::cast(nb::ndarray<nb::numpy, const int64_t>(offsets.data(), {offsets.size()}, self.h));
          },
          nb::sig("def offsets(self) -> Offsets"), "int64 [traces + 1], read-only: where each begins.")
      .def_prop_ro(
          "stops",
          [](nb::pointer_and_handle<Traces> self) {
            const auto& stops = self.p->batch.stops;
            return view({reinterpret_cast<const uint8_t*>(stops.data()), stops.size()}, {stops.size()},
                        self.h, false);
          },
          nb::sig("def stops(self) -> Bytes"), "uint8 [traces], read-only: why each ends; 0: it halted.");
}

}  // namespace bytecpu::python
