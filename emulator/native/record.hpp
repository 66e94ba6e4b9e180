// How a native machine's records lie in memory.
#pragma once

#include <cstring>

#include "emulator/layout.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

// Of the records that are described in native.hpp. Version 1 had PC after the instruction, and no reads.
inline constexpr int record_version = newest_record_version;

// Places of the fields in a record.
struct Places {
  int pc, insn, access_offset, read_size, write_size, write_value, registers, flags, end;

  explicit Places(const Description& d)
      : pc(0),
        insn(d.offset_bytes),
        access_offset(insn + d.instruction_bytes),
        read_size(access_offset + d.offset_bytes),
        write_size(read_size + 1),
        write_value(write_size + 1),
        registers(write_value + d.value_bytes),
        flags(registers + d.register_bytes * static_cast<int>(d.registers.size())),
        end(flags + d.flags_bytes) {}
};

// Where the memory image is in the guest: code, with what is read only behind it, and data, with the stack at its end.
struct Addresses {
  uint64_t code, data;
};
Addresses addresses_of(const Description& about, int memory_bytes);

// Of the memory image's code: where random and given programs are. Equal to the layout's data_offset, but in the full
// layout, where read-only data lie between.
int code_region_bytes(const Description& about, int memory_bytes);
// Of the memory image, at its end.
int stack_region_bytes(const Description& about, int memory_bytes);

// That of a machine with so many bytes of memory. Throws Error where it cannot have them.
Layout make_layout(const Description& about, int memory_bytes);

// Little-endian numbers of at most 8 bytes.
inline uint64_t load(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, count);
  return value;
}
inline void store(uint8_t* bytes, uint64_t value, int count) { std::memcpy(bytes, &value, count); }

}  // namespace bytecpu::native
