// Random programs for native machines: straight-line instructions, forward branches, branches back to a block that was
// passed over, loops that end, calls of one subroutine that follows the halting instruction.
#pragma once

#include "emulator/machine.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

// Instructions that a forward branch passes over, that a loop repeats or that lie on the way back of another branch, and how
// often a loop repeats; at most.
inline constexpr uint32_t longest_skip = 6, longest_body = 6, most_turns = 6;
// Room that the longest template may take, loops and blocks that are branched back to aside.
inline constexpr int slack_bytes = 32;

// How many instructions a program may have at most, the halting one included, in so many bytes of code.
int most_instructions(const InstructionSet& set, int code_bytes);

// Throws Error unless the options fit a machine of this instruction set with so many bytes of code.
void check(const ProgramOptions& options, const InstructionSet& set, int code_bytes);

// Code of at most `code_bytes`. Addresses are those of data: `data_bytes` from the data register on.
std::vector<uint8_t> random_program(RandomSource& random, const ProgramOptions& options,
                                    const InstructionSet& set, int code_bytes, int data_bytes);

// Instructions of such programs, to stand before one that is to begin anywhere: any number that fits `most` bytes.
std::vector<uint8_t> idle_code(RandomSource& random, const ProgramOptions& options, const InstructionSet& set,
                               int code_bytes, int data_bytes, size_t most);

}  // namespace bytecpu::native
