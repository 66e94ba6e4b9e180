// Random numbers for random programs. Two generators share one interface, so that the same function draws programs
// for our own datasets and for the byte-exact reproduction of the published ones.
#pragma once

#include <array>
#include <cstdint>

namespace bytecpu {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Uniform over 0 … bound - 1; bound >= 1.
  virtual uint32_t below(uint32_t bound) = 0;
  // Uniform over low … high, both included.
  uint32_t between(uint32_t low, uint32_t high) { return low + below(high - low + 1); }
};

// xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64 from (seed, stream): streams of one seed are
// independent, so any part of a dataset can be drawn without drawing what precedes it.
class NativeRandom final : public RandomSource {
 public:
  NativeRandom(uint64_t seed, uint64_t stream);
  uint32_t below(uint32_t bound) override;  // Lemire's multiply-and-reject: unbiased
  uint64_t next();

 private:
  std::array<uint64_t, 4> state_;
};

// CPython's `random` module: MT19937 seeded with init_by_array, `_randbelow` by rejection on getrandbits.
class PythonRandom final : public RandomSource {
 public:
  explicit PythonRandom(uint64_t seed);
  uint32_t below(uint32_t bound) override;

 private:
  uint32_t next();
  std::array<uint32_t, 624> state_;
  int index_ = 624;
};

}  // namespace bytecpu
