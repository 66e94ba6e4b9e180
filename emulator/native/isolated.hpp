// Code that tries one operation alone, and numbers for its operands: often those at the ends of their ranges.
#pragma once

#include "emulator/native/disassembler.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

struct Isolated {
  std::vector<uint8_t> code;  // up to the end of the instruction; halting ones are to follow
  size_t begin = 0;           // where what prepares its operands begins; `at` where nothing does
  int preparation = 0;        // instructions of that
  size_t at = 0;              // where the instruction is
};

// An instruction of set.operations()[operation] as random programs have it, among the program's first `places`
// (0: anywhere). The code before it is not meant to run. A branch leads to what follows, or at times back into the
// code. At times the instruction has another name, where Capstone gives that to what was drawn, such as `neg` to
// `sub` from zero.
Isolated isolate(RandomSource& random, const InstructionSet& set, const Disassembler& disassembler,
                 size_t operation, int places, int code_bytes, int data_bytes);

// A number to compute with: the least or greatest one, signed or not, one of bytes that carry or borrow, a
// distance of shifts, one at or beside a number of `others`, or any.
uint32_t telling_number(RandomSource& random, std::span<const uint32_t> others);

}  // namespace bytecpu::native
