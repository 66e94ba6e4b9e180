// What a given program starts from: memory image ‖ state 0, with the fields and data that its user sets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datagen/io/options.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

struct StartOptions {
  std::string program;            // file; "-": standard input
  std::string function;           // of an ELF object; empty: the only one
  std::vector<std::string> set;   // "FIELD=VALUE"
  std::vector<std::string> data;  // "OFFSET=HEX", or "OFFSET=@FILE"
};

void start_options(OptionList& field, StartOptions& start);

// Throws Error for a program that cannot be loaded, UsageError for a field, a value or data that there cannot
// be, and for data over the program's stack, unless the stack pointer is set. Names of fields may be in lower
// case; values are decimal or 0x…, and may be negative.
std::vector<uint8_t> make_start(const Machine& machine, const StartOptions& options);

// Throws Error, for a program whose run has ended in a fault, that says after how many steps and why.
void refuse_fault(const StartOptions& options, const Machine& machine, const Trace& trace);

}  // namespace bytecpu
