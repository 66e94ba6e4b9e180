// The machine code of a function out of an ELF file.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bytecpu::native {

bool is_elf(std::string_view contents);

// 64-bit little-endian objects, executables and shared objects of the given machine (EM_…). `name` is for
// messages; an empty `function` stands for the only one that there is. Relocations that stay within the
// function are applied. Throws Error: not such a file, no such function, one that needs what lies outside of
// it, a file that contradicts itself.
std::vector<uint8_t> elf_function(std::string_view contents, std::string_view name, std::string_view function,
                                  uint16_t machine);

}  // namespace bytecpu::native
