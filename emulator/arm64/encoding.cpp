#include "emulator/arm64/encoding.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace bytecpu::arm64 {
namespace {

bool is_wide(uint32_t word) { return word >> 31; }

// An amount that must be below the register's width.
bool in_width(uint32_t word, uint32_t amount) { return is_wide(word) || amount < 32; }

// Immediate of AND, ORR, EOR, ANDS: a run of ones, rotated, repeated (DecodeBitMasks in the manual).
bool is_bit_mask(uint32_t word) {
  const uint32_t n = bits(word, 22, 22), imms = bits(word, 15, 10);
  if (n > is_wide(word)) return false;
  const uint32_t element = n << 6 | (~imms & 0x3F);
  if (element < 2) return false;
  const uint32_t levels = std::bit_floor(element) - 1;
  return (imms & levels) != levels;
}

// Sizes and directions of loads and stores: STR, LDR of 1, 2, 4 and 8 bytes; LDRSB, LDRSH, LDRSW.
bool is_access(uint32_t word) {
  const uint32_t size = bits(word, 31, 30), opc = bits(word, 23, 22);
  return opc < 2 || (opc == 2 && size < 3) || (opc == 3 && size < 2);
}
// Writing back to the register that is loaded or stored is undefined.
bool writes_back_apart(uint32_t word) {
  const uint32_t base = bits(word, 9, 5);
  return base == 31 || base != bits(word, 4, 0);
}

// So is loading a pair into one register.
bool loads_apart(uint32_t word) { return bits(word, 22, 22) == 0 || bits(word, 4, 0) != bits(word, 14, 10); }

bool pair_writes_back_apart(uint32_t w) {
  return loads_apart(w) && writes_back_apart(w) && writes_back_apart((w & ~31u) | bits(w, 14, 10));
}

bool any(uint32_t) { return true; }

// Register fields, by their lowest bit.
enum Fields : uint8_t { d = 1, n = 2, m = 4, a = 8 };  // 0, 5, 16, 10

struct Encoding {
  uint32_t mask, value;
  uint8_t registers;              // of Fields
  bool (*valid)(uint32_t) = any;  // what else must hold
};

constexpr std::array encodings = {
    // ADD, SUB: immediate, shifted, extended
    Encoding{0x1F800000, 0x11000000, d | n},
    Encoding{0x1F200000, 0x0B000000, d | n | m,
             [](uint32_t w) { return bits(w, 23, 22) != 3 && in_width(w, bits(w, 15, 10)); }},
    Encoding{0x1FE00000, 0x0B200000, d | n | m, [](uint32_t w) { return bits(w, 12, 10) <= 4; }},
    Encoding{0x1FE0FC00, 0x1A000000, d | n | m},  // ADC, SBC
    // AND, ORR, EOR, ANDS: immediate; shifted, with BIC, ORN, EON, BICS
    Encoding{0x1F800000, 0x12000000, d | n, is_bit_mask},
    Encoding{0x1F000000, 0x0A000000, d | n | m, [](uint32_t w) { return in_width(w, bits(w, 15, 10)); }},
    // MOVN, MOVZ, MOVK
    Encoding{0x1F800000, 0x12800000, d,
             [](uint32_t w) { return bits(w, 30, 29) != 1 && (is_wide(w) || bits(w, 22, 22) == 0); }},
    // SBFM, BFM, UBFM, EXTR
    Encoding{0x1F800000, 0x13000000, d | n,
             [](uint32_t w) {
               return bits(w, 30, 29) != 3 && bits(w, 22, 22) == is_wide(w) && in_width(w, bits(w, 21, 16)) &&
                      in_width(w, bits(w, 15, 10));
             }},
    Encoding{0x7FA00000, 0x13800000, d | n | m,
             [](uint32_t w) { return bits(w, 22, 22) == is_wide(w) && in_width(w, bits(w, 15, 10)); }},
    // CCMN, CCMP: register, immediate
    Encoding{0x3FE00C10, 0x3A400000, n | m},
    Encoding{0x3FE00C10, 0x3A400800, n},
    Encoding{0x3FE00800, 0x1A800000, d | n | m},  // CSEL, CSINC, CSINV, CSNEG
    Encoding{0x7FE0F800, 0x1AC00800, d | n | m},  // UDIV, SDIV
    Encoding{0x7FE0F000, 0x1AC02000, d | n | m},  // LSLV, LSRV, ASRV, RORV
    // RBIT, REV16, REV32 or REV, REV of 64 bits; CLZ, CLS
    Encoding{0x7FFFF000, 0x5AC00000, d | n, [](uint32_t w) { return is_wide(w) || bits(w, 11, 10) != 3; }},
    Encoding{0x7FFFF800, 0x5AC01000, d | n},
    // MADD, MSUB; SMADDL, SMSUBL; UMADDL, UMSUBL; SMULH, UMULH
    Encoding{0x7FE00000, 0x1B000000, d | n | m | a},
    Encoding{0xFF600000, 0x9B200000, d | n | m | a},
    Encoding{0xFF60FC00, 0x9B407C00, d | n | m},
    // Loads and stores: scaled offset, unscaled, after and before writing back, register offset
    Encoding{0x3F000000, 0x39000000, d | n, is_access},
    Encoding{0x3F200C00, 0x38000000, d | n, is_access},
    Encoding{0x3F200C00, 0x38000400, d | n, [](uint32_t w) { return is_access(w) && writes_back_apart(w); }},
    Encoding{0x3F200C00, 0x38000C00, d | n, [](uint32_t w) { return is_access(w) && writes_back_apart(w); }},
    Encoding{0x3F200C00, 0x38200800, d | n | m, [](uint32_t w) { return is_access(w) && bits(w, 14, 14); }},
    Encoding{0xBF000000, 0x18000000, d},  // LDR of a literal
    // LDP, STP of 32 bits, also writing back; LDP of 64 bits, as a store of 16 bytes is more than a record
    // holds
    Encoding{0xFF800000, 0x29000000, d | n | a, loads_apart},
    Encoding{0xFE800000, 0x28800000, d | n | a, pair_writes_back_apart},
    Encoding{0xFFC00000, 0xA9400000, d | n | a, loads_apart},
    // Branches: B, BL; B.cond; CBZ, CBNZ; TBZ, TBNZ; BR, RET; BLR
    Encoding{0x7C000000, 0x14000000, 0},
    Encoding{0xFF000010, 0x54000000, 0, [](uint32_t w) { return bits(w, 3, 0) < 14; }},  // not AL, NV
    Encoding{0x7E000000, 0x34000000, d},
    Encoding{0x7E000000, 0x36000000, d},
    Encoding{0xFFBFFC1F, 0xD61F0000, n},
    Encoding{0xFFFFFC1F, 0xD63F0000, n},
    Encoding{0x9F000000, 0x10000000, d},  // ADR
    // Hints that do nothing on a processor without them: NOP; XPACLRI, PACIA1716 …, PACIAZ … AUTIBSP; BTI
    Encoding{0xFFFFF01F, 0xD503201F, 0,
             [](uint32_t w) {
               const uint32_t hint = bits(w, 11, 5);
               return hint == 0 || hint == 7 || hint == 8 || hint == 10 || hint == 12 || hint == 14 ||
                      (hint >= 24 && hint < 32) || hint == 32 || hint == 34 || hint == 36 || hint == 38;
             }},
    Encoding{0xFFFFFFFF, hlt, 0},
};

constexpr std::array full_encodings = {
    // STP, LDP of 64 bits, LDPSW; also writing back
    Encoding{0xFF800000, 0xA9000000, d | n | a, loads_apart},
    Encoding{0xFE800000, 0xA8800000, d | n | a, pair_writes_back_apart},
    Encoding{0xFFC00000, 0x69400000, d | n | a, loads_apart},
    Encoding{0xFEC00000, 0x68C00000, d | n | a, pair_writes_back_apart},
    Encoding{0xFF000000, 0x98000000, d},  // LDRSW of a literal
    Encoding{0x9F000000, 0x90000000, d},  // ADRP
};

// W0 … W8, the link register; the stack pointer or zero.
bool has_register(uint32_t number) { return number <= 8 || number >= 30; }

}  // namespace

bool includes(uint32_t instruction, bool full) {
  const auto is = [&](const Encoding& e) {
    const auto free = [&](Fields field, int low) {
      return full || !(e.registers & field) || has_register(bits(instruction, low + 4, low));
    };
    return (instruction & e.mask) == e.value && free(d, 0) && free(n, 5) && free(m, 16) && free(a, 10) &&
           e.valid(instruction);
  };
  return std::ranges::any_of(encodings, is) || (full && std::ranges::any_of(full_encodings, is));
}

native::Flow flow(uint32_t w) {
  const auto signed_bits = [](uint64_t value, int width) {
    return static_cast<int64_t>(value << (64 - width)) >> (64 - width);
  };
  const bool jumps = (w & 0xFC000000) == 0x14000000 || (w & 0xFFBFFC1F) == 0xD61F0000;  // B; BR, RET
  native::Flow flow{.goes_on = !jumps};
  const uint64_t high = bits(w, 23, 5);
  if ((w & 0x1F000000) == 0x10000000) {  // ADR, ADRP
    constexpr int page = 12;
    flow.refers_to = signed_bits(high << 2 | bits(w, 30, 29), 21) << (w >> 31 ? page : 0);
  } else if ((w & 0x3B000000) == 0x18000000) {  // LDR of a literal
    flow.refers_to = signed_bits(high << 2, 21);
  }
  return flow;
}

}  // namespace bytecpu::arm64
