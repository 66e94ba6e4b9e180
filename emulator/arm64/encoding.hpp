// Which A64 encodings the machine includes.
#pragma once

#include <cstdint>

namespace bytecpu::arm64 {

inline constexpr uint32_t hlt = 0xD4400000;

bool includes(uint32_t instruction);

}  // namespace bytecpu::arm64
