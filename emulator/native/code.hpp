// Machine code being written, and what its instructions may use.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "emulator/random.hpp"

namespace bytecpu::native {

class Code {
 public:
  size_t size() const { return bytes_.size(); }
  int instructions() const { return instructions_; }
  std::span<uint8_t> bytes() { return bytes_; }

  // An instruction is begun, then put piece by piece, little-endian.
  void begin() { ++instructions_; }
  void put(uint64_t value, int bytes) {
    for (; bytes > 0; --bytes, value >>= 8) bytes_.push_back(static_cast<uint8_t>(value));
  }
  void add(std::span<const uint8_t> instruction) {
    begin();
    bytes_.insert(bytes_.end(), instruction.begin(), instruction.end());
  }
  void add(std::initializer_list<uint8_t> instruction) { add({instruction.begin(), instruction.size()}); }

 private:
  std::vector<uint8_t> bytes_;
  int instructions_ = 0;
};

// Where an instruction is written.
struct Scope {
  RandomSource& random;
  int left;             // instructions that may still be written here
  bool counter_in_use;  // the loop counter is not to be written
  uint32_t data_bytes;  // from the data register on, for loads and stores

  bool chance(double probability) const {
    constexpr uint32_t fine = 1u << 31;
    return random.below(fine) < probability * fine;
  }
  uint32_t word() const {  // 32 bits
    const uint32_t high = random.below(1u << 16);
    return high << 16 | random.below(1u << 16);
  }
  // 32 bits of any magnitude: as many significant ones as is drawn.
  uint32_t value() const {
    const uint32_t value = word();
    return value >> random.below(32);
  }
};

}  // namespace bytecpu::native
