// What linkers do with the fields that an object file leaves open.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace bytecpu::native {

struct RelocationKind {
  int bytes;              // of the field, or of the instruction that it is in
  bool relative = false;  // a distance is wanted, from the field
  bool by_table = false;  // the address of a place that holds the symbol's address is wanted
};

// Of a machine's (EM_…) relocation type; nothing where it is not known.
std::optional<RelocationKind> relocation_kind(uint16_t machine, uint32_t type);

// Writes the field at `place`. `to`: the symbol's address and the addend, or of by_table the table's place and the
// addend; `at`: the field's address. Returns whether the value fits.
bool apply_relocation(uint16_t machine, uint32_t type, uint64_t to, uint64_t at, std::span<uint8_t> place);

}  // namespace bytecpu::native
