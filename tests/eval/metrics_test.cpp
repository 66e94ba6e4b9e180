#include "eval/measures/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/documents/document.hpp"
#include "eval/documents/numbers.hpp"
#include "eval/documents/text.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

constexpr size_t record = 16;

// A program of n = 4 states after state 0, with its perfect predictions.
struct Metrics : testing::Test {
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
  std::vector<uint8_t> trace = true_trace(*machine, "LOADI 30\nADD A\nINC B\nHLT", {5, 7});
  Trace truth{machine->layout(), trace};
  Scores step{Mode::step, *machine}, rollout{Mode::rollout, *machine};

  StepPrediction perfect_step() const {
    StepPrediction prediction{{trace.begin() + test_memory + record, trace.end()}, {0, 0, 0, 0, 1}, {}, {}};
    prediction.steps.resize(5 * record);
    return prediction;
  }
  Rollout perfect_rollout() const { return {{trace.begin() + test_memory + record, trace.end()}, true}; }
};

void expect_breakdowns_add_up(const Scores& scores) {
  Tally forms, steps;
  for (const auto& [form, tally] : scores.by_form) {
    forms = {forms.states + tally.states, forms.wrong_states + tally.wrong_states,
             forms.wrong_bytes + tally.wrong_bytes};
  }
  for (const Tally& tally : scores.by_step) {
    steps = {steps.states + tally.states, steps.wrong_states + tally.wrong_states,
             steps.wrong_bytes + tally.wrong_bytes};
  }
  Tally lengths;
  Rate traces;
  for (const auto& [length, tally] : scores.by_length) {
    lengths += tally.states;
    traces += tally.traces;
  }
  const Tally total{scores.states.total, scores.states.wrong(), scores.bytes.wrong()};
  EXPECT_EQ(forms, total);
  EXPECT_EQ(steps, total);
  EXPECT_EQ(lengths, total);
  EXPECT_EQ(traces, scores.traces);
  EXPECT_EQ(scores.changed.total + scores.unchanged.total + 16 * scores.surplus_states, scores.bytes.total);
  EXPECT_EQ(scores.changed.right + scores.unchanged.right, scores.bytes.right);
  int64_t field_errors = 0, first_errors = 0;
  for (const Rate& field : scores.by_field) {
    EXPECT_EQ(field.total, scores.states.total);
    field_errors += field.wrong();
  }
  EXPECT_EQ(field_errors, scores.bytes.wrong());  // every field of toy8 is one byte
  for (const int64_t errors : scores.first_error) first_errors += errors;
  EXPECT_EQ(first_errors, scores.traces.wrong());
}

TEST(ClopperPearson, AgreesWithKnownValues) {
  const auto expect = [](int64_t k, int64_t n, double low, double high) {
    const auto [l, h] = clopper_pearson(k, n);
    EXPECT_NEAR(l, low, 1e-9) << k << " of " << n;
    EXPECT_NEAR(h, high, 1e-9) << k << " of " << n;
  };
  expect(0, 0, 0, 1);
  expect(0, 1, 0, 0.975);
  expect(1, 1, 0.025, 1);
  expect(0, 10, 0, 0.30849710781876083);
  expect(10, 10, 0.69150289218123917, 1);
  expect(5, 10, 0.18708602844739855, 0.81291397155260145);
  expect(99, 100, 0.9455406146079193, 0.9997468539670226);
}

// Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
// table I, method 5.
TEST(ClopperPearson, AgreesWithPublishedValues) {
  const auto expect = [](int64_t k, int64_t n, double low, double high) {
    const auto [l, h] = clopper_pearson(k, n);
    EXPECT_NEAR(l, low, 5e-5) << k << " of " << n;
    EXPECT_NEAR(h, high, 5e-5) << k << " of " << n;
  };
  expect(81, 263, 0.2527, 0.3676);
  expect(15, 148, 0.0578, 0.1617);
  expect(0, 20, 0, 0.1684);
  expect(1, 29, 0.0009, 0.1776);
}

TEST(ClopperPearson, KeepsItsPrecisionNearOne) {
  constexpr int64_t n = 1'000'000'000;
  // With no failure the lower bound is 0.025^(1/n).
  EXPECT_NEAR((1 - clopper_pearson(n, n).low) * 1e9, -std::log(0.025), 1e-6);
  EXPECT_NEAR((1 - clopper_pearson(n - 1, n).high) * 1e9, -std::log(0.975), 1e-6);
}

TEST_F(Metrics, APerfectPredictionScoresOneInBothModes) {
  step.add(0, truth, perfect_step());
  rollout.add(0, truth, perfect_rollout());
  for (const Scores* scores : {&step, &rollout}) {
    EXPECT_EQ(scores->bytes, (Rate{64, 64}));
    EXPECT_EQ(scores->states, (Rate{4, 4}));
    EXPECT_EQ(scores->traces, (Rate{1, 1}));
    EXPECT_EQ(scores->ends, (Rate{1, 1}));
    EXPECT_TRUE(scores->first_error.empty());
    EXPECT_TRUE(scores->worst.empty());
    expect_breakdowns_add_up(*scores);
  }
}

TEST_F(Metrics, OneWrongByteIsOneByteOneStateAndOneTrace) {
  auto stepped = perfect_step();
  auto rolled = perfect_rollout();
  stepped.steps[2 * record + 1] ^= 1;  // ACC of state 3, which ADD A made
  rolled.steps[2 * record + 1] ^= 1;
  step.add(7, truth, stepped);
  rollout.add(7, truth, rolled);
  for (const Scores* scores : {&step, &rollout}) {
    EXPECT_EQ(scores->bytes, (Rate{63, 64}));
    EXPECT_EQ(scores->states, (Rate{3, 4}));
    EXPECT_EQ(scores->traces, (Rate{0, 1}));
    EXPECT_EQ(scores->ends, (Rate{1, 1}));
    EXPECT_EQ(scores->by_form.at("ADD R"), (Tally{1, 1, 1}));
    EXPECT_EQ(scores->by_form.at("LOADI n"), (Tally{1, 0, 0}));
    EXPECT_EQ(scores->by_form.at("(first fetch)"), (Tally{1, 0, 0}));
    EXPECT_EQ(scores->by_field[1], (Rate{3, 4}));
    EXPECT_EQ(scores->by_field[0], (Rate{4, 4}));
    EXPECT_EQ(scores->first_error, (std::vector<int64_t>{0, 0, 1}));
    ASSERT_EQ(scores->worst.size(), 1u);
    EXPECT_EQ(scores->worst[0].trace, 7);
    EXPECT_EQ(scores->worst[0].wrong_bytes, 1);
    expect_breakdowns_add_up(*scores);
  }
}

TEST_F(Metrics, AnEndPredictedTooEarlyInStepModeIsAWrongStateWithAllItsBytes) {
  auto prediction = perfect_step();
  prediction.ended[1] = 1;  // its record happens to be right: an end is wrong all the same
  step.add(0, truth, prediction);
  EXPECT_EQ(step.bytes, (Rate{48, 64}));
  EXPECT_EQ(step.states, (Rate{3, 4}));
  EXPECT_EQ(step.traces, (Rate{0, 1}));
  EXPECT_EQ(step.ends, (Rate{0, 1}));
  EXPECT_EQ(step.early_ends, 1);
  EXPECT_EQ(step.late_ends, 0);
  EXPECT_EQ(step.first_error, (std::vector<int64_t>{0, 1}));
  expect_breakdowns_add_up(step);
}

TEST_F(Metrics, AnEndMissedInStepModeIsAnErrorOfTheTraceOnly) {
  auto prediction = perfect_step();
  prediction.ended[4] = 0;
  step.add(0, truth, prediction);
  EXPECT_EQ(step.bytes, (Rate{64, 64}));
  EXPECT_EQ(step.states, (Rate{4, 4}));
  EXPECT_EQ(step.traces, (Rate{0, 1}));
  EXPECT_EQ(step.ends, (Rate{0, 1}));
  EXPECT_EQ(step.late_ends, 1);
  EXPECT_EQ(step.first_error, (std::vector<int64_t>{0, 0, 0, 0, 1}));
  expect_breakdowns_add_up(step);
}

TEST_F(Metrics, MissingStatesOfARolloutAreWrongWithAllTheirBytes) {
  auto prediction = perfect_rollout();
  prediction.steps.resize(2 * record);
  rollout.add(0, truth, prediction);
  EXPECT_EQ(rollout.bytes, (Rate{32, 64}));
  EXPECT_EQ(rollout.states, (Rate{2, 4}));
  EXPECT_EQ(rollout.traces, (Rate{0, 1}));
  EXPECT_EQ(rollout.ends, (Rate{0, 1}));
  EXPECT_EQ(rollout.missing_states, 2);
  EXPECT_EQ(rollout.early_ends, 1);
  EXPECT_EQ(rollout.first_error, (std::vector<int64_t>{0, 0, 1}));
  expect_breakdowns_add_up(rollout);
}

TEST_F(Metrics, SurplusStatesOfARolloutJoinTheDenominatorsAsWrong) {
  auto prediction = perfect_rollout();
  prediction.steps.resize(7 * record);
  rollout.add(0, truth, prediction);
  EXPECT_EQ(rollout.bytes, (Rate{64, 112}));
  EXPECT_EQ(rollout.states, (Rate{4, 7}));
  EXPECT_EQ(rollout.traces, (Rate{0, 1}));
  EXPECT_EQ(rollout.ends, (Rate{0, 1}));
  EXPECT_EQ(rollout.surplus_states, 3);
  EXPECT_EQ(rollout.late_ends, 1);
  EXPECT_EQ(rollout.by_form.at("(surplus)"), (Tally{3, 3, 48}));
  EXPECT_EQ(rollout.first_error, (std::vector<int64_t>{0, 0, 0, 0, 1}));
  expect_breakdowns_add_up(rollout);
}

TEST_F(Metrics, ARolloutCutRightAfterTheLastStateHasNotEnded) {
  auto prediction = perfect_rollout();
  prediction.ended = false;
  rollout.add(0, truth, prediction);
  EXPECT_EQ(rollout.states, (Rate{4, 4}));
  EXPECT_EQ(rollout.traces, (Rate{0, 1}));
  EXPECT_EQ(rollout.late_ends, 1);
}

TEST_F(Metrics, ATraceCutByAStepLimitHasNoEndToPredict) {
  truth.stop = StopReason::step_limit;
  auto stepped = perfect_step();
  stepped.ended[4] = 0;
  auto rolled = perfect_rollout();
  rolled.ended = false;
  rolled.steps.resize(6 * record);
  step.add(0, truth, stepped);
  rollout.add(0, truth, rolled);
  for (const Scores* scores : {&step, &rollout}) {
    EXPECT_EQ(scores->states, (Rate{4, 4}));
    EXPECT_EQ(scores->traces, (Rate{1, 1}));
    EXPECT_EQ(scores->ends, (Rate{0, 0}));
    EXPECT_EQ(scores->surplus_states, 0);
  }
}

TEST_F(Metrics, BitsPerByteCountsTheTrueStatesAndNotTheEnd) {
  auto prediction = perfect_step();
  EXPECT_EQ(to_json(step, *machine).at("bits_per_byte"), nullptr);
  prediction.nats = {1, 2, 3, 4, 1000};
  step.add(0, truth, prediction);
  EXPECT_DOUBLE_EQ(step.bits_per_byte(), 10 / std::log(2.0) / 64);
}

TEST_F(Metrics, ConfidenceIsSplitByRightAndWrong) {
  auto prediction = perfect_step();
  prediction.confidence = {0.4f, 0.95f, 1.0f, 0.95f, 0.1f};
  prediction.steps[3 * record] ^= 1;
  step.add(0, truth, prediction);
  EXPECT_EQ(step.confidence.right, (std::array<int64_t, 7>{1, 0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(step.confidence.wrong, (std::array<int64_t, 7>{0, 0, 1, 0, 0, 0, 0}));
}

// State 3 differs from state 2 in PC, ACC and the instruction: ADD A → INC B.
TEST_F(Metrics, ChangedAndUnchangedBytesAreCountedApart) {
  auto changed = perfect_step(), unchanged = perfect_step();
  changed.steps[2 * record + 1] ^= 1;     // ACC of state 3
  unchanged.steps[2 * record + 15] ^= 1;  // J
  Scores other(Mode::step, *machine);
  step.add(0, truth, changed);
  other.add(0, truth, unchanged);
  EXPECT_EQ(step.changed.wrong(), 1);
  EXPECT_EQ(step.unchanged.wrong(), 0);
  EXPECT_EQ(other.changed.wrong(), 0);
  EXPECT_EQ(other.unchanged.wrong(), 1);
  expect_breakdowns_add_up(step);
}

TEST_F(Metrics, HowErrorsSpreadIsCountedFromTheFirstWrongState) {
  auto spreads = perfect_rollout(), recovers = perfect_rollout();
  for (size_t t = 2; t <= 4; ++t) spreads.steps[(t - 1) * record + 1] ^= 1;
  spreads.steps[3 * record + 15] ^= 1;
  recovers.steps[1 * record + 1] ^= 1;
  rollout.add(0, truth, spreads);
  rollout.add(1, truth, recovers);
  rollout.add(2, truth, perfect_rollout());
  EXPECT_EQ(rollout.after_error, (std::vector<Tally>{{2, 2, 2}, {2, 1, 1}, {2, 1, 2}}));
  EXPECT_EQ(rollout.first_error_by_form.at("LOADI n"), 2);  // what leads to state 2
  EXPECT_EQ(rollout.first_error_by_form.size(), 1u);
  EXPECT_EQ(rollout.by_length.at(4).traces, (Rate{1, 3}));
  EXPECT_EQ(rollout.by_length.at(4).states, (Tally{12, 4, 5}));
  expect_breakdowns_add_up(rollout);
}

TEST_F(Metrics, CalibrationComparesConfidenceWithWhatIsRight) {
  auto prediction = perfect_rollout();
  prediction.confidence = {0.95F, 0.95F, 0.95F, 0.6F};
  prediction.steps[0] ^= 1;
  rollout.add(0, truth, prediction);
  // Three of confidence 0.95, two of them right; one of 0.6, right.
  EXPECT_NEAR(rollout.confidence.calibration_error(), (3 * 0.95 - 2 + (1 - 0.6)) / 4, 1e-6);
  const auto json = to_json(rollout, *machine).at("confidence");
  EXPECT_NEAR(json.at("mean_wrong").get<double>(), 0.95, 1e-6);
  EXPECT_NEAR(json.at("mean_right").get<double>(), (0.95 + 0.95 + 0.6) / 3, 1e-6);
  int64_t total = 0;
  for (const auto& bin : json.at("bins")) total += bin.at("total").get<int64_t>();
  EXPECT_EQ(total, 4);
}

TEST_F(Metrics, TheWorstTracesAreKeptWorstFirst) {
  Scores scores(Mode::rollout, *machine, 2);
  for (const int64_t wrong : {1, 3, 0, 2, 3}) {
    auto prediction = perfect_rollout();
    for (int64_t i = 0; i < wrong; ++i) prediction.steps[static_cast<size_t>(i)] ^= 1;
    scores.add(scores.traces.total, truth, prediction);
  }
  ASSERT_EQ(scores.worst.size(), 2u);
  EXPECT_EQ(scores.worst[0].trace, 1);
  EXPECT_EQ(scores.worst[1].trace, 4);
}

// INC A; HLT with A = 5. State 1 differs from state 0 in PC, OP and ADDR1, state 2 from state 1 in these and
// A, and from state 0 in PC and A.
TEST_F(Metrics, TheCopyBaselineScoresWhatCountingByHandGives) {
  const auto bytes = true_trace(*machine, "INC A\nHLT", {5});
  const Trace tiny{machine->layout(), bytes};
  CopyPredictor copy(machine->layout());
  const std::array traces = {tiny};
  const std::array<int64_t, 1> most = {2 + 16};
  step.add(0, tiny, copy.step(traces)[0]);
  rollout.add(0, tiny, copy.rollout(traces, most)[0]);
  EXPECT_EQ(step.bytes, (Rate{32 - 3 - 4, 32}));
  EXPECT_EQ(step.states, (Rate{0, 2}));
  EXPECT_EQ(step.late_ends, 1);
  EXPECT_EQ(step.changed, (Rate{0, 3 + 4}));
  EXPECT_EQ(step.unchanged, (Rate{32 - 3 - 4, 32 - 3 - 4}));
  EXPECT_EQ(step.by_field[6], (Rate{1, 2}));  // A
  EXPECT_EQ(rollout.bytes, (Rate{32 - 3 - 2, 18 * 16}));
  EXPECT_EQ(rollout.states, (Rate{0, 18}));
  EXPECT_EQ(rollout.surplus_states, 16);
  EXPECT_EQ(rollout.late_ends, 1);
}

TEST(Texts, AccuracyNearOneKeepsItsDigits) {
  EXPECT_EQ(accuracy_text({99, 100}), "99.00 %");
  EXPECT_EQ(accuracy_text({999'999, 1'000'000}), "99.99990 %");
  EXPECT_EQ(accuracy_text({5, 5}), "100 %");
}

// One wrong of many: the interval's upper end is nearer to 1 than its lower one, and still not 1.
TEST(Texts, HundredPerCentIsPrintedOfNoErrorOnly) {
  auto machine = make_machine("toy8", test_memory);
  Scores scores(Mode::step, *machine);
  scores.bytes = {999'999, 1'000'000};
  scores.states = {1000, 1000};
  const nlohmann::ordered_json document = {
      {"predictor", {{"name", "p"}}},
      {"data", {{"source", "d"}, {"layout", {{"machine", "toy8"}, {"memory_bytes", 64}}}}},
      {"modes", {{"step", to_json(scores, *machine)}}}};
  const std::string text = summary(document);
  const size_t bytes = text.find("  bytes"), states = text.find("  states");
  ASSERT_NE(bytes, text.npos) << text;
  const std::string wrong = text.substr(bytes, text.find('\n', bytes) - bytes),
                    right = text.substr(states, text.find('\n', states) - states);
  EXPECT_EQ(wrong.find("100"), wrong.npos) << wrong;
  EXPECT_NE(wrong.find("99.9999975 %"), wrong.npos) << wrong;
  EXPECT_NE(right.find("100 %   99.63 … 100 %; error rate < 0.37 %"), right.npos) << right;
}

}  // namespace
}  // namespace bytecpu
