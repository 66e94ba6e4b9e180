// The parts of the Python module bytecpu._core, in the order in which they are added: a part names types of those
// before it.
#pragma once

#include <nanobind/nanobind.h>

namespace bytecpu::python {

void add_traces(nanobind::module_& m);
void add_machines(nanobind::module_& m);
void add_stream(nanobind::module_& m);
void add_datasets(nanobind::module_& m);
void add_judge(nanobind::module_& m);

}  // namespace bytecpu::python
