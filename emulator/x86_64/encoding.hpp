// Which x86-64 encodings the machine includes.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::x86_64 {

inline constexpr int registers = 10;  // RAX … RDI, R8, R9
inline constexpr int most_instruction_bytes = 10;

native::Decoded decode(std::span<const uint8_t> code);
native::Flow flow(std::span<const uint8_t> code);

// LOCK, and far calls and jumps by a register: Unicorn 2.0.1 aborts where it translates some of them.
bool breaks_engine(std::span<const uint8_t> code);

}  // namespace bytecpu::x86_64
