// Which x86-64 encodings the machine includes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::x86_64 {

inline constexpr int registers = 10;               // RAX … RDI, R8, R9
inline constexpr int most_instruction_bytes = 10;  // NOPs aside
inline constexpr size_t longest_padding = 15;      // of NOPs; records hold their first bytes

native::Decoded decode(std::span<const uint8_t> code);
native::Flow flow(std::span<const uint8_t> code);

// What Unicorn 2.0.1 does otherwise than the processor, as tests/emulator/x86_64 finds it, is left out:
// SHL, SHR, SAR of memory by CL: CF, OF; SHLD, SHRD of memory: CF, OF, and the address where it is relative to
// the PC; POPCNT; MOV of a number with a REX.R that means nothing. CMPXCHG of 32 bits is left out of given
// programs: RAX's upper half.

// LOCK, and far calls and jumps by a register: Unicorn 2.0.1 aborts where it translates some of them.
bool breaks_engine(std::span<const uint8_t> code);

}  // namespace bytecpu::x86_64
