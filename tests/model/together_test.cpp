// Several processes train as one does, and end as one does.
#include "datagen/io/output_folder.hpp"
#include "tests/model/together_support.hpp"

namespace bytecpu {
namespace {

TEST_F(Together, TheStepsAreThoseOfOneProcess) {
  const auto arguments = [&](const char* run) {
    return std::vector<std::string>{"--out",   folder_ / run, "--accumulate", "4", "--validate-every", "10",
                                    "--steps", "20"};
  };
  ASSERT_EQ(train(arguments("one")), 0) << log();
  ASSERT_EQ(run(2, arguments("two")), std::vector({0, 0})) << logs();
  ASSERT_EQ(run(4, arguments("four")), std::vector({0, 0, 0, 0})) << logs();
  expect_same_losses(folder_ / "one", folder_ / "two", 20);
  expect_same_losses(folder_ / "one", folder_ / "four", 20);
  // Once.
  EXPECT_EQ(lines_with("step      20  held out"), 1U) << logs();
  EXPECT_EQ(lines_with("in each of 4 processes"), 1U) << logs();
  // What follows from all that was seen, not from one process's share.
  const auto state = [&](const char* run) { return load_training_state(*find_checkpoint(folder_ / run)); };
  for (const char* name : {"wrong_share", "flops"})
    EXPECT_NEAR(state("one")[name].get<double>(), state("four")[name].get<double>(),
                1e-4 * state("one")[name].get<double>());
  const auto one = state("one")["operation_hardness"].get<std::vector<double>>();
  const auto four = state("four")["operation_hardness"].get<std::vector<double>>();
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], four[i], 1e-4 * one[i]) << i;
}

TEST_F(Together, ASignalToOneOfThemStopsAllAndAnyNumberGoesOn) {
  const auto run_folder = folder_ / "run", whole = folder_ / "whole";
  begin(2, with(endless, {"--out", run_folder}));
  wait_for_checkpoint(run_folder);
  kill(processes_[1], SIGTERM);
  EXPECT_EQ(end(), std::vector({130, 130})) << logs();
  EXPECT_EQ(lines_with("stopped at step"), 1U) << logs();
  // Alone, then together again.
  const int64_t stopped = load_training_state(*find_checkpoint(run_folder))["step"];
  const auto until = [&](int64_t more) {
    auto all = endless;
    all[1] = std::to_string(stopped + more);
    return all;
  };
  ASSERT_EQ(train(with(until(7), {"--out", run_folder, "--resume"})), 0) << log();
  ASSERT_EQ(run(2, with(until(14), {"--out", run_folder, "--resume"})), std::vector({0, 0})) << logs();
  ASSERT_EQ(train(with(until(14), {"--out", whole})), 0) << log();
  expect_same_losses(run_folder, whole, stopped + 14);
}

TEST_F(Together, ABudgetInMinutesEndsAllAtOneStep) {
  // The first writes a checkpoint after every step, while the clocks of the others go on.
  EXPECT_EQ(
      run(2, {"--out", folder_ / "run", "--steps", "0", "--minutes", "0.02", "--checkpoint-every", "1"}),
      std::vector({0, 0}))
      << logs();
}

TEST_F(Together, ABudgetInOperationsIsThatOfAll) {
  const std::vector<std::string> budget = {"--steps", "0", "--petaflops", "4e-6"};
  ASSERT_EQ(train(with(budget, {"--out", folder_ / "one"})), 0) << log();
  ASSERT_EQ(run(2, with(budget, {"--out", folder_ / "two"})), std::vector({0, 0})) << logs();
  const auto one = losses(folder_ / "one"), two = losses(folder_ / "two");
  EXPECT_GT(one.size(), 3U);
  EXPECT_EQ(one.size(), two.size());
}

TEST_F(Together, ADivergenceEndsAllWithOneLine) {
  EXPECT_EQ(run(2, {"--out", folder_ / "run", "--steps", "500", "--schedule", "constant", "--warmup", "0",
                    "--learning-rate", "1e6", "--clip", "0", "--checkpoint-every", "1"}),
            std::vector({1, 1}));
  EXPECT_EQ(lines_with("diverges"), 1U) << logs();
  EXPECT_EQ(lines_with("bytecpu-train: "), 1U) << logs();
}

TEST_F(Together, BatchesThatTheyCannotShareAreRefusedInOneLine) {
  EXPECT_EQ(run(2, {"--out", folder_ / "run", "--accumulate", "3"}), std::vector({1, 1}));
  EXPECT_EQ(lines_with("2 processes cannot share 3 batches a step: let accumulate be 2 or a multiple of it"),
            1U)
      << logs();
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(Together, AnErrorOfOneEndsAll) {
  // Another's folder, which only the first notices.
  fs::create_directories(folder_ / "run");
  const OutputFolder other(folder_ / "run");
  EXPECT_EQ(run(2, {"--out", folder_ / "run"}), std::vector({1, 1}));
  EXPECT_EQ(lines_with("another process is writing to it"), 1U) << logs();
}

TEST_F(Together, OfOneIsAlone) {
  EXPECT_EQ(run(1, {"--out", folder_ / "run", "--steps", "2"}), std::vector({0}));
  EXPECT_EQ(lines_with("processes"), 0U) << logs();
}

}  // namespace
}  // namespace bytecpu
