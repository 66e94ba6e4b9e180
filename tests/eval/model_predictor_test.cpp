// What a trained model is asked in a fast way, against the plain way.
#include "eval/predictors/model_predictor.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "eval/sweeps/exhaustive.hpp"
#include "eval/truth/evaluation.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

// Asks every record of a trace where one is wanted, and never tells the truth in advance.
class PlainPredictor final : public Predictor {
 public:
  explicit PlainPredictor(Predictor& model) : model_(model) {}
  std::string name() const override { return model_.name(); }
  const Layout& layout() const override { return model_.layout(); }
  std::vector<StepPrediction> step(std::span<const Trace> traces) override { return model_.step(traces); }
  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override {
    std::vector<Trace> starts;
    for (const Trace& trace : traces) starts.push_back(trace.first(0));
    return model_.rollout(starts, most);
  }

 private:
  Predictor& model_;
};

// A model that has learnt a little: some of its answers are right.
class ModelPredictor : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    const std::string train =
        std::string(BYTECPU_BIN "/bytecpu-train --memory 64 --max-instructions 15 --family ") + GetParam() +
        " --steps " + std::to_string(steps_) +
        " --byte-init structured --patch-layers 1 --patch-width 64 --patch-heads 2 --patch-length 32 "
        "--byte-layers 1 --byte-width 64 --byte-heads 2 --optimizer muon --learning-rate 0.003 --precision "
        "fp32 --threads 1 --batch-patches 192 --pool-traces 256 --validation-traces 16 --out " +
        folder_.string() + " >/dev/null 2>&1";
    ASSERT_EQ(std::system(train.c_str()), 0) << train;
    model_ = load_model_predictor(folder_, {.precision = "fp32"});
    machine_ = make_machine("toy8", test_memory);
  }
  void TearDown() override { fs::remove_all(folder_); }

  int steps_ = 240;
  fs::path folder_ = fs::path(testing::TempDir()) / ("bytecpu_predictor_" + std::to_string(::getpid()));
  std::unique_ptr<Predictor> model_;
  std::unique_ptr<Machine> machine_;
};
INSTANTIATE_TEST_SUITE_P(Families, ModelPredictor, testing::Values("transition", "bgpt"),
                         [](const auto& family) { return std::string(family.param); });

TEST_P(ModelPredictor, ExhaustiveVerdictsEqualThoseOfWholeTraces) {
  PlainPredictor plain(*model_);
  ExhaustiveOptions options;
  options.most_cases = 60;
  const auto fast = evaluate_exhaustive(*model_, *machine_, options),
             slow = evaluate_exhaustive(plain, *machine_, options);
  EXPECT_EQ(fast.results, slow.results);
  EXPECT_GT(fast.results.wrong(), 0);
  EXPECT_GT(fast.results.right, 0);
  ASSERT_EQ(fast.rows.size(), slow.rows.size());
  for (size_t i = 0; i < fast.rows.size(); ++i) {
    const auto &a = fast.rows[i], &b = slow.rows[i];
    EXPECT_EQ(a.results, b.results) << a.label();
    EXPECT_EQ(a.wrong, b.wrong) << a.label();
    ASSERT_EQ(a.examples.size(), b.examples.size());
    for (size_t k = 0; k < a.examples.size(); ++k) {
      EXPECT_EQ(a.examples[k].predicted, b.examples[k].predicted) << a.label();
    }
  }
}

class BrieflyTrained : public ModelPredictor {
 protected:
  BrieflyTrained() { steps_ = 10; }
};
INSTANTIATE_TEST_SUITE_P(Families, BrieflyTrained, testing::Values("transition", "bgpt"),
                         [](const auto& family) { return std::string(family.param); });

TEST_P(BrieflyTrained, ExportedInBf16ItIsNearlyAsGood) {
  const fs::path exported = folder_ / "exported";
  const std::string command = BYTECPU_BIN "/bytecpu-train export --checkpoint " + folder_.string() +
                              " --out " + exported.string() + " >/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto rounded = load_model_predictor(exported, {.precision = "fp32"});
  EXPECT_EQ(rounded->details().at("step"), model_->details().at("step"));
  ProgramOptions programs;
  programs.max_instructions = 15;
  const TestSet set = fresh_traces(*machine_, programs, 300, 1, nullptr);
  for (const Mode mode : {Mode::step, Mode::rollout}) {
    const auto before = evaluate(*model_, mode, set, *machine_, 128),
               after = evaluate(*rounded, mode, set, *machine_, 128);
    EXPECT_NEAR(after.bytes.accuracy(), before.bytes.accuracy(), 0.01);
    EXPECT_NEAR(after.bits_per_byte(), before.bits_per_byte(), 0.01 * before.bits_per_byte());
  }
}

TEST_P(ModelPredictor, RolloutsAreThoseOfAModelThatIsNotToldTheTruth) {
  PlainPredictor plain(*model_);
  ProgramOptions programs;
  programs.max_instructions = 15;
  const TestSet set = fresh_traces(*machine_, programs, 300, 1, nullptr);
  const auto fast = evaluate(*model_, Mode::rollout, set, *machine_, 128),
             slow = evaluate(plain, Mode::rollout, set, *machine_, 128);
  EXPECT_EQ(fast.bytes, slow.bytes);
  EXPECT_EQ(fast.states, slow.states);
  EXPECT_EQ(fast.ends, slow.ends);
  EXPECT_EQ(fast.first_error, slow.first_error);
  // A bgpt as small as this gets no whole state right.
  EXPECT_GT(GetParam() == std::string("bgpt") ? fast.bytes.right : fast.states.right, 0);
}

}  // namespace
}  // namespace bytecpu
