#include "emulator/arm64/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "emulator/arm64/encoding.hpp"

namespace bytecpu::arm64 {
namespace {

// 31 is the register that is zero.
std::string name(uint32_t word, uint32_t number) {
  const char size = word >> 31 ? 'x' : 'w';
  return number == 31 ? fmt::format("{}zr", size) : fmt::format("{}{}", size, number);
}

std::string number(uint32_t value) {
  constexpr uint32_t least_in_hex = 10;
  return value < least_in_hex ? fmt::format("#{}", value) : fmt::format("#{:#x}", value);
}

// MOVN, MOVZ, MOVK
void move_wide(uint32_t word, native::InstructionText& text) {
  constexpr std::array names = {"movn", "", "movz", "movk"};
  const uint32_t value = bits(word, 20, 5), shift = 16 * bits(word, 22, 21);
  text.mnemonic = names[bits(word, 30, 29)];
  text.operands = fmt::format("{}, {}", name(word, bits(word, 4, 0)),
                              value == 0 ? std::string("#0") : fmt::format("#{:#x}", value));
  if (shift > 0) text.operands += fmt::format(", lsl #{}", shift);
}

// ORR, ANDS of a number: by its name, and the bits as they are, not as a negative number.
void logic(uint32_t word, native::InstructionText& text) {
  if (text.mnemonic == "mov") {
    text.mnemonic = "orr";
    text.operands.insert(text.operands.find(", "), ", " + name(word, 31));
  }
  constexpr std::string_view minus = "#-";
  const auto at = text.operands.find(minus);
  if (at == text.operands.npos) return;
  const uint64_t value = -std::stoull(text.operands.substr(at + minus.size()), nullptr, 0);
  text.operands.resize(at);
  text.operands += fmt::format("#{:#x}", word >> 31 ? value : value & 0xFFFFFFFF);
}

// Of zeros: BFI, or BFXIL where the field is not moved up.
void insert_zeros(uint32_t word, native::InstructionText& text) {
  const uint32_t immr = bits(word, 21, 16), imms = bits(word, 15, 10), width = word >> 31 ? 64 : 32;
  const bool up = imms < immr;
  text.mnemonic = up ? "bfi" : "bfxil";
  text.operands = fmt::format("{}, {}, {}, {}", name(word, bits(word, 4, 0)), name(word, 31),
                              number(up ? width - immr : immr), number(up ? imms + 1 : imms - immr + 1));
}

// With the conditions "always", for which there are no shorter names.
void select_always(uint32_t word, native::InstructionText& text) {
  const uint32_t kind = bits(word, 30, 30) << 1 | bits(word, 10, 10);
  constexpr std::array names = {"csel", "csinc", "csinv", "csneg"};
  text.mnemonic = names[kind];
  text.operands = fmt::format("{}, {}, {}, {}", name(word, bits(word, 4, 0)), name(word, bits(word, 9, 5)),
                              name(word, bits(word, 20, 16)), bits(word, 12, 12) ? "nv" : "al");
}

// Those that encoding.cpp includes.
void hint(uint32_t word, native::InstructionText& text) {
  struct Named {
    uint32_t number;
    const char *mnemonic, *operands = "";
  };
  constexpr Named names[] = {
      {7, "xpaclri"},   {8, "pacia1716"},  {10, "pacib1716"}, {12, "autia1716"}, {14, "autib1716"},
      {24, "paciaz"},   {25, "paciasp"},   {26, "pacibz"},    {27, "pacibsp"},   {28, "autiaz"},
      {29, "autiasp"},  {30, "autibz"},    {31, "autibsp"},   {32, "bti"},       {34, "bti", "c"},
      {36, "bti", "j"}, {38, "bti", "jc"},
  };
  for (const auto& [number, mnemonic, operands] : names) {
    if (number != bits(word, 11, 5)) continue;
    text.mnemonic = mnemonic;
    text.operands = operands;
  }
}

}  // namespace

void rewrite(std::span<const uint8_t> instruction, native::InstructionText& text) {
  const uint32_t word = word_at(instruction);
  if ((word & 0x1F800000) == 0x12800000) {
    move_wide(word, text);
  } else if ((word & 0x3F800000) == 0x32000000) {
    logic(word, text);
  } else if ((word & 0x7F8003E0) == 0x330003E0) {
    insert_zeros(word, text);
  } else if ((word & 0x3FE0E800) == 0x1A80E000) {
    select_always(word, text);
  } else if ((word & 0xFFFFF01F) == 0xD503201F) {
    hint(word, text);
  }
}

std::string why_left_out(std::string_view text) {
  const auto mnemonic = text.substr(0, text.find(' '));
  const auto begins = [&](std::initializer_list<std::string_view> those) {
    return std::ranges::any_of(those, [&](std::string_view with) { return mnemonic.starts_with(with); });
  };
  // A register of vectors or floating point: a letter and a number where an operand begins.
  const auto names_vector = [&] {
    for (size_t at = mnemonic.size(); at + 2 < text.size(); ++at) {
      const bool begin = text[at] == ' ' || text[at] == '{' || text[at] == '[';
      if (begin && std::string_view("bhsdqv").find(text[at + 1]) != std::string_view::npos &&
          text[at + 2] >= '0' && text[at + 2] <= '9') {
        return true;
      }
    }
    return false;
  };
  if (names_vector()) {
    return "floating point and vectors are left out; compile with -mgeneral-regs-only, or -fno-tree-vectorize";
  }
  if (begins({"svc", "hvc", "smc"})) return "there is no operating system here";
  if (begins({"udf", "brk"})) return "the program stops itself, as abort and what cannot be reached do";
  if (begins({"mrs", "msr"})) {
    return "system registers are left out; compile with -fno-stack-protector, and without thread-local variables";
  }
  if (begins({"ldx", "stx", "lda", "stl", "cas", "swp", "ldad", "ldcl", "lds", "ldeor", "dmb", "dsb", "isb",
              "clrex"})) {
    return "atomic access to memory is left out";
  }
  if (begins({"reta", "bra", "blra", "pac", "aut"}))
    return "compile without -mbranch-protection for later processors";
  return {};
}

}  // namespace bytecpu::arm64
