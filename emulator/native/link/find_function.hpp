// Functions of ELF files by their names.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/native/link/elf_object.hpp"

namespace bytecpu::native {

// A symbol: its number among an object's, and the object's.
struct SymbolPlace {
  size_t object, symbol;
};

// The function that is named, or the only one. Throws Error, with the names that there are; `name` is the file's.
SymbolPlace find_function(std::span<const ElfObject> objects, std::string_view name, std::string_view wanted);

// Names for a message: not all of very many.
std::string listed(std::vector<std::string> names);

}  // namespace bytecpu::native
