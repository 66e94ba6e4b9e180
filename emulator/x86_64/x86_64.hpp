// The integer instructions of x86-64 in 64-bit mode. Random programs use the 32-bit forms, and 8 and 16 bits
// for loads and stores. Given programs may use all widths; records then show the low 32
// bits.
//
// Record, 64 bytes: PC (2), INSN (9), ACCESS_OFFSET (2), READ_SIZE, WRITE_SIZE, WRITE_VALUE (8), EAX, ECX, EDX,
// EBX, ESP, EBP, ESI, EDI, R8D, R9D, FLAGS (1: bit 0 CF, 2 PF, 3 OF, 6 ZF, 7 SF). AF is left out: no instruction
// reads it. Random programs' instructions have at most 9 bytes, given ones' 10 (NOPs 15), of which INSN holds the first 9.
#pragma once

#include <memory>

#include "emulator/machine.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_x86_64(int memory_bytes);

// The full layout, `x86_64-full`, for given programs first of all. Record, 176 bytes: PC (4), INSN (15), ACCESS_OFFSET (4),
// READ_SIZE, WRITE_SIZE, WRITE_VALUE (16, of which 8 are used), RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15 (8 each), FLAGS
// (7: the first as above). A string instruction with REP has a record for every repetition.
std::unique_ptr<Machine> make_x86_64_full(int memory_bytes);

// What its folder says of the processor, of either layout.
std::unique_ptr<native::InstructionSet> make_x86_64_instructions(bool full);

}  // namespace bytecpu
