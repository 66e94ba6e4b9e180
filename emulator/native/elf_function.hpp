// The machine code of a function out of an ELF file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu::native {

bool is_elf(std::string_view contents);
// Throws Error for what is no 64-bit little-endian ELF file of the machine (EM_…). `name` is for messages.
void check_machine(std::string_view contents, std::string_view name, uint16_t machine);

// A function, and what lies about it in the file. Offsets are from the function's start.
struct ElfFunction {
  struct Place {
    std::string name;
    int64_t offset;
    uint64_t bytes;
  };
  std::string name;
  std::vector<uint8_t> code;
  // Symbols, then sections; of an object file the function's section alone.
  std::vector<Place> places;
  // The address of its start, where the file is linked for fixed addresses.
  std::optional<uint64_t> address;
};

// 64-bit little-endian objects, executables and shared objects of the given machine (EM_…). `name` is for
// messages; an empty `function` stands for the only one that there is. Relocations that stay within the
// function are applied. Throws Error: not such a file, no such function, one that needs what lies outside of
// it by a relocation, a file that contradicts itself.
ElfFunction elf_function(std::string_view contents, std::string_view name, std::string_view function,
                         uint16_t machine);

}  // namespace bytecpu::native
