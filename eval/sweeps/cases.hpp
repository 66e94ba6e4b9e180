// Where the cases of exhaustive evaluation come from: toy8's from sweeps of all values, other machines' from samples.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "emulator/machine.hpp"
#include "eval/sweeps/exhaustive.hpp"

namespace bytecpu {

struct Case {
  std::string instruction;
  size_t combination = 0;  // of operand values, in ExhaustiveRow::wrong
};

struct CasesOfRow {
  ExhaustiveRow row;   // without results
  int64_t tested = 0;  // cases that are to be
  // Writes memory image ‖ state 0 of case i, 0 … tested - 1, to `start`; called once for each, in order. State 1 has
  // fetched the instruction, and its result is state 2, or the end.
  std::function<Case(int64_t i, std::span<uint8_t> start)> make;
};

// Both: every row that there is, with options.most_cases, .places and .seed. The machine must outlive them.
std::vector<CasesOfRow> toy8_sweeps(Machine& machine, const ExhaustiveOptions& options);
std::vector<CasesOfRow> samples(Machine& machine, const ExhaustiveOptions& options);

}  // namespace bytecpu
