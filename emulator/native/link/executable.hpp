// Static executables, at the addresses that they were linked for.
#pragma once

#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/link/linker.hpp"

namespace bytecpu::native {

// As link() does, whose arguments these are. Throws Error: a section that lies in no region, a relocation that wants more
// than a loader of one file.
Linked load_executable(const ElfObject& object, std::string_view name, std::string_view function,
                       uint16_t machine, const LinkPlaces& places, std::span<uint8_t> image);

}  // namespace bytecpu::native
