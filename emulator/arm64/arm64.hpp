// The integer instructions of Arm A64. Random programs use the 32-bit forms, and 8 and 16 bits for loads and
// stores. Given programs may use 64 bits too; records then show the low 32.
//
// Record, 64 bytes: PC (2), INSN (4), ACCESS_OFFSET (2), READ_SIZE, WRITE_SIZE, WRITE_VALUE (8), W0 … W8, LR, SP,
// NZCV (2: bit 3 N, 2 Z, 1 C, 0 V).
#pragma once

#include <memory>

#include "emulator/machine.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_arm64(int memory_bytes);

// The full layout, `arm64-full`, for given programs first of all. Record, 288 bytes: PC (4), INSN (4), ACCESS_OFFSET (4),
// READ_SIZE, WRITE_SIZE, WRITE_VALUE (16), X0 … X29, LR, SP (8 each), NZCV (2).
std::unique_ptr<Machine> make_arm64_full(int memory_bytes);

// What its folder says of the processor, of either layout.
std::unique_ptr<native::InstructionSet> make_arm64_instructions(bool full);

}  // namespace bytecpu
