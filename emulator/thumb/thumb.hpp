// The low registers of Arm's Thumb, 16-bit instructions: the smallest of the native machines. No stack, no
// calls.
//
// Record, 48 bytes: PC (4), INSN (4, of which the last two are 0), NZCV (1: bit 3 N, 2 Z, 1 C, 0 V), R0 … R7,
// WRITE_OFFSET, WRITE_SIZE, WRITE_VALUE (4).
#pragma once

#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu {

// memory_bytes: see native.hpp; otherwise throws Error.
std::unique_ptr<Machine> make_thumb(int memory_bytes);

}  // namespace bytecpu
