#include "emulator/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bytecpu {
namespace {

std::vector<uint32_t> draw(RandomSource& random) {
  std::vector<uint32_t> values;
  for (const uint32_t bound : {256u, 255u, 20u, 10u, 1u, 2u, 0x80000000u, 0xFFFFFFFFu, 3u, 7u}) {
    values.push_back(random.below(bound));
  }
  return values;
}

// From CPython: random.seed(s); [random._inst._randbelow(b) for b in bounds].
TEST(PythonRandom, DrawsWhatCPythonDraws) {
  const std::vector<std::pair<uint64_t, std::vector<uint32_t>>> known = {
      {0, {197, 194, 13, 0, 0, 1, 1739178872, 3943786419, 1, 3}},
      {1, {68, 145, 2, 4, 0, 1, 1930549411, 2028277857, 2, 3}},
      {0xFFFFFFFF, {104, 55, 19, 8, 0, 1, 1636881668, 2887748879, 2, 6}},
      {0x100000000, {57, 89, 13, 0, 0, 1, 1940533316, 60122280, 0, 0}},
      {0x123456789ABCDEF0, {243, 119, 11, 4, 0, 0, 571587033, 908312987, 2, 1}}};
  for (const auto& [seed, values] : known) {
    PythonRandom random(seed);
    EXPECT_EQ(draw(random), values) << seed;
  }
}

// From CPython: s = 0; for i in range(2000): s = (s * 31 + _randbelow(1 + i)) % 2**64.
TEST(PythonRandom, StaysWithCPythonBeyondOneBlockOfOutputs) {
  PythonRandom random(0);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 2000; ++i) sum = sum * 31 + random.below(1 + i);
  EXPECT_EQ(sum, 2950882294109791563u);
}

// Computed from the published definitions of xoshiro256** and SplitMix64 in Python.
TEST(NativeRandom, DrawsWhatItsDefinitionSays) {
  NativeRandom zero(0, 0);
  EXPECT_EQ(zero.next(), 10108759220886529493u);
  EXPECT_EQ(zero.next(), 17605837440599152310u);
  EXPECT_EQ(zero.next(), 7682592763609621243u);
  EXPECT_EQ(NativeRandom(1, 0).next(), 6954377618861975509u);
  EXPECT_EQ(NativeRandom(0, 1).next(), 8001808130966065074u);
  EXPECT_EQ(NativeRandom(42, 7).next(), 511687822027273263u);
}

TEST(NativeRandom, IsUniformBelowEveryBound) {
  NativeRandom random(1, 0);
  for (const uint32_t bound : {1u, 2u, 3u, 10u, 20u, 255u, 256u}) {
    constexpr int each = 2000;
    std::vector<int> counts(bound);
    for (uint32_t i = 0; i < bound * each; ++i) {
      const uint32_t value = random.below(bound);
      ASSERT_LT(value, bound);
      ++counts[value];
    }
    double chi_square = 0;
    for (const int count : counts) chi_square += (count - each) * static_cast<double>(count - each) / each;
    // Mean bound - 1, variance 2 (bound - 1): six deviations.
    EXPECT_LE(chi_square, (bound - 1) + 6 * std::sqrt(2.0 * (bound - 1))) << bound;
  }
}

TEST(NativeRandom, RejectsWhatWouldFavourSomeValues) {
  // Without rejection, a third of the values below 3·2³⁰ would come up twice as often as the others.
  NativeRandom random(3, 0);
  constexpr uint32_t third = 1u << 30;
  int counts[3] = {};
  for (int i = 0; i < 30000; ++i) ++counts[random.below(3 * third) % 3];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(RandomSource, BetweenReachesBothEnds) {
  NativeRandom random(5, 0);
  bool low = false, high = false;
  for (int i = 0; i < 200; ++i) {
    const uint32_t value = random.between(7, 9);
    ASSERT_TRUE(value >= 7 && value <= 9);
    low |= value == 7;
    high |= value == 9;
  }
  EXPECT_TRUE(low && high);
}

}  // namespace
}  // namespace bytecpu
