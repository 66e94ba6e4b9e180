// Which random programs: arguments of several of the module's functions.
#pragma once

#include <optional>
#include <string_view>

#include "datagen/programs/split.hpp"
#include "emulator/machine.hpp"

namespace bytecpu::python {

// Without `most` the default, which may be more than a machine's memory holds.
ProgramOptions program_options(int least, std::optional<int> most, double small_operands);
// Without `most` as many as the machine's memory holds.
ProgramOptions program_options(const Machine& machine, int least, std::optional<int> most,
                               double small_operands);

// Throws nanobind::value_error.
Split split_named(std::string_view name);

}  // namespace bytecpu::python
