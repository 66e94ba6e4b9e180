// Traces as Python has them: of a batch that was just run, or of a dataset.
#pragma once

#include <nanobind/nanobind.h>

#include "emulator/trace.hpp"

namespace bytecpu::python {

// One trace, of a batch or a dataset, which `owner` is.
struct TraceView {
  Trace trace;
  nanobind::object owner;
  bool writable;

  nanobind::object bytes() const;
  nanobind::object image() const;
  nanobind::object states() const;
};

struct Traces {
  TraceBatch batch;
};

// A Python index, negative ones from the end, of a sequence. Throws nanobind::index_error.
size_t index_in(Py_ssize_t index, size_t size);

}  // namespace bytecpu::python
