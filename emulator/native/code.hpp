// Machine code being written, and what its instructions may use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
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

// Where a direct branch or call holds its distance: a signed field of the instruction, read little-endian.
struct Displacement {
  uint8_t bit = 0, width = 0;  // the field's lowest bit, and how many; 0: there is none
  uint8_t scale = 1;           // bytes a unit
  uint8_t origin = 0;          // what it counts from, in bytes from the instruction's start

  // From the instruction's start to where it leads, in bytes.
  int64_t get(std::span<const uint8_t> instruction) const {
    const auto above = static_cast<int64_t>(word(instruction) << (64 - bit - width));
    return origin + (above >> (64 - width)) * scale;
  }
  void set(std::span<uint8_t> instruction, int64_t distance) const {
    const uint64_t mask = ((uint64_t{1} << width) - 1) << bit;
    const uint64_t units = static_cast<uint64_t>((distance - origin) / scale) << bit;
    const uint64_t changed = (word(instruction) & ~mask) | (units & mask);
    std::memcpy(instruction.data(), &changed, std::min(instruction.size(), sizeof changed));
  }

 private:
  static uint64_t word(std::span<const uint8_t> instruction) {
    uint64_t word = 0;
    std::memcpy(&word, instruction.data(), std::min(instruction.size(), sizeof word));
    return word;
  }
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
