// The integer instructions of Arm A64. Random programs use the 32-bit forms, and 8 and 16 bits for loads and
// stores. Given programs may use 64 bits too; records then show the low 32.
//
// Record, 64 bytes: PC (2), INSN (4), ACCESS_OFFSET (2), READ_SIZE, WRITE_SIZE, WRITE_VALUE (8), W0 … W8, LR, SP,
// NZCV (2: bit 3 N, 2 Z, 1 C, 0 V).
#pragma once

#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_arm64(int memory_bytes);

}  // namespace bytecpu
