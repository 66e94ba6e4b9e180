// A few functions that compilers call without being asked, as machine code: they run, and are recorded, as all else.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bytecpu::native {

// memcpy, memset, memmove, memcmp, strlen and abort of a machine (EM_…); empty: there is none of that name. abort is
// an illegal instruction.
std::vector<uint8_t> stand_in(std::string_view name, uint16_t machine);

// What to compile with, or to give instead, so that a program does not need what is outside of it.
std::string_view how_to_avoid(std::string_view name);

}  // namespace bytecpu::native
