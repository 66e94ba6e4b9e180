#include "emulator/random.hpp"

#include <bit>

namespace bytecpu {
namespace {

// SplitMix64 (Steele, Lea and Flood, 2014): advances `state`, returns the next output.
uint64_t split_mix(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

NativeRandom::NativeRandom(uint64_t seed, uint64_t stream) {
  // The mixed seed is where the streams' states start, so that (1, 0) and (0, 1) have nothing in common.
  uint64_t state = split_mix(seed) ^ stream;
  state = split_mix(state);
  for (uint64_t& word : state_) word = split_mix(state);
}

uint64_t NativeRandom::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint32_t NativeRandom::below(uint32_t bound) {
  uint64_t product = (next() >> 32) * bound;
  if (static_cast<uint32_t>(product) < bound) {
    const uint32_t threshold = -bound % bound;  // 2³² mod bound
    while (static_cast<uint32_t>(product) < threshold) product = (next() >> 32) * bound;
  }
  return static_cast<uint32_t>(product >> 32);
}

PythonRandom::PythonRandom(uint64_t seed) {
  constexpr uint32_t size = 624;
  state_[0] = 19650218;
  for (uint32_t i = 1; i < size; ++i) state_[i] = 1812433253 * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;

  // init_by_array over the seed's 32-bit words, as many as it needs, at least one.
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const uint32_t words = key[1] ? 2 : 1;
  uint32_t i = 1;
  const auto advance = [&] {
    if (++i == size) {
      state_[0] = state_[size - 1];
      i = 1;
    }
  };
  for (uint32_t k = 0; k < size; ++k) {
    state_[i] =
        (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525)) + key[k % words] + k % words;
    advance();
  }
  for (uint32_t k = 1; k < size; ++k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941)) - i;
    advance();
  }
  state_[0] = 0x80000000;
}

uint32_t PythonRandom::next() {
  constexpr int size = 624, middle = 397;
  if (index_ == size) {
    for (int i = 0; i < size; ++i) {
      const uint32_t y = (state_[i] & 0x80000000) | (state_[(i + 1) % size] & 0x7FFFFFFF);
      state_[i] = state_[(i + middle) % size] ^ (y >> 1) ^ (y & 1 ? 0x9908B0DF : 0);
    }
    index_ = 0;
  }
  uint32_t y = state_[index_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680;
  y ^= (y << 15) & 0xEFC60000;
  return y ^ (y >> 18);
}

uint32_t PythonRandom::below(uint32_t bound) {
  const int bits = std::bit_width(bound);
  uint32_t value;
  do value = next() >> (32 - bits);
  while (value >= bound);
  return value;
}

}  // namespace bytecpu
