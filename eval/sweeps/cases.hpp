// Where the cases of exhaustive evaluation come from: toy8's from sweeps of all values, other machines' from samples.
#pragma once

#include <vector>

#include "emulator/machine.hpp"
#include "eval/sweeps/exhaustive.hpp"

namespace bytecpu {

// Both: every row that there is, with options.most_cases, .places and .seed. The machine must outlive them.
std::vector<CasesOfRow> toy8_sweeps(Machine& machine, const ExhaustiveOptions& options);
std::vector<CasesOfRow> samples(Machine& machine, const ExhaustiveOptions& options);

}  // namespace bytecpu
