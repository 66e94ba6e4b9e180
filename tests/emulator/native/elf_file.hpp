// ELF files put together by hand: one section of code with its functions, one of data.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace bytecpu::test {

struct ElfSymbol {
  std::string name;
  uint64_t offset, bytes;  // in the code
};

struct ElfFile {
  uint16_t machine, type;  // EM_…, ET_…
  uint64_t address;        // of the code
  std::string code;        // its size is a multiple of 8
  std::string data;        // behind the code; its symbol is "table"
  std::vector<ElfSymbol> functions;

  std::string bytes() const {
    const auto raw = [](const auto& value) {
      return std::string(reinterpret_cast<const char*>(&value), sizeof value);
    };
    std::string strings("\0.text\0.rodata\0table\0", 21);
    constexpr uint32_t text_name = 1, data_name = 7, table_name = 15;
    const uint64_t data_address = address + code.size();

    std::string symbols(sizeof(Elf64_Sym), '\0');
    for (const ElfSymbol& f : functions) {
      Elf64_Sym symbol{};
      symbol.st_name = static_cast<uint32_t>(strings.size());
      strings += f.name + '\0';
      symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
      symbol.st_shndx = 1;
      symbol.st_value = address + f.offset;
      symbol.st_size = f.bytes;
      symbols += raw(symbol);
    }
    Elf64_Sym table{};
    table.st_name = table_name;
    table.st_info = ELF64_ST_INFO(STB_LOCAL, STT_OBJECT);
    table.st_shndx = 2;
    table.st_value = data_address;
    table.st_size = data.size();
    symbols += raw(table);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = type;
    header.e_machine = machine;
    header.e_shnum = 5;
    header.e_shstrndx = 4;
    Elf64_Shdr sections[5]{};
    uint64_t at = sizeof header;
    const auto section = [&](int i, uint32_t name, uint32_t kind, uint64_t flags, const std::string& what) {
      sections[i].sh_name = name;
      sections[i].sh_type = kind;
      sections[i].sh_flags = flags;
      sections[i].sh_offset = at;
      sections[i].sh_size = what.size();
      at += what.size();
    };
    section(1, text_name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code);
    section(2, data_name, SHT_PROGBITS, SHF_ALLOC, data);
    section(3, 0, SHT_SYMTAB, 0, symbols);
    section(4, 0, SHT_STRTAB, 0, strings);
    sections[1].sh_addr = address;
    sections[2].sh_addr = data_address;
    sections[3].sh_link = 4;
    header.e_shoff = at;
    return raw(header) + code + data + symbols + strings + raw(sections);
  }
};

}  // namespace bytecpu::test
