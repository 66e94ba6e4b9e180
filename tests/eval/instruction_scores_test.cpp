// Breakdowns by instruction, on a machine with branches and memory writes.
#include <gtest/gtest.h>

#include "eval/documents/document.hpp"
#include "eval/measures/metrics.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

class InstructionScoresTest : public testing::Test {
 protected:
  // MOV [RSI], EAX; JMP over a NOP; ADD EAX, EBX; HLT.
  const std::string code_ = "\x89\x06\xeb\x01\x90\x01\xd8\xf4"s;
  std::unique_ptr<Machine> machine_ = make_machine("x86_64", 256);
  const test::OwnedTrace trace_ = test::run_code(*machine_, code_, {{"ESI", 0x11000}, {"EAX", 7}});
  const Trace truth_ = trace_.trace();

  // The rollout that is right but for a field of state t.
  Scores score(size_t t, std::string_view name) const {
    const auto& layout = machine_->layout();
    std::vector<uint8_t> records(trace_.bytes.begin() + layout.start_bytes(), trace_.bytes.end());
    if (t > 0) records[(t - 1) * layout.record_bytes + test::field(layout, name).offset] ^= 1;
    Scores scores(Mode::rollout, *machine_);
    scores.add(0, truth_, Rollout{records, true});
    return scores;
  }
};

TEST_F(InstructionScoresTest, APerfectPredictionIsRightEverywhere) {
  const auto [by_operation, by_group, branches, writes] = score(0, "").instructions;
  EXPECT_EQ(by_operation, (decltype(by_operation){{"add", {1, 1}}, {"jmp", {1, 1}}, {"mov", {1, 1}}}));
  EXPECT_EQ(by_group, (decltype(by_group){{"arithmetic", {1, 1}}, {"branch", {1, 1}}, {"memory", {1, 1}}}));
  EXPECT_EQ(branches, (Rate{1, 1}));
  EXPECT_EQ(writes, (Rate{1, 1}));
}

TEST_F(InstructionScoresTest, AWrongProgramCounterAfterABranchIsAWrongBranch) {
  const auto scores = score(3, "PC").instructions;
  EXPECT_EQ(scores.branches, (Rate{0, 1}));
  EXPECT_EQ(scores.by_operation.at("jmp"), (Rate{0, 1}));
  EXPECT_EQ(scores.by_group.at("branch"), (Rate{0, 1}));
  EXPECT_EQ(scores.writes, (Rate{1, 1}));
  EXPECT_EQ(score(2, "PC").instructions.branches, (Rate{1, 1}));  // after MOV
}

TEST_F(InstructionScoresTest, WritesAreThoseOfTheTruthAndThoseInvented) {
  EXPECT_EQ(score(2, "WRITE_VALUE").instructions.writes, (Rate{0, 1}));
  EXPECT_EQ(score(2, "ACCESS_OFFSET").instructions.writes, (Rate{0, 1}));
  EXPECT_EQ(score(2, "EAX").instructions.writes, (Rate{1, 1}));
  EXPECT_EQ(score(2, "READ_SIZE").instructions.writes, (Rate{1, 1}));
  EXPECT_EQ(score(4, "ACCESS_OFFSET").instructions.writes, (Rate{1, 1}));  // of no write
  EXPECT_EQ(score(4, "WRITE_SIZE").instructions.writes, (Rate{1, 2}));
}

TEST_F(InstructionScoresTest, MissingStatesAreWrong) {
  Scores scores(Mode::rollout, *machine_);
  scores.add(0, truth_, Rollout{{}, true});
  EXPECT_EQ(scores.instructions.branches, (Rate{0, 1}));
  EXPECT_EQ(scores.instructions.writes, (Rate{0, 1}));
}

TEST_F(InstructionScoresTest, TheDocumentHasThem) {
  const auto json = to_json(score(3, "PC"), *machine_);
  EXPECT_EQ(json.at("by_group").at(1).at("group"), "branch");
  EXPECT_EQ(json.at("by_group").at(1).at("wrong"), 1);
  EXPECT_EQ(json.at("by_operation").at(1).at("operation"), "jmp");
  EXPECT_EQ(json.at("branches").at("total"), 1);
  EXPECT_EQ(json.at("writes").at("right"), 1);
}

}  // namespace
}  // namespace bytecpu
