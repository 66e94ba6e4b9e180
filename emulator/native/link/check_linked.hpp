// Finds, before a linked program runs, what it needs and its file does not have.
#pragma once

#include <span>
#include <string_view>

#include "emulator/native/disassembler.hpp"
#include "emulator/native/instruction_set.hpp"
#include "emulator/native/link/linker.hpp"

namespace bytecpu::native {

// Follows the code from its entry: along branches, and to all that its addresses, and those in the data that they lead
// to, point to. Throws Error where that comes to something outside of the file, with its name and what to do.
// What other functions of the file need does not matter.
void check_linked(const Linked& linked, std::span<const uint8_t> image, const InstructionSet& set,
                  const Disassembler& disassembler, std::string_view file);

}  // namespace bytecpu::native
