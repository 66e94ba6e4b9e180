// The Python module bytecpu._core: machines, streams, datasets, and the judge.
#include "eval/python/module.hpp"

#include <nanobind/stl/string.h>

#include <exception>
#include <string>

#include "emulator/error.hpp"
#include "emulator/version.hpp"

namespace nb = nanobind;

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
  add_stream(m);
  add_datasets(m);
  add_judge(m);
}
