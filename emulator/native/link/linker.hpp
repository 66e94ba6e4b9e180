// Puts an ELF file, or what is needed of an archive, into a memory image, as a linker would.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/machine.hpp"

namespace bytecpu::native {

inline constexpr size_t address_bytes = 8;

// Where parts may lie: in the memory image, and as programs see it.
struct LinkPlaces {
  uint64_t code, data;  // addresses of the image's start, and of its data
  size_t code_bytes;    // code lies in the first of the image
  size_t read_only;     // offset of what is only read; where that is full, it goes behind the code
  size_t fixed_bytes;   // length of all that is not written; the data follow
  size_t data_bytes;    // without the stack
  size_t memory_bytes;

  // The offset in the image of an address; memory_bytes where it lies in none of it.
  size_t offset_of(uint64_t address) const {
    if (address - code < fixed_bytes) return address - code;
    if (address - data < memory_bytes - fixed_bytes) return fixed_bytes + (address - data);
    return memory_bytes;
  }
  uint64_t address_of(size_t offset) const {
    return offset < fixed_bytes ? code + offset : data + (offset - fixed_bytes);
  }
};

struct Linked {
  // A field of the image that holds an address, or a distance to one.
  struct Reference {
    size_t at, bytes;          // of the field
    size_t to;                 // offset in the image
    std::string outside = {};  // what it refers to, where that is not in the file; it holds address 0
    bool relative = false;     // `to` counts from the field, in x86-64's instructions from their end
  };
  uint64_t entry;  // offset in the image
  std::string function;
  std::vector<Program::Part> parts;
  std::vector<Reference> references;  // in order of `at`; none of an executable
  // Functions of a known length: where they begin and end, in order.
  std::vector<std::pair<size_t, size_t>> functions;
};

// `image`: of memory_bytes, zero but for its code's filler. `function` is where it begins; empty: the only one, or an
// executable's entry. Objects: all sections that are loaded but those of unwinding and notes, code first, then what is
// read only, the data at the end of theirs. Executables: at their addresses, shared ones from `code` on. Throws Error:
// not such files, no such function, more than the memory holds, a relocation that is not known.
Linked link(std::string_view contents, std::string_view name, std::string_view function, uint16_t machine,
            const LinkPlaces& places, std::span<uint8_t> image);

}  // namespace bytecpu::native
