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

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_x86_64(int memory_bytes);

}  // namespace bytecpu
