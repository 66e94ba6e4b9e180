#include "emulator/native/elf_function.hpp"

#include <elf.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "emulator/error.hpp"
#include "emulator/native/elf_bytes.hpp"

namespace bytecpu::native {
namespace {

std::string machine_name(uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "x86 of 32 bits";
    case EM_ARM:
      return "Arm of 32 bits";
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    default:
      return fmt::format("the machine of number {}", machine);
  }
}

class ElfFile : ElfBytes {
 public:
  ElfFile(std::string_view contents, std::string_view name, uint16_t machine) : ElfBytes(contents, name) {
    check_machine(contents, name, machine);
    header_ = read<Elf64_Ehdr>(0);
    if (header_.e_shoff == 0 || header_.e_shnum == 0) fail("an ELF file without sections");
    for (size_t i = 0; i < header_.e_shnum; ++i) {
      sections_.push_back(read<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr)));
    }
  }

  ElfFunction function(std::string_view wanted) const {
    const Elf64_Sym symbol = find(wanted);
    const std::string label(symbol_name(symbol));
    if (symbol.st_size == 0) fail("{} has no size", label);
    const Elf64_Shdr& text = section(symbol.st_shndx);
    const uint64_t start = symbol.st_value - (relocatable() ? 0 : text.sh_addr);
    if (text.sh_type != SHT_PROGBITS || start > text.sh_size || symbol.st_size > text.sh_size - start) {
      fail("{} does not lie in its section", label);
    }
    const auto bytes = part(text.sh_offset, text.sh_size).substr(start, symbol.st_size);
    std::vector<uint8_t> code(bytes.begin(), bytes.end());
    for (const Elf64_Shdr& table : sections_) {
      // Of a linked file, what is left to the loader: the table itself is loaded.
      const bool applies = relocatable() ? table.sh_info == symbol.st_shndx : table.sh_flags & SHF_ALLOC;
      if (!applies) continue;
      if (table.sh_type == SHT_REL) fail("relocations without addends are not supported");
      if (table.sh_type != SHT_RELA) continue;
      for (uint64_t i = 0; i < table.sh_size / sizeof(Elf64_Rela); ++i) {
        const auto relocation = read<Elf64_Rela>(table.sh_offset + i * sizeof(Elf64_Rela));
        if (relocation.r_offset - symbol.st_value >= symbol.st_size) continue;
        if (!relocatable())
          fail("{} is changed by the loader, at +{:#x}", label, relocation.r_offset - symbol.st_value);
        relocate(code, relocation, table, symbol, start, label);
      }
    }
    ElfFunction result{label, std::move(code), places(symbol), {}};
    if (header_.e_type == ET_EXEC) result.address = symbol.st_value;
    return result;
  }

 private:
  const Elf64_Shdr& section(uint64_t index) const {
    if (index >= sections_.size()) fail("a symbol or table of a section that there is not");
    return sections_[index];
  }
  bool relocatable() const { return header_.e_type == ET_REL; }

  Elf64_Sym symbol_at(const Elf64_Shdr& table, uint64_t index) const {
    if (index >= table.sh_size / sizeof(Elf64_Sym)) fail("a symbol that is not in its table");
    return read<Elf64_Sym>(table.sh_offset + index * sizeof(Elf64_Sym));
  }
  const Elf64_Shdr& symbols() const {
    for (const auto type : {SHT_SYMTAB, SHT_DYNSYM}) {
      for (const Elf64_Shdr& s : sections_) {
        if (s.sh_type == static_cast<Elf64_Word>(type)) return s;
      }
    }
    fail("an ELF file without symbols");
  }
  std::string_view symbol_name(const Elf64_Sym& symbol) const {
    const Elf64_Shdr& strings = section(symbols().sh_link);
    const auto all = part(strings.sh_offset, strings.sh_size);
    if (symbol.st_name >= all.size()) fail("a symbol's name is past its table");
    const auto text = all.substr(symbol.st_name);
    return text.substr(0, text.find('\0'));
  }

  Elf64_Sym find(std::string_view wanted) const {
    const Elf64_Shdr& table = symbols();
    std::vector<std::string> names;
    std::vector<Elf64_Sym> found;
    for (uint64_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      const Elf64_Sym symbol = symbol_at(table, i);
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
      names.emplace_back(symbol_name(symbol));
      if (wanted.empty() || names.back() == wanted) found.push_back(symbol);
    }
    if (found.size() == 1) return found[0];
    if (names.empty()) fail("it names no function");
    constexpr size_t most_names = 20;
    const bool more = names.size() > most_names;
    names.resize(std::min(names.size(), most_names));
    fail("{} function {}; there are: {}{}", found.empty() ? "no" : "more than one",
         wanted.empty() ? "is named" : wanted, fmt::join(names, ", "), more ? ", …" : "");
  }

  std::vector<ElfFunction::Place> places(const Elf64_Sym& function) const {
    std::vector<ElfFunction::Place> result;
    const Elf64_Shdr& table = symbols();
    for (uint64_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      const Elf64_Sym symbol = symbol_at(table, i);
      const int type = ELF64_ST_TYPE(symbol.st_info);
      const bool near = relocatable() ? symbol.st_shndx == function.st_shndx : symbol.st_shndx != SHN_UNDEF;
      if (!near || symbol.st_name == 0 || symbol.st_shndx == SHN_ABS || type == STT_FILE || type == STT_TLS ||
          type == STT_SECTION) {
        continue;
      }
      result.push_back({std::string(symbol_name(symbol)),
                        static_cast<int64_t>(symbol.st_value - function.st_value), symbol.st_size});
    }
    const Elf64_Shdr& names = section(header_.e_shstrndx);
    const auto all = part(names.sh_offset, names.sh_size);
    for (const Elf64_Shdr& s : sections_) {
      if (relocatable() || !(s.sh_flags & SHF_ALLOC) || s.sh_name >= all.size()) continue;
      const auto text = all.substr(s.sh_name);
      result.push_back({std::string(text.substr(0, text.find('\0'))),
                        static_cast<int64_t>(s.sh_addr - function.st_value), s.sh_size});
    }
    return result;
  }

  void relocate(std::vector<uint8_t>& code, const Elf64_Rela& relocation, const Elf64_Shdr& table,
                const Elf64_Sym& function, uint64_t start, std::string_view label) const {
    const Elf64_Sym target = symbol_at(section(table.sh_link), ELF64_R_SYM(relocation.r_info));
    const uint64_t at = relocation.r_offset - start;
    // Unsigned arithmetic wraps as addresses do.
    const uint64_t to = target.st_value + relocation.r_addend;
    const uint64_t distance = to - relocation.r_offset;
    const bool inside = target.st_shndx == function.st_shndx && target.st_value >= start &&
                        target.st_value - start < function.st_size;
    const auto type = ELF64_R_TYPE(relocation.r_info);
    const bool x86 = header_.e_machine == EM_X86_64 && (type == R_X86_64_PC32 || type == R_X86_64_PLT32);
    const bool arm =
        header_.e_machine == EM_AARCH64 && (type == R_AARCH64_CALL26 || type == R_AARCH64_JUMP26);
    if (!inside || (!x86 && !arm) || code.size() - at < 4) {
      const auto name = target.st_name ? symbol_name(target) : std::string_view("data of the file");
      fail("{} needs {} at +{:#x}, outside of it (relocation {}): only functions that stand alone can be run",
           label, name, at, type);
    }
    uint32_t word;
    std::memcpy(&word, &code[at], sizeof word);
    word = x86 ? static_cast<uint32_t>(distance) : (word & 0xFC000000) | (distance >> 2 & 0x03FFFFFF);
    std::memcpy(&code[at], &word, sizeof word);
  }

  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
};

}  // namespace

bool is_elf(std::string_view contents) { return contents.starts_with(ELFMAG); }

void check_machine(std::string_view contents, std::string_view name, uint16_t machine) {
  Elf64_Ehdr header;
  if (contents.size() < sizeof header || contents[EI_CLASS] != ELFCLASS64 ||
      contents[EI_DATA] != ELFDATA2LSB) {
    throw Error("{}: not a 64-bit little-endian ELF file", name);
  }
  std::memcpy(&header, contents.data(), sizeof header);
  if (header.e_machine != machine) {
    throw Error("{}: an ELF file for {}, not {}", name, machine_name(header.e_machine),
                machine_name(machine));
  }
}

ElfFunction elf_function(std::string_view contents, std::string_view name, std::string_view function,
                         uint16_t machine) {
  return ElfFile(contents, name, machine).function(function);
}

}  // namespace bytecpu::native
