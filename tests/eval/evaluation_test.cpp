#include "eval/evaluation.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "datagen/bin_files.hpp"
#include "datagen/files.hpp"
#include "datagen/generate.hpp"
#include "datagen/split.hpp"
#include "emulator/error.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

struct Evaluation : testing::Test {
  fs::path folder = fs::path(testing::TempDir()) / ("bytecpu_" + std::to_string(::getpid()));
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
  const size_t start = static_cast<size_t>(machine->layout().start_bytes());

  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  fs::path dataset(int64_t train, int64_t test, int window = 0) const {
    GenerateOptions options;
    options.memory_bytes = test_memory;
    options.programs.max_instructions = test_memory / 4;
    options.programs.window_steps = window;
    options.traces = {train, test};
    options.out = folder / "data";
    generate(options);
    return options.out;
  }
  std::vector<uint8_t> file_of(const TrueTrace& trace) const {
    return {trace.bytes.begin(), trace.bytes.end()};
  }
  // Writes a predicted trace under the name that export gives.
  void write(const TrueTrace& truth, std::span<const uint8_t> predicted) const {
    fs::create_directories(folder / "predicted");
    const auto image = truth.bytes.first(static_cast<size_t>(test_memory));
    write_file(folder / "predicted" / bin_file_name(*machine, image), std::array{predicted});
  }
};

TEST_F(Evaluation, TheOracleIsRightInEveryStepOfBothModes) {
  const Dataset data(dataset(0, 100));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  ASSERT_EQ(set.traces.size(), 100u);
  OraclePredictor oracle(make_machine("toy8", test_memory));
  for (const Mode mode : {Mode::step, Mode::rollout}) {
    int64_t done = 0;
    const Scores scores = evaluate(oracle, mode, set, *machine, 7, [&](int64_t states) { done = states; });
    EXPECT_EQ(scores.states, (Rate{set.states, set.states}));
    EXPECT_EQ(scores.bytes, (Rate{16 * set.states, 16 * set.states}));
    EXPECT_EQ(scores.traces, (Rate{100, 100}));
    EXPECT_EQ(scores.ends, (Rate{100, 100}));
    EXPECT_EQ(done, set.states);
  }
}

TEST_F(Evaluation, KnownCorruptionsAreCountedExactly) {
  const Dataset data(dataset(0, 60));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  CorruptedPredictor corrupted(machine->layout());
  corrupted.corrupt_step = [](StepPrediction& p, std::span<const uint8_t>) { p.records[15] ^= 1; };
  corrupted.corrupt_rollout = [](RolloutPrediction& p, std::span<const uint8_t>) {
    p.records.resize(p.records.size() - 16);
  };
  const Scores step = evaluate(corrupted, Mode::step, set, *machine, 16);
  const Scores rollout = evaluate(corrupted, Mode::rollout, set, *machine, 16);
  EXPECT_EQ(step.bytes.wrong(), 60);
  EXPECT_EQ(step.states.wrong(), 60);
  EXPECT_EQ(step.traces.right, 0);
  EXPECT_EQ(step.ends.right, 60);
  EXPECT_EQ(step.by_form.at("(first fetch)"), (Tally{60, 60, 60}));
  EXPECT_EQ(rollout.missing_states, 60);
  EXPECT_EQ(rollout.bytes.wrong(), 16 * 60);
  EXPECT_EQ(rollout.states.total, set.states);
  EXPECT_EQ(rollout.by_form.size() > 1, true);
}

TEST_F(Evaluation, ARolloutThatNeverEndsIsCutSixteenStatesAfterTheTruth) {
  const Dataset data(dataset(0, 10));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  CopyPredictor copy(machine->layout());
  const Scores scores = evaluate(copy, Mode::rollout, set, *machine, 4);
  EXPECT_EQ(scores.surplus_states, 160);
  EXPECT_EQ(scores.states.total, set.states + 160);
}

TEST_F(Evaluation, WindowsAreScoredWithoutTheirEnds) {
  const Dataset data(dataset(0, 40, 4));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  OraclePredictor oracle(make_machine("toy8", test_memory));
  for (const Mode mode : {Mode::step, Mode::rollout}) {
    const Scores scores = evaluate(oracle, mode, set, *machine, 16);
    EXPECT_EQ(scores.traces, (Rate{40, 40}));
    EXPECT_LT(scores.ends.total, 40);
    EXPECT_EQ(scores.ends.wrong(), 0);
  }
}

TEST_F(Evaluation, ADatasetThatTheMachineContradictsIsRefused) {
  const fs::path path = dataset(0, 5);
  {
    std::fstream shard(path / "test-00000.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    shard.seekp(-1, std::ios::end);
    shard.put(static_cast<char>(shard.peek() ^ 1));
  }
  const Dataset data(path);
  try {
    dataset_traces(data, Split::test, 0, *machine);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("test trace 4"), std::string::npos) << error.what();
  }
  EXPECT_EQ(dataset_traces(data, Split::test, 4, *machine).traces.size(), 4u);
  EXPECT_THROW(dataset_traces(data, Split::train, 0, *machine), Error);
  EXPECT_THROW(dataset_traces(data, Split::test, 0, *make_machine("toy8", 128)), Error);
}

TEST_F(Evaluation, FreshProgramsAreTestProgramsThatNoTraceOfTheTrainSplitHas) {
  ProgramOptions options;
  options.max_instructions = 3;
  const Dataset data(dataset(500, 10));
  const TestSet set = fresh_traces(*machine, options, 50, 1, &data);
  const TestSet again = fresh_traces(*machine, options, 50, 1, &data);
  EXPECT_EQ(checksum(set.fresh.bytes), checksum(again.fresh.bytes));
  EXPECT_NE(checksum(set.fresh.bytes), checksum(fresh_traces(*machine, options, 50, 2, &data).fresh.bytes));
  std::set<std::string> programs;
  for (size_t i = 0; i < data.size(Split::train); ++i) {
    programs.insert(checksum(data.trace(Split::train, i).first(test_memory)));
  }
  for (const TrueTrace& trace : set.traces) {
    const auto image = trace.bytes.first(test_memory);
    EXPECT_EQ(split_of(image), Split::test);
    EXPECT_TRUE(programs.insert(checksum(image)).second);
  }
}

TEST_F(Evaluation, TooFewFreshProgramsAreAnError) {
  ProgramOptions options;
  options.max_instructions = 2;
  EXPECT_THROW(fresh_traces(*machine, options, 2000, 0, nullptr), Error);
}

TEST_F(Evaluation, PredictedFilesAreScoredAsRollouts) {
  const Dataset data(dataset(0, 6));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  for (const TrueTrace& trace : set.traces) write(trace, trace.bytes);
  EXPECT_EQ(evaluate_files(folder / "predicted", false, set, *machine).scores.traces, (Rate{6, 6}));

  auto wrong = file_of(set.traces[0]), longer = file_of(set.traces[1]), shorter = file_of(set.traces[2]);
  wrong[start + 3] ^= 1;
  longer.resize(longer.size() + 32);
  shorter.resize(shorter.size() - 16);
  write(set.traces[0], wrong);
  write(set.traces[1], longer);
  write(set.traces[2], shorter);
  const Scores scores = evaluate_files(folder / "predicted", false, set, *machine).scores;
  EXPECT_EQ(scores.traces, (Rate{3, 6}));
  EXPECT_EQ(scores.bytes, (Rate{16 * set.states - 1 - 16, 16 * set.states + 32}));
  EXPECT_EQ(scores.states, (Rate{set.states - 2, set.states + 2}));
  EXPECT_EQ(scores.surplus_states, 2);
  EXPECT_EQ(scores.missing_states, 1);
}

TEST_F(Evaluation, ATraceWithoutAFileIsAllWrongOrLeftOut) {
  const Dataset data(dataset(0, 3));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  write(set.traces[0], set.traces[0].bytes);
  const FileScores strict = evaluate_files(folder / "predicted", false, set, *machine);
  EXPECT_EQ(strict.without_file, 2);
  EXPECT_EQ(strict.scores.traces, (Rate{1, 3}));
  EXPECT_EQ(strict.scores.states.total, set.states);
  const FileScores skipping = evaluate_files(folder / "predicted", true, set, *machine);
  EXPECT_EQ(skipping.without_file, 2);
  EXPECT_EQ(skipping.scores.traces, (Rate{1, 1}));
}

TEST_F(Evaluation, BadPredictedFilesAreErrorsThatNameThem) {
  const Dataset data(dataset(0, 2));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  const std::string name = bin_file_name(*machine, set.traces[0].bytes.first(test_memory));
  const auto expect_error = [&](const std::string& named) {
    try {
      evaluate_files(folder / "predicted", false, set, *machine);
      ADD_FAILURE() << "no error naming " << named;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  };
  expect_error("predicted");  // no such folder
  auto bytes = file_of(set.traces[0]);
  bytes.pop_back();
  write(set.traces[0], bytes);
  expect_error(name);  // a torn record
  bytes = file_of(set.traces[0]);
  bytes[start - 1] ^= 1;
  write(set.traces[0], bytes);
  expect_error(name);  // another state 0
  write(set.traces[0], {});
  expect_error(name);  // empty
  write(set.traces[0], set.traces[0].bytes);
  write_file(folder / "predicted" / "0123456789abcdef0123456789abcdef.bin", std::string_view("x"));
  expect_error("0123456789abcdef0123456789abcdef");
}

}  // namespace
}  // namespace bytecpu
