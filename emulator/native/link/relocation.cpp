#include "emulator/native/link/relocation.hpp"

#include <elf.h>

#include <cstring>

namespace bytecpu::native {
namespace {

bool fits_signed(uint64_t value, int bits) {
  const auto number = static_cast<int64_t>(value);
  return number >= -(int64_t{1} << (bits - 1)) && number < int64_t{1} << (bits - 1);
}
bool fits_unsigned(uint64_t value, int bits) { return value >> bits == 0; }

// Bits low … low + width - 1 of the instruction.
void put(std::span<uint8_t> place, uint64_t value, int low, int width) {
  uint32_t word;
  std::memcpy(&word, place.data(), sizeof word);
  const uint32_t mask = ((uint32_t{1} << width) - 1) << low;
  word = (word & ~mask) | (static_cast<uint32_t>(value << low) & mask);
  std::memcpy(place.data(), &word, sizeof word);
}

bool apply_x86_64(uint32_t type, uint64_t to, uint64_t at, std::span<uint8_t> place) {
  uint64_t value = to;
  bool fits = true;
  switch (type) {
    case R_X86_64_64:
      break;
    case R_X86_64_PC64:
      value = to - at;
      break;
    case R_X86_64_32:
      fits = fits_unsigned(value, 32);
      break;
    case R_X86_64_32S:
      fits = fits_signed(value, 32);
      break;
    default:  // PC32, PLT32, GOTPCREL and its kin
      value = to - at;
      fits = fits_signed(value, 32);
  }
  std::memcpy(place.data(), &value, place.size());
  return fits;
}

// ADR, ADRP: the number's two low bits are apart.
void put_adr(std::span<uint8_t> place, uint64_t value) {
  put(place, value & 3, 29, 2);
  put(place, value >> 2, 5, 19);
}

// A load's or store's offset counts in units of what it moves.
bool put_scaled(std::span<uint8_t> place, uint64_t to, int shift) {
  const uint64_t low = to & 0xFFF;
  put(place, low >> shift, 10, 12);
  return (low & ((uint64_t{1} << shift) - 1)) == 0;
}

bool put_branch(std::span<uint8_t> place, uint64_t distance, int low, int width) {
  put(place, distance >> 2, low, width);
  return distance % 4 == 0 && fits_signed(distance, width + 2);
}

bool apply_arm64(uint32_t type, uint64_t to, uint64_t at, std::span<uint8_t> place) {
  constexpr uint64_t page = 0xFFF;
  const uint64_t distance = to - at;
  const auto number = [&](uint64_t value) {
    std::memcpy(place.data(), &value, place.size());
    return place.size() == 8 || fits_signed(value, 32) || fits_unsigned(value, 32);
  };
  switch (type) {
    case R_AARCH64_ABS64:
    case R_AARCH64_ABS32:
      return number(to);
    case R_AARCH64_PREL64:
    case R_AARCH64_PREL32:
      return number(distance);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26:
      return put_branch(place, distance, 0, 26);
    case R_AARCH64_CONDBR19:
    case R_AARCH64_LD_PREL_LO19:
      return put_branch(place, distance, 5, 19);
    case R_AARCH64_TSTBR14:
      return put_branch(place, distance, 5, 14);
    case R_AARCH64_ADR_PREL_LO21:
      put_adr(place, distance);
      return fits_signed(distance, 21);
    case R_AARCH64_ADR_PREL_PG_HI21:
    case R_AARCH64_ADR_PREL_PG_HI21_NC:
    case R_AARCH64_ADR_GOT_PAGE:
      put_adr(place, ((to & ~page) - (at & ~page)) >> 12);
      return true;
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC:
      return put_scaled(place, to, 0);
    case R_AARCH64_LDST16_ABS_LO12_NC:
      return put_scaled(place, to, 1);
    case R_AARCH64_LDST32_ABS_LO12_NC:
      return put_scaled(place, to, 2);
    case R_AARCH64_LDST64_ABS_LO12_NC:
    case R_AARCH64_LD64_GOT_LO12_NC:
      return put_scaled(place, to, 3);
    case R_AARCH64_LDST128_ABS_LO12_NC:
      return put_scaled(place, to, 4);
    default:  // MOVW_UABS_G0 … G3
      const int group = static_cast<int>(type - R_AARCH64_MOVW_UABS_G0) / 2;
      put(place, to >> 16 * group, 5, 16);
      return true;
  }
}

}  // namespace

std::optional<RelocationKind> relocation_kind(uint16_t machine, uint32_t type) {
  if (machine == EM_X86_64) {
    switch (type) {
      case R_X86_64_64:
        return RelocationKind{8};
      case R_X86_64_PC64:
        return RelocationKind{8, true};
      case R_X86_64_PC32:
      case R_X86_64_PLT32:
        return RelocationKind{4, true};
      case R_X86_64_32:
      case R_X86_64_32S:
        return RelocationKind{4};
      case R_X86_64_GOTPCREL:
      case R_X86_64_GOTPCRELX:
      case R_X86_64_REX_GOTPCRELX:
        return RelocationKind{4, true, true};
      default:
        return std::nullopt;
    }
  }
  switch (type) {
    case R_AARCH64_ABS64:
      return RelocationKind{8};
    case R_AARCH64_PREL64:
      return RelocationKind{8, true};
    case R_AARCH64_PREL32:
      return RelocationKind{4, true};
    case R_AARCH64_ABS32:
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26:
    case R_AARCH64_CONDBR19:
    case R_AARCH64_TSTBR14:
    case R_AARCH64_LD_PREL_LO19:
    case R_AARCH64_ADR_PREL_LO21:
    case R_AARCH64_ADR_PREL_PG_HI21:
    case R_AARCH64_ADR_PREL_PG_HI21_NC:
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC:
    case R_AARCH64_LDST16_ABS_LO12_NC:
    case R_AARCH64_LDST32_ABS_LO12_NC:
    case R_AARCH64_LDST64_ABS_LO12_NC:
    case R_AARCH64_LDST128_ABS_LO12_NC:
      return RelocationKind{4};
    case R_AARCH64_ADR_GOT_PAGE:
    case R_AARCH64_LD64_GOT_LO12_NC:
      return RelocationKind{4, false, true};
    default:
      if (type >= R_AARCH64_MOVW_UABS_G0 && type <= R_AARCH64_MOVW_UABS_G3) return RelocationKind{4};
      return std::nullopt;
  }
}

bool apply_relocation(uint16_t machine, uint32_t type, uint64_t to, uint64_t at, std::span<uint8_t> place) {
  return machine == EM_X86_64 ? apply_x86_64(type, to, at, place) : apply_arm64(type, to, at, place);
}

}  // namespace bytecpu::native
