// The low registers of Arm's Thumb, 16-bit instructions: the smallest of the native machines. No stack, no
// calls.
//
// Record, 48 bytes: PC (2), INSN (4, of which the last two are 0), ACCESS_OFFSET (2), READ_SIZE, WRITE_SIZE,
// WRITE_VALUE (4), R0 … R7, NZCV (2: bit 3 N, 2 Z, 1 C, 0 V).
#pragma once

#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_thumb(int memory_bytes);

}  // namespace bytecpu
