// An ELF file taken apart: its sections, symbols and relocations, with every offset checked.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu::native {

struct ElfRelocation {
  uint64_t offset;  // in its section; of a linked file an address
  uint32_t type, symbol;
  int64_t addend;
};

struct ElfSection {
  std::string_view name;
  uint32_t type;
  uint64_t flags, address, bytes, alignment;
  std::string_view contents;  // shorter than `bytes` where the rest is zero
  std::vector<ElfRelocation> relocations = {};

  bool loaded() const { return flags & SHF_ALLOC; }
  bool runs() const { return flags & SHF_EXECINSTR; }
  bool written() const { return flags & SHF_WRITE; }
};

struct ElfSymbol {
  std::string_view name;
  uint8_t type, binding;
  uint16_t section;  // SHN_…
  uint64_t value, bytes;

  bool is_function() const { return type == STT_FUNC && section != SHN_UNDEF; }
  bool is_local() const { return binding == STB_LOCAL; }
  bool is_weak() const { return binding == STB_WEAK; }
};

// All is borrowed from the file's contents.
struct ElfObject {
  std::string name;  // for messages
  uint16_t type;     // ET_…
  uint64_t entry;
  std::vector<ElfSection> sections = {};
  // Relocations that the loader applies, of a linked file; their symbols are dynamic_symbols.
  std::vector<ElfRelocation> dynamic_relocations = {};
  std::vector<ElfSymbol> symbols = {}, dynamic_symbols = {};

  bool is_relocatable() const { return type == ET_REL; }
};

// Throws Error for what is no 64-bit little-endian ELF file of the machine (EM_…), or contradicts itself.
ElfObject read_elf(std::string_view contents, std::string_view name, uint16_t machine);

}  // namespace bytecpu::native
