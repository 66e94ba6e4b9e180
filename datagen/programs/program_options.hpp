// The options that name a machine and say how random programs are drawn, for every program that has them.
#pragma once

#include <string>

#include "datagen/io/options.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

void machine_options(OptionList& field, std::string& machine, int& memory_bytes);
// The machine's usual memory where --memory is not given.
void fit_memory(const OptionList& given, const std::string& machine, int& memory_bytes);
void length_options(OptionList& field, ProgramOptions& programs);
// Those of length_options(), and all others but the weights.
void program_options(OptionList& field, ProgramOptions& programs);

// At most as many instructions as the machine's memory holds.
void fit_length(const Machine& machine, ProgramOptions& programs);
// Where --max-instructions is not given.
void fit_length(const OptionList& given, const Machine& machine, ProgramOptions& programs);

}  // namespace bytecpu
