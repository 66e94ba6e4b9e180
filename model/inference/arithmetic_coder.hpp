// An arithmetic coder: symbols of known probabilities become bytes, about -log2 p bits a symbol. The decoder is
// given the same probabilities in the same order and returns the symbols. Source: Subbotin's range coder without
// carry (1999), with 64 bits.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace bytecpu {

// How often each of 256 symbols occurs, in whole numbers: at least once, and about 2^24 times in all. So a sure
// byte costs 0.00002 bits, and none costs more than 24.
class Frequencies {
 public:
  // Of natural logarithms of probabilities up to a constant; [256]. Throws Error where one is NaN or +infinity.
  explicit Frequencies(std::span<const float> logits);

  uint32_t below(uint8_t symbol) const { return below_[symbol]; }  // the sum of those before it
  uint32_t of(uint8_t symbol) const { return below_[symbol + 1] - below_[symbol]; }
  uint32_t all() const { return below_[256]; }
  // The symbol whose share holds `value` < all().
  uint8_t at(uint32_t value) const;

 private:
  std::array<uint32_t, 257> below_;
};

class Encoder {
 public:
  void encode(uint8_t symbol, const Frequencies& frequencies);
  // The bytes of all symbols; to be called once.
  std::vector<uint8_t> finish();

 private:
  std::vector<uint8_t> bytes_;
  uint64_t low_ = 0, range_ = UINT64_MAX;
};

// Reads zeros after the end of `bytes`: what comes out of damaged bytes is wrong symbols, not an error.
class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> bytes);
  uint8_t decode(const Frequencies& frequencies);

 private:
  uint8_t next() { return place_ < bytes_.size() ? bytes_[place_++] : 0; }

  std::span<const uint8_t> bytes_;
  size_t place_ = 0;
  uint64_t low_ = 0, range_ = UINT64_MAX, code_ = 0;
};

}  // namespace bytecpu
