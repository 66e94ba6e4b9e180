#include "emulator/native/link/elf_object.hpp"

#include <cstring>

#include "emulator/error.hpp"
#include "emulator/native/elf_bytes.hpp"
#include "emulator/native/elf_function.hpp"

namespace bytecpu::native {
namespace {

class Parser {
 public:
  Parser(std::string_view contents, std::string_view name, uint16_t machine) : reader_(contents, name) {
    check_machine(contents, name, machine);
    header_ = reader_.read<Elf64_Ehdr>(0);
    if (header_.e_shoff == 0 || header_.e_shnum == 0) reader_.fail("an ELF file without sections");
    for (size_t i = 0; i < header_.e_shnum; ++i) {
      headers_.push_back(reader_.read<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr)));
    }
  }

  ElfObject parse(std::string_view name) {
    ElfObject object{.name = std::string(name), .type = header_.e_type, .entry = header_.e_entry};
    const auto names = strings(header_.e_shstrndx);
    for (const Elf64_Shdr& h : headers_) {
      object.sections.push_back(
          {.name = h.sh_name ? reader_.text(names, h.sh_name) : std::string_view(),
           .type = h.sh_type,
           .flags = h.sh_flags,
           .address = h.sh_addr,
           .bytes = h.sh_size,
           .alignment = h.sh_addralign,
           .contents = h.sh_type == SHT_NOBITS ? std::string_view() : reader_.part(h.sh_offset, h.sh_size)});
    }
    for (const Elf64_Shdr& h : headers_) {
      if (h.sh_type == SHT_SYMTAB) object.symbols = symbols(h);
      if (h.sh_type == SHT_DYNSYM) object.dynamic_symbols = symbols(h);
    }
    for (const Elf64_Shdr& h : headers_) add_relocations(h, object);
    return object;
  }

 private:
  std::string_view strings(uint64_t index) const {
    if (index >= headers_.size()) reader_.fail("a table of names that there is not");
    return reader_.part(headers_[index].sh_offset, headers_[index].sh_size);
  }

  std::vector<ElfSymbol> symbols(const Elf64_Shdr& header) const {
    const auto names = strings(header.sh_link);
    std::vector<ElfSymbol> result;
    for (const auto& s : reader_.table<Elf64_Sym>(header)) {
      if (s.st_shndx < SHN_LORESERVE && s.st_shndx >= headers_.size())
        reader_.fail("a symbol of a section that there is not");
      result.push_back({.name = s.st_name ? reader_.text(names, s.st_name) : std::string_view(),
                        .type = static_cast<uint8_t>(ELF64_ST_TYPE(s.st_info)),
                        .binding = static_cast<uint8_t>(ELF64_ST_BIND(s.st_info)),
                        .section = s.st_shndx,
                        .value = s.st_value,
                        .bytes = s.st_size});
    }
    return result;
  }

  void add_relocations(const Elf64_Shdr& header, ElfObject& object) const {
    const bool relocatable = object.is_relocatable(), dynamic = header.sh_flags & SHF_ALLOC;
    if (header.sh_type == SHT_REL && (relocatable || dynamic))
      reader_.fail("relocations without addends are not supported");
    // Those that a linked file keeps from before it was linked are done.
    if (header.sh_type != SHT_RELA || (!relocatable && !dynamic)) return;
    if (relocatable && header.sh_info >= object.sections.size())
      reader_.fail("relocations of a section that there is not");
    auto& into = relocatable ? object.sections[header.sh_info].relocations : object.dynamic_relocations;
    const auto& named = relocatable ? object.symbols : object.dynamic_symbols;
    for (const auto& r : reader_.table<Elf64_Rela>(header)) {
      const auto symbol = static_cast<uint32_t>(ELF64_R_SYM(r.r_info));
      if (symbol >= std::max<size_t>(named.size(), 1)) reader_.fail("a symbol that is not in its table");
      if (relocatable && r.r_offset >= object.sections[header.sh_info].bytes)
        reader_.fail("a relocation past its section");
      into.push_back({r.r_offset, static_cast<uint32_t>(ELF64_R_TYPE(r.r_info)), symbol, r.r_addend});
    }
  }

  ElfBytes reader_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> headers_;
};

}  // namespace

ElfObject read_elf(std::string_view contents, std::string_view name, uint16_t machine) {
  return Parser(contents, name, machine).parse(name);
}

}  // namespace bytecpu::native
