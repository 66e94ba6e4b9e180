// Which A64 encodings the machine includes.
#pragma once

#include <cstdint>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::arm64 {

inline constexpr uint32_t hlt = 0xD4400000;

bool includes(uint32_t instruction);

// Also of ADRP, which is not included: no function with one stands alone.
native::Flow flow(uint32_t instruction);

}  // namespace bytecpu::arm64
