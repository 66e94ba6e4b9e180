// What is known of a machine without running it: the shape of its memory image and of its records.
// Everything downstream of the emulator knows a machine only by its Layout.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bytecpu {

// Measures and reports know these names: PC, INSN (the bytes of the instruction fetched), and ACCESS_OFFSET,
// READ_SIZE, WRITE_SIZE, WRITE_VALUE for the memory access of a step, all 0 where there is none.
struct Field {
  std::string name;
  int offset = 0;  // bytes from the start of the record
  int bytes = 0;   // little-endian where more than one
  // Of flags, the names of its bits, the lowest first; empty where a bit has none.
  std::vector<std::string> bits = {};

  // Without the names of bits: manifests that do not have them describe the same records.
  bool operator==(const Field& other) const {
    return name == other.name && offset == other.offset && bytes == other.bytes;
  }
};

// A part of the memory image, where a layout names its parts.
struct LayoutRegion {
  std::string name;           // "code", "read-only data", "data", "stack"
  int offset = 0, bytes = 0;  // in the memory image
  uint64_t address = 0;       // as programs see it

  bool operator==(const LayoutRegion&) const = default;
};

// The newest version of records that any machine has.
inline constexpr int newest_record_version = 2;

struct Layout {
  std::string machine;        // name, as in make_machine()
  int memory_bytes = 0;       // length of the memory image that opens a trace
  int record_bytes = 0;       // length of one state record, a multiple of 16
  std::vector<Field> fields;  // cover the record without gap or overlap, in order
  int data_offset = 0;        // where the memory image's data begins, after its code; 0: it has no data
  // Of what the records' bytes mean. Raised when a machine's records change, so that those made before are
  // told apart.
  int record_version = 1;
  // Of the whole memory image, in order; empty: code, and from data_offset on data.
  std::vector<LayoutRegion> regions = {};

  // Length of what determines a trace: memory image ‖ state 0.
  int start_bytes() const { return memory_bytes + record_bytes; }
  bool operator==(const Layout&) const = default;
};

}  // namespace bytecpu
