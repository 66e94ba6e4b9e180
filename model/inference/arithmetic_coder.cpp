#include "model/inference/arithmetic_coder.hpp"

#include <algorithm>
#include <cmath>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// The interval's first byte is settled where both ends have the same one. A range below `least` that still spans
// two first bytes is cut at the end of the lower one.
constexpr uint64_t settled = uint64_t{1} << 56, least = uint64_t{1} << 48;

// Shifts out what is settled; `shift` is called for each byte, before it leaves `low`.
template <typename Shift>
void normalise(uint64_t& low, uint64_t& range, Shift shift) {
  while (true) {
    if ((low ^ (low + range)) >= settled) {
      if (range >= least) return;
      range = -low & (least - 1);
    }
    shift();
    low <<= 8;
    range <<= 8;
  }
}

}  // namespace

Frequencies::Frequencies(std::span<const float> logits) {
  constexpr double scale = 1 << 24;
  const double most = *std::ranges::max_element(logits);
  std::array<double, 256> share;
  double sum = 0;
  for (size_t i = 0; i < share.size(); ++i) sum += share[i] = std::exp(logits[i] - most);
  if (!std::isfinite(sum)) throw Error("the model's probabilities are not finite");
  below_[0] = 0;
  for (size_t i = 0; i < share.size(); ++i) {
    below_[i + 1] = below_[i] + 1 + static_cast<uint32_t>(share[i] / sum * scale);
  }
}

uint8_t Frequencies::at(uint32_t value) const {
  return static_cast<uint8_t>(std::ranges::upper_bound(below_, value) - below_.begin() - 1);
}

void Encoder::encode(uint8_t symbol, const Frequencies& frequencies) {
  range_ /= frequencies.all();
  low_ += range_ * frequencies.below(symbol);
  range_ *= frequencies.of(symbol);
  normalise(low_, range_, [&] { bytes_.push_back(static_cast<uint8_t>(low_ >> 56)); });
}

std::vector<uint8_t> Encoder::finish() {
  // Enough of a number inside the interval; the decoder reads zeros after it.
  for (int kept = 1; kept <= 8; ++kept) {
    const uint64_t unit = uint64_t{1} << (64 - 8 * kept);
    const uint64_t number = (low_ + (unit - 1)) & -unit;
    if (number - low_ < range_) {
      for (int i = 0; i < kept; ++i) bytes_.push_back(static_cast<uint8_t>(number >> (56 - 8 * i)));
      break;
    }
  }
  while (!bytes_.empty() && bytes_.back() == 0) bytes_.pop_back();
  return std::move(bytes_);
}

Decoder::Decoder(std::span<const uint8_t> bytes) : bytes_(bytes) {
  for (int i = 0; i < 8; ++i) code_ = code_ << 8 | next();
}

uint8_t Decoder::decode(const Frequencies& frequencies) {
  range_ /= frequencies.all();
  const auto value = std::min<uint64_t>((code_ - low_) / range_, frequencies.all() - 1);
  const auto symbol = frequencies.at(static_cast<uint32_t>(value));
  low_ += range_ * frequencies.below(symbol);
  range_ *= frequencies.of(symbol);
  normalise(low_, range_, [&] { code_ = code_ << 8 | next(); });
  return symbol;
}

}  // namespace bytecpu
