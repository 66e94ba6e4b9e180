// Which x86-64 encodings the machine includes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::x86_64 {

inline constexpr int registers = 10;           // RAX … RDI, R8, R9, in the compact layout
inline constexpr size_t longest_padding = 15;  // of NOPs; the compact layout's records hold their first bytes

// What a layout includes. The full one has all registers and lengths, and more forms: strings, jumps, calls and pushes
// by memory, RET of a number, JRCXZ, LOOP, CLD, and the prefixes NOTRACK and REP before jumps and returns.
struct Extent {
  int registers;
  size_t most_bytes;  // NOPs aside
  bool full;
};
inline constexpr Extent compact{registers, 10, false}, full{16, 15, true};

native::Decoded decode(std::span<const uint8_t> code, const Extent& extent = compact);
native::Flow flow(std::span<const uint8_t> code, const Extent& extent = compact);

// What Unicorn 2.0.1 does otherwise than the processor, as tests/emulator/x86_64 finds it, is left out:
// SHL, SHR, SAR of memory by CL: CF, OF; SHLD, SHRD of memory: CF, OF, and the address where it is relative to
// the PC; POPCNT; MOV of a number with a REX.R that means nothing. CMPXCHG of 32 bits is left out of given
// programs and of the full layout: RAX's upper half.

// Why an instruction that is not included is left out, as Capstone writes it, and what to compile with instead; empty: there is
// no more to say.
std::string why_left_out(std::string_view text);

// LOCK, and far calls and jumps by a register: Unicorn 2.0.1 aborts where it translates some of them.
bool breaks_engine(std::span<const uint8_t> code);

}  // namespace bytecpu::x86_64
