#include "emulator/trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace bytecpu {
namespace {

const Layout tiny{"tiny", 8, 16, {{"PC", 0, 4}, {"REST", 4, 12}}};

// Bytes 0, 1, 2, …: the image, state 0 and `states` more.
std::vector<uint8_t> counting(int states) {
  std::vector<uint8_t> bytes(8 + 16 * (states + 1));
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

TEST(Trace, IsAnImageThenState0ThenTheOthers) {
  const auto bytes = counting(3);
  const Trace trace(tiny, bytes, StopReason::step_limit);
  EXPECT_EQ(trace.memory_bytes, 8);
  EXPECT_EQ(trace.record_bytes, 16);
  EXPECT_EQ(trace.states(), 3);
  EXPECT_EQ(trace.image().data(), bytes.data());
  EXPECT_EQ(trace.image().size(), 8u);
  EXPECT_EQ(trace.start().data(), bytes.data());
  EXPECT_EQ(trace.start().size(), 8u + 16);
  EXPECT_EQ(trace.records().data(), bytes.data() + 8);
  EXPECT_EQ(trace.records().size(), 4u * 16);
  for (int t = 0; t <= 3; ++t) {
    EXPECT_EQ(trace.record(t).data(), bytes.data() + 8 + 16 * t);
    EXPECT_EQ(trace.record(t).size(), 16u);
  }
}

TEST(Trace, OfState0AloneHasNoStates) {
  const auto bytes = counting(0);
  const Trace trace(tiny, bytes);
  EXPECT_TRUE(trace.is_whole());
  EXPECT_EQ(trace.states(), 0);
  EXPECT_EQ(trace.start().size(), bytes.size());
}

TEST(Trace, IsCompleteWhereTheMachineEndedItAlone) {
  const auto bytes = counting(1);
  for (int i = 0; i <= static_cast<int>(last_stop_reason); ++i) {
    const auto stop = StopReason(i);
    EXPECT_EQ(Trace(tiny, bytes, stop).complete(), stop == StopReason::halted) << to_string(stop);
  }
}

TEST(Trace, IsWholeWithAnImageAndWholeRecordsOneAtLeast) {
  const auto bytes = counting(3);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const bool whole = size >= 8 + 16 && (size - 8) % 16 == 0;
    EXPECT_EQ(Trace(tiny, std::span(bytes).first(size)).is_whole(), whole) << size;
  }
}

TEST(Trace, ItsFirstStatesAreCutThere) {
  const auto bytes = counting(3);
  const Trace trace(tiny, bytes);
  for (const int count : {0, 1, 2}) {
    const Trace first = trace.first(count);
    EXPECT_EQ(first.states(), count);
    EXPECT_EQ(first.bytes.data(), bytes.data());
    EXPECT_EQ(first.bytes.size(), 8u + 16 * (count + 1));
    EXPECT_EQ(first.stop, StopReason::step_limit);
    EXPECT_FALSE(first.complete());
  }
}

TEST(TraceBatch, HoldsTracesOfTheirOwnLengthsAndStops) {
  TraceBatch batch(tiny);
  EXPECT_EQ(batch.size(), 0u);
  const auto longer = counting(2), shorter = counting(0);
  batch.add({tiny, longer, StopReason::step_limit});
  batch.add({tiny, shorter});
  batch.add({tiny, longer, StopReason::divide_error});
  batch.pop_back();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch.bytes.size(), longer.size() + shorter.size());
  EXPECT_TRUE(std::ranges::equal(batch[0].bytes, longer));
  EXPECT_EQ(batch[0].states(), 2);
  EXPECT_EQ(batch[0].stop, StopReason::step_limit);
  EXPECT_TRUE(std::ranges::equal(batch[1].bytes, shorter));
  EXPECT_EQ(batch[1].stop, StopReason::halted);
  batch.clear();
  EXPECT_EQ(batch.size(), 0u);
  batch.add({tiny, shorter});
  EXPECT_TRUE(std::ranges::equal(batch[0].bytes, shorter));
}

class ApplyWrite : public testing::Test {
 protected:
  // The image after a write of the first `size` bytes of 0xA8A7A6A5A4A3A2A1 at `offset`.
  static std::vector<uint8_t> written(const Layout& layout, uint32_t offset, uint8_t size) {
    std::vector<uint8_t> record(16), image(16);
    for (int i = 0; i < 4; ++i) record[4 + i] = static_cast<uint8_t>(offset >> 8 * i);
    record[3] = size;
    for (int i = 0; i < 8; ++i) record[8 + i] = static_cast<uint8_t>(0xA1 + i);
    apply_write(layout, record, image);
    return image;
  }

  const Layout layout_{"writing",
                       16,
                       16,
                       {{"PC", 0, 3}, {"WRITE_SIZE", 3, 1}, {"ACCESS_OFFSET", 4, 4}, {"WRITE_VALUE", 8, 8}}};
  const std::vector<uint8_t> untouched_ = std::vector<uint8_t>(16);
};

TEST_F(ApplyWrite, PutsTheLowBytesOfTheValueIntoTheImage) {
  auto expected = untouched_;
  expected[5] = 0xA1, expected[6] = 0xA2;
  EXPECT_EQ(written(layout_, 5, 2), expected);
}

TEST_F(ApplyWrite, ReachesTheImagesFirstAndLastByte) {
  auto first = untouched_, last = untouched_;
  first[0] = 0xA1;
  for (int i = 0; i < 8; ++i) last[8 + i] = static_cast<uint8_t>(0xA1 + i);
  EXPECT_EQ(written(layout_, 0, 1), first);
  EXPECT_EQ(written(layout_, 8, 8), last);
}

TEST_F(ApplyWrite, OfNoBytesChangesNothing) {
  EXPECT_EQ(written(layout_, 5, 0), untouched_);
  EXPECT_EQ(written(layout_, 0, 0), untouched_);
}

TEST_F(ApplyWrite, OutsideOfTheImageChangesNothing) {
  EXPECT_EQ(written(layout_, 9, 8), untouched_);  // in part
  EXPECT_EQ(written(layout_, 16, 1), untouched_);
  EXPECT_EQ(written(layout_, 0xFFFFFFFF, 1), untouched_);
  EXPECT_EQ(written(layout_, 0xFFFFFFFF, 8), untouched_);
}

TEST_F(ApplyWrite, LongerThanItsValueChangesNothing) {
  EXPECT_EQ(written(layout_, 0, 9), untouched_);
  EXPECT_EQ(written(layout_, 0, 255), untouched_);
}

TEST_F(ApplyWrite, WithoutTheFieldsChangesNothing) {
  for (size_t missing = 1; missing < layout_.fields.size(); ++missing) {
    Layout layout = layout_;
    layout.fields[missing].name = "OTHER";
    EXPECT_EQ(written(layout, 5, 2), untouched_) << missing;
  }
}

}  // namespace
}  // namespace bytecpu
