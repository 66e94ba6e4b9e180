// Finds what a given program may not do before it runs: run on into the bytes behind it, or read what its file
// holds elsewhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "emulator/native/disassembler.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

// Follows the code from its start along direct branches, as far as the machine includes its instructions.
// Throws Error where it ends inside of an instruction, or has one for which Flow::wrong says so; and, of a
// function, where a direct branch or call, or
// an address that an instruction holds, leads outside of it. `file` is for messages; `function`, or null for
// a flat binary, is what the code was made of.
void check_given(std::span<const uint8_t> code, const InstructionSet& set, const Disassembler& disassembler,
                 std::string_view file, const ElfFunction* function);

}  // namespace bytecpu::native
