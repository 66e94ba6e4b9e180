#include "eval/commands/lockstep.hpp"

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
  Lockstep run(bool free, int64_t steps = 100) {
    return run_lockstep(*machine, predictor, start, steps, free);
  }
  static std::string text(const Lockstep& lockstep) {
    std::string all = lockstep_heading(lockstep) + "\n";
    for (int64_t t = 0; t <= std::ssize(lockstep.predicted); ++t)
      all += lockstep_row(lockstep, t, false) + "\n";
    return all + lockstep_verdict(lockstep);
  }
};

TEST_F(LockstepTest, AnAgreeingModelDiffersNowhere) {
  for (const bool free : {false, true}) {
    const Lockstep lockstep = run(free);
    EXPECT_EQ(lockstep.states(), 4);
    EXPECT_FALSE(lockstep.first_difference());
    EXPECT_EQ(text(lockstep).find('>'), std::string::npos);
    EXPECT_NE(text(lockstep).find("agrees in every one and in the end"), std::string::npos);
    EXPECT_TRUE(lockstep_json(lockstep).at("first_difference").is_null());
  }
}

TEST_F(LockstepTest, AWrongByteIsMarkedWhereItFirstHappens) {
  predictor.corrupt_step = [](StepPrediction& p, const Trace&) {
    p.steps[2 * 16 + 1] = 99;
    p.steps[3 * 16 + 1] = 98;
  };
  predictor.corrupt_rollout = [](Rollout& p, const Trace&) {
    p.steps[2 * 16 + 1] = 99;
    p.steps[3 * 16 + 1] = 98;
  };
  const Lockstep corrected = run(false), free = run(true);
  for (const auto& lockstep : {corrected, free}) {
    EXPECT_EQ(lockstep.first_difference(), 3);
    EXPECT_EQ(lockstep.differences(), 2);
    const std::string all = text(lockstep);
    EXPECT_NE(all.find("\n>    3  INC B"), std::string::npos) << all;
    EXPECT_NE(all.find("\n     4  HLT"), std::string::npos) << all;
    EXPECT_EQ(lockstep_json(lockstep).at("first_difference"), 3);
  }
  EXPECT_NE(text(corrected).find("differs 2 times, first at state 3: ACC 99 where the machine has ACC 35"),
            std::string::npos)
      << text(corrected);
  EXPECT_NE(text(free).find("parts at state 3: ACC 99"), std::string::npos) << text(free);
}

TEST_F(LockstepTest, EndsTooEarlyAndTooLateAreDifferences) {
  predictor.corrupt_rollout = [](Rollout& p, const Trace&) { p.steps.resize(3 * 16); };
  EXPECT_EQ(run(true).first_difference(), 4);
  EXPECT_NE(text(run(true)).find("at state 4, before which it ends"), std::string::npos) << text(run(true));
  predictor.corrupt_rollout = [](Rollout& p, const Trace&) { p.steps.resize(6 * 16); };
  EXPECT_EQ(run(true).first_difference(), 5);
  EXPECT_NE(text(run(true)).find("does not end there"), std::string::npos) << text(run(true));
  predictor.corrupt_step = [](StepPrediction& p, const Trace&) {
    p.ended[1] = 1;
    p.ended.back() = 0;
  };
  const Lockstep corrected = run(false);  // goes on after an end that is none
  EXPECT_EQ(corrected.first_difference(), 2);
  EXPECT_EQ(std::ssize(corrected.predicted), 5);
  EXPECT_EQ(corrected.differences(), 2);
}

TEST_F(LockstepTest, AModelThatTakesNoMoreStatesIsCutAndAgreesInNoEnd) {
  predictor.corrupt_rollout = [](Rollout& p, const Trace&) {
    p.steps.resize(2 * 16);
    p.ended = false;
  };
  const Lockstep lockstep = run(true);
  EXPECT_TRUE(lockstep.finished);
  EXPECT_TRUE(lockstep.cut);
  EXPECT_EQ(lockstep_verdict(lockstep),
            "halted after 4 states; the model agrees in the first 2 and takes no more");
  EXPECT_EQ(lockstep_json(lockstep).at("cut"), true);
}

TEST_F(LockstepTest, AStepLimitIsNoEndToAgreeOn) {
  for (const bool free : {false, true}) {
    EXPECT_EQ(run(free, 2).states(), 2);
    EXPECT_EQ(std::ssize(run(free, 2).predicted), 2);
    EXPECT_FALSE(run(free, 2).first_difference());
  }
}

TEST_F(LockstepTest, StatesComeInOrderUntilTheListenerStops) {
  std::string program;
  for (int i = 0; i < 200; ++i) program += "INC A\n";
  auto large = make_machine("toy8", 1024);
  OraclePredictor oracle(make_machine("toy8", 1024));
  auto trace = true_trace(*large, program);
  trace.resize(static_cast<size_t>(large->layout().start_bytes()));
  for (const bool free : {false, true}) {
    int64_t next = 1;
    const auto all =
        run_lockstep(*large, oracle, trace, 1000, free, [&](const Lockstep&, int64_t first, int64_t last) {
          EXPECT_EQ(first, next);
          next = last + 1;
          return true;
        });
    EXPECT_EQ(next, 201 + 1 + 1);
    EXPECT_EQ(all.differences(), 0);
    EXPECT_TRUE(all.finished);
    const auto cut =
        run_lockstep(*large, oracle, trace, 1000, free, [](const auto&, auto, auto) { return false; });
    EXPECT_FALSE(cut.finished);
    EXPECT_EQ(std::ssize(cut.predicted), 16);
  }
}

}  // namespace
}  // namespace bytecpu
