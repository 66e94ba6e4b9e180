// What the manual (Intel 64 SDM, volume 2) says that an instruction leaves undefined; flags as records have
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace bytecpu::test {

inline constexpr uint32_t cf = 1 << 0, pf = 1 << 2, of = 1 << 3, zf = 1 << 6, sf = 1 << 7;

inline uint32_t pack_flags(uint64_t eflags) {
  return static_cast<uint32_t>((eflags & (cf | pf | zf | sf)) | (eflags >> 11 & 1) << 3);
}
inline uint64_t unpack_flags(uint64_t flags) {
  return (flags & (cf | pf | zf | sf)) | (flags >> 3 & 1) << 11 | 2;
}

struct Undefined {
  uint32_t flags = 0;
  bool result = false;
};

// `cl`: before it; `zero_source`: the operand of BSF or BSR was 0.
inline Undefined undefined(std::span<const uint8_t> code, std::string_view mnemonic, uint64_t cl,
                           bool zero_source) {
  const auto is = [&](std::initializer_list<std::string_view> those) {
    return std::ranges::find(those, mnemonic) != those.end();
  };
  if (is({"mul", "imul"})) return {pf | zf | sf};
  if (is({"div", "idiv"})) return {cf | pf | of | zf | sf};
  if (is({"bt", "bts", "btr", "btc"})) return {pf | of | sf};
  if (is({"bsf", "bsr"})) return {cf | pf | of | sf, zero_source};
  if (is({"tzcnt", "lzcnt"})) return {pf | of | sf};
  if (!is({"rol", "ror", "rcl", "rcr", "shl", "shr", "sar", "shld", "shrd"})) return {};

  bool word = false, wide = false;
  size_t at = 0;
  for (; code[at] == 0x66; ++at) word = true;
  if ((code[at] & 0xF0) == 0x40) wide = code[at++] & 8;
  const uint8_t opcode = code[at] == 0x0F ? code[at + 1] : code[at];
  const bool by_number = opcode == 0xC0 || opcode == 0xC1 || opcode == 0xA4 || opcode == 0xAC;
  const bool by_one = opcode == 0xD0 || opcode == 0xD1;
  const uint64_t count = (by_number ? code.back() : by_one ? 1 : cl) & (wide ? 0x3F : 0x1F);
  const uint64_t width = opcode == 0xC0 || opcode == 0xD0 || opcode == 0xD2 ? 8 : word ? 16 : wide ? 64 : 32;
  Undefined result;
  if (count > 1) result.flags |= of;
  if (is({"shl", "shr"}) && count > width) result.flags |= cf;
  return result;
}

}  // namespace bytecpu::test
