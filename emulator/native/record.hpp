// How a native machine's records lie in memory.
#pragma once

#include <cstring>

#include "emulator/layout.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

// Places of the fields in a record.
struct Places {
  int pc, insn, flags, registers, write_offset, write_size, write_value, end;

  explicit Places(const Description& d)
      : pc(0),
        insn(d.pc_bytes),
        flags(insn + d.instruction_bytes),
        registers(flags + 1),
        write_offset(registers + 4 * static_cast<int>(d.registers.size())),
        write_size(write_offset + 2),
        write_value(write_size + 1),
        end(write_value + d.value_bytes) {}
};

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
