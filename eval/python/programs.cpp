#include "eval/python/programs.hpp"

#include <nanobind/nanobind.h>

#include "datagen/programs/program_options.hpp"

namespace bytecpu::python {

ProgramOptions program_options(int least, std::optional<int> most, double small_operands) {
  ProgramOptions options;
  options.min_instructions = least;
  options.max_instructions = most.value_or(options.max_instructions);
  options.small_operands = small_operands;
  return options;
}

ProgramOptions program_options(const Machine& machine, int least, std::optional<int> most,
                               double small_operands) {
  auto options = program_options(least, most, small_operands);
  if (!most) fit_length(machine, options);
  return options;
}

Split split_named(std::string_view name) {
  for (const Split split : splits) {
    if (to_string(split) == name) return split;
  }
  throw nanobind::value_error("split: \"train\" or \"test\"");
}

}  // namespace bytecpu::python
