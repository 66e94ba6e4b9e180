#include "eval/lockstep.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace bytecpu {
namespace {

struct LockstepTest : testing::Test {
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
  CorruptedPredictor predictor{machine->layout()};
  std::vector<uint8_t> start = [this] {
    auto trace = true_trace(*machine, "LOADI 30\nADD A\nINC B\nHLT", {5, 7});
    trace.resize(static_cast<size_t>(machine->layout().start_bytes()));
    return trace;
  }();
  Lockstep run(int64_t steps = 100) { return run_lockstep(*machine, predictor, start, steps); }
};

TEST_F(LockstepTest, AnAgreeingModelDoesNotPart) {
  const Lockstep lockstep = run();
  EXPECT_EQ(lockstep.states(), 4);
  EXPECT_FALSE(lockstep.parting());
  EXPECT_NE(lockstep_text(lockstep, false).find("agrees in every one and in the end"), std::string::npos);
  EXPECT_TRUE(lockstep_json(lockstep).at("parts_at").is_null());
}

TEST_F(LockstepTest, AWrongByteIsShownWhereItFirstHappens) {
  predictor.corrupt_rollout = [](RolloutPrediction& p, std::span<const uint8_t>) {
    p.records[2 * 16 + 1] = 99;
  };
  const Lockstep lockstep = run();
  EXPECT_EQ(lockstep.parting(), 3);
  const std::string text = lockstep_text(lockstep, false);
  EXPECT_NE(text.find("parts at state 3: ACC 99 where the machine has ACC 35"), std::string::npos) << text;
  EXPECT_EQ(lockstep_json(lockstep).at("parts_at"), 3);
}

TEST_F(LockstepTest, EndsTooEarlyAndTooLateArePartings) {
  predictor.corrupt_rollout = [](RolloutPrediction& p, std::span<const uint8_t>) {
    p.records.resize(3 * 16);
  };
  EXPECT_EQ(run().parting(), 4);
  EXPECT_NE(lockstep_text(run(), false).find("ends before state 4"), std::string::npos);
  predictor.corrupt_rollout = [](RolloutPrediction& p, std::span<const uint8_t>) {
    p.records.resize(6 * 16);
  };
  EXPECT_EQ(run().parting(), 5);
  EXPECT_NE(lockstep_text(run(), false).find("does not end there"), std::string::npos);
}

TEST_F(LockstepTest, AStepLimitIsNoEndToAgreeOn) {
  EXPECT_EQ(run(2).states(), 2);
  EXPECT_FALSE(run(2).parting());
}

}  // namespace
}  // namespace bytecpu
