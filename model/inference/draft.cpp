#include "model/inference/draft.hpp"

#include <algorithm>
#include <array>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

constexpr std::array<uint8_t, 6> increments = {0, 1, 2, 4, 8, 16};
constexpr std::array<size_t, 5> strides = {1, 2, 4, 8, 16};
constexpr size_t nearby = 16;  // bytes of memory from the counter on
constexpr size_t rules = increments.size() + strides.size() * nearby;

uint8_t guess(size_t rule, uint8_t before, size_t counter, std::span<const uint8_t> image) {
  if (rule < increments.size()) return static_cast<uint8_t>(before + increments[rule]);
  rule -= increments.size();
  const size_t address = counter * strides[rule / nearby] + rule % nearby;
  return address < image.size() ? image[address] : 0;
}

}  // namespace

Drafter::Drafter(const Frame& frame)
    : frame_(frame),
      hits_(static_cast<size_t>(frame.step_bytes), std::vector<int64_t>(rules)),
      best_(hits_.size()) {}

// Its low bytes: what follows them is the same throughout a memory image.
size_t Drafter::counter(std::span<const uint8_t> record) const {
  if (frame_.layout.fields.empty()) return 0;
  const Field& field = frame_.layout.fields.front();
  size_t value = 0;
  for (int i = std::min(field.bytes, 3); i-- > 0;)
    value = value << 8 | record[static_cast<size_t>(field.offset + i)];
  return value;
}

void Drafter::draft(std::span<const uint8_t> image, std::span<const uint8_t> record,
                    std::span<uint8_t> next) const {
  BYTECPU_CHECK(record.size() == best_.size() && next.size() == best_.size());
  const size_t at = counter(record);
  for (size_t i = 0; i < next.size(); ++i) next[i] = guess(best_[i], record[i], at, image);
}

void Drafter::learn(std::span<const uint8_t> image, std::span<const uint8_t> record,
                    std::span<const uint8_t> next) {
  BYTECPU_CHECK(record.size() == best_.size() && next.size() == best_.size());
  const size_t at = counter(record);
  for (size_t i = 0; i < next.size(); ++i) {
    auto& hits = hits_[i];
    for (size_t rule = 0; rule < rules; ++rule) hits[rule] += guess(rule, record[i], at, image) == next[i];
    best_[i] = static_cast<size_t>(std::ranges::max_element(hits) - hits.begin());
  }
}

}  // namespace bytecpu
