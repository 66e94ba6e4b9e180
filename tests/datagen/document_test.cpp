#include "datagen/corpus/document.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace bytecpu {
namespace {

const Layout layout{"tiny", 8, 16, {{"PC", 0, 4}, {"REST", 4, 12}}};

std::vector<uint8_t> counting(int states) {
  std::vector<uint8_t> bytes(8 + 16 * (states + 1));
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

TEST(Document, OfATraceHasItsImageAsContextAndItsRecordsAsSteps) {
  const auto bytes = counting(3);
  const Document document(Trace(layout, bytes));
  EXPECT_EQ(document.context.data(), bytes.data());
  EXPECT_EQ(document.context.size(), 8u);
  EXPECT_EQ(document.step_bytes, 16);
  EXPECT_EQ(document.count(), 4);
  for (int t = 0; t < 4; ++t) {
    EXPECT_EQ(document.step(t).data(), bytes.data() + 8 + 16 * t);
    EXPECT_EQ(document.step(t).size(), 16u);
  }
  EXPECT_TRUE(document.complete);
  EXPECT_TRUE(document.skills.empty());
  EXPECT_FALSE(Document(Trace(layout, bytes, StopReason::step_limit)).complete);
}

TEST(Document, ItsFirstStepsAreCutThere) {
  const auto bytes = counting(3);
  const Document document(Trace(layout, bytes));
  const Document first = document.first(2);
  EXPECT_EQ(first.context.data(), document.context.data());
  EXPECT_EQ(first.context.size(), document.context.size());
  EXPECT_EQ(first.steps.data(), document.steps.data());
  EXPECT_EQ(first.count(), 2);
  EXPECT_FALSE(first.complete);
}

TEST(Frame, OfAMachineSaysWhatItsTracesHaveInCommon) {
  const Frame frame = frame_of(layout);
  EXPECT_EQ(frame.layout, layout);
  EXPECT_EQ(frame.context_bytes, 8);
  EXPECT_EQ(frame.step_bytes, 16);
  EXPECT_EQ(frame.first_scored, 1);
}

TEST(Pool, SkillsLineUpWithTheStepsOfEveryTrace) {
  Pool pool(layout);
  for (const int states : {2, 0, 5, 1}) {
    const auto bytes = counting(states);
    pool.traces.add({layout, bytes});
    // Of trace i, step t: 100 i + t.
    for (int t = 0; t <= states; ++t)
      pool.skills.push_back(static_cast<int16_t>(100 * (pool.size() - 1) + t));
  }
  ASSERT_EQ(pool.size(), 4u);
  for (size_t i = 0; i < pool.size(); ++i) {
    const Document document = pool[i];
    EXPECT_EQ(document.context.data(), pool.traces[i].bytes.data());
    EXPECT_EQ(document.count(), pool.traces[i].states() + 1);
    ASSERT_EQ(std::ssize(document.skills), document.count());
    for (int64_t t = 0; t < document.count(); ++t)
      EXPECT_EQ(document.skills[t], static_cast<int16_t>(100 * i + t));
  }
}

TEST(Pool, WithoutSkillsItsDocumentsHaveNone) {
  Pool pool(layout);
  const auto bytes = counting(2);
  pool.traces.add({layout, bytes, StopReason::step_limit});
  EXPECT_TRUE(pool[0].skills.empty());
  EXPECT_FALSE(pool[0].complete);
}

}  // namespace
}  // namespace bytecpu
