// Which A64 encodings the machine includes.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::arm64 {

inline constexpr uint32_t hlt = 0xD4400000;

// Bits high … low of an instruction.
constexpr uint32_t bits(uint32_t word, int high, int low) {
  return word >> low & ((1u << (high - low + 1)) - 1);
}
// The instruction at the start of `bytes`, at least four.
inline uint32_t word_at(std::span<const uint8_t> bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

// `full`: of the full layout, which has all registers, ADRP, LDPSW, literals of LDRSW and stores of 16 bytes besides.
bool includes(uint32_t instruction, bool full = false);

// Also of ADRP, which the compact layout does not include: no function with one stands alone.
native::Flow flow(uint32_t instruction);

}  // namespace bytecpu::arm64
