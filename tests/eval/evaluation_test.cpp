#include "eval/truth/evaluation.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/split.hpp"
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
  std::vector<uint8_t> file_of(const Trace& trace) const { return {trace.bytes.begin(), trace.bytes.end()}; }
  // Writes a predicted trace under the name that export gives.
  void write(const Trace& truth, std::span<const uint8_t> predicted) const {
    fs::create_directories(folder / "predicted");
    write_file(folder / "predicted" / bin_file_name(*machine, truth.image()), std::array{predicted});
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
  corrupted.corrupt_step = [](StepPrediction& p, const Trace&) { p.steps[15] ^= 1; };
  corrupted.corrupt_rollout = [](Rollout& p, const Trace&) { p.steps.resize(p.steps.size() - 16); };
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

TEST_F(Evaluation, AnAlteredShardIsRefusedAndSoIsADatasetThatTheMachineContradicts) {
  const fs::path path = dataset(0, 5), shard = path / "test-00000.safetensors";
  auto contents = read_file(shard);
  contents.back() ^= 1;
  write_file(shard, contents);
  const auto expect_refused = [&](const char* said) {
    try {
      dataset_traces(Dataset(path), Split::test, 0, *machine);
      ADD_FAILURE() << "wants " << said;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(said), std::string::npos) << error.what();
    }
  };
  expect_refused("test-00000.safetensors: its checksum");
  // With a checksum to match, as if another program had made it.
  auto manifest = nlohmann::ordered_json::parse(read_file(path / "manifest.json"));
  manifest["splits"]["test"]["shards"][0]["checksum"] =
      checksum({reinterpret_cast<const uint8_t*>(contents.data()), contents.size()});
  write_file(path / "manifest.json", manifest.dump());
  expect_refused("test trace 4");
  const Dataset data(path);
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
    programs.insert(checksum(data.trace(Split::train, i).image()));
  }
  for (const Trace& trace : set.traces) {
    const auto image = trace.image();
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
  for (const Trace& trace : set.traces) write(trace, trace.bytes);
  EXPECT_EQ(
      evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine).scores.traces,
      (Rate{6, 6}));

  auto wrong = file_of(set.traces[0]), longer = file_of(set.traces[1]), shorter = file_of(set.traces[2]);
  wrong[start + 3] ^= 1;
  longer.resize(longer.size() + 32);
  shorter.resize(shorter.size() - 16);
  write(set.traces[0], wrong);
  write(set.traces[1], longer);
  write(set.traces[2], shorter);
  const Scores scores =
      evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine).scores;
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
  const FileScores strict =
      evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine);
  EXPECT_EQ(strict.without_file, 2);
  EXPECT_EQ(strict.scores.traces, (Rate{1, 3}));
  EXPECT_EQ(strict.scores.states.total, set.states);
  const FileScores skipping =
      evaluate_files(folder / "predicted", Split::test, Truth::data, true, set, *machine);
  EXPECT_EQ(skipping.without_file, 2);
  EXPECT_EQ(skipping.scores.traces, (Rate{1, 1}));
}

TEST_F(Evaluation, BadPredictedFilesAreListedAndTheirStatesWrong) {
  const Dataset data(dataset(0, 6));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  const auto states = [&](size_t i) { return set.traces[i].states(); };
  auto torn = file_of(set.traces[0]), other_start = file_of(set.traces[1]), overlong = file_of(set.traces[3]),
       torn_surplus = file_of(set.traces[4]);
  torn.pop_back();
  other_start[start - 1] ^= 1;
  overlong.resize(overlong.size() + 16 * 1000);
  torn_surplus.resize(torn_surplus.size() + 5);
  write(set.traces[0], torn);
  write(set.traces[1], other_start);
  write(set.traces[2], {});
  write(set.traces[3], overlong);
  write(set.traces[4], torn_surplus);
  write(set.traces[5], set.traces[5].bytes);
  write_file(folder / "predicted" / "0123456789abcdef0123456789abcdef.bin", std::string_view("x"));
  fs::create_directory(folder / "predicted" / "folder.bin");
  fs::copy_file(folder / "predicted" / bin_file_name(*machine, set.traces[5].image()),
                folder / "predicted" / "zz-again.bin");

  const FileScores result =
      evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine);
  EXPECT_EQ(result.problems.size(), 8u);
  EXPECT_EQ(result.without_file, 2);
  EXPECT_EQ(result.scores.traces, (Rate{1, 6}));
  EXPECT_EQ(result.scores.missing_states, 1 + states(1) + states(2));
  EXPECT_EQ(result.scores.surplus_states, rollout_slack + 1);
  EXPECT_EQ(result.scores.states,
            (Rate{set.states - 1 - states(1) - states(2), set.states + rollout_slack + 1}));
  const auto said = [&](const std::string& file) {
    for (const auto& problem : result.problems) {
      if (problem.file == file) return problem.problem;
    }
    return std::string("nothing");
  };
  const auto name = [&](size_t i) { return bin_file_name(*machine, set.traces[i].image()); };
  EXPECT_NE(said(name(0)).find("15 bytes into a record"), std::string::npos) << said(name(0));
  EXPECT_NE(said(name(0)).find("1 of"), std::string::npos) << said(name(0));
  EXPECT_NE(said(name(1)).find("as one without a file"), std::string::npos) << said(name(1));
  EXPECT_NE(said(name(2)).find("0 bytes"), std::string::npos) << said(name(2));
  EXPECT_NE(said(name(3)).find("1000 states after the end, 16 of them counted"), std::string::npos);
  EXPECT_NE(said("0123456789abcdef0123456789abcdef.bin").find("not counted"), std::string::npos);
  EXPECT_NE(said("zz-again.bin").find("second prediction"), std::string::npos);
  EXPECT_NE(said("folder.bin"), "nothing");
}

TEST_F(Evaluation, WithoutADatasetTheMachineSaysWhatTheFilesShouldHold) {
  const Dataset data(dataset(0, 6));
  const TestSet exported = dataset_traces(data, Split::test, 0, *machine);
  for (const Trace& trace : exported.traces) write(trace, trace.bytes);
  auto wrong = file_of(exported.traces[0]);
  wrong.back() ^= 1;
  write(exported.traces[0], wrong);
  const auto evaluate_them = [&] {
    const TestSet set = traces_of_files(folder / "predicted", Split::test, *machine);
    return evaluate_files(folder / "predicted", Split::test, Truth::files, false, set, *machine);
  };
  const FileScores result = evaluate_them();
  EXPECT_EQ(result.scores.traces, (Rate{5, 6}));
  EXPECT_EQ(result.scores.bytes, (Rate{16 * exported.states - 1, 16 * exported.states}));
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(result.without_file, 0);

  // Damaged beyond knowing what it should hold: one wrong state.
  write_file(folder / "predicted" / "short.bin", std::string_view("x"));
  const FileScores worse = evaluate_them();
  EXPECT_EQ(worse.scores.traces, (Rate{5, 7}));
  EXPECT_EQ(worse.scores.states, (Rate{exported.states - 1, exported.states + 1}));
  ASSERT_EQ(worse.problems.size(), 1u);
  EXPECT_EQ(worse.problems[0].file, "short.bin");
  EXPECT_EQ(worse.scores.worst.size(), 1u);  // the wrong one; of the damaged one there is nothing to show
}

TEST_F(Evaluation, AProgramThatDoesNotEndIsComparedAsFarAsItsFileGoes) {
  const auto x86 = make_machine("x86_64", 256);
  const Layout& layout = x86->layout();
  const auto trace_of = [&](const std::vector<uint8_t>& code, uint64_t steps) {
    auto begin = x86->load_program(std::string_view(reinterpret_cast<const char*>(code.data()), code.size()),
                                   "program");
    const auto state = x86->first_state();
    begin.insert(begin.end(), state.begin(), state.end());
    TraceBatch run(layout);
    x86->run(begin, {.steps = steps}, run);
    return run.bytes;
  };
  const auto save = [&](const char* name, const std::vector<uint8_t>& bytes) {
    fs::create_directories(folder / "predicted" / "test");
    write_file(folder / "predicted" / "test" / name,
               std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  save("loop.bin", trace_of({0xeb, 0xfe}, 5));        // JMP to itself
  save("more.bin", trace_of({0x90, 0xeb, 0xfe}, 9));  // NOP, JMP to itself
  const TestSet set = traces_of_files(folder / "predicted", Split::test, *x86);
  EXPECT_EQ(set.states, 5 + 9);
  const auto result = evaluate_files(folder / "predicted", Split::test, Truth::files, false, set, *x86);
  EXPECT_EQ(result.scores.bytes, (Rate{14 * layout.record_bytes, 14 * layout.record_bytes}));
  EXPECT_TRUE(result.problems.empty());
  EXPECT_THROW(traces_of_files(folder / "predicted", Split::train, *x86), Error);
}

TEST_F(Evaluation, AFolderWithoutPredictedFilesIsAnError) {
  const Dataset data(dataset(0, 2));
  const TestSet set = dataset_traces(data, Split::test, 0, *machine);
  EXPECT_THROW(evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine), Error);
  fs::create_directories(folder / "predicted");
  EXPECT_THROW(evaluate_files(folder / "predicted", Split::test, Truth::data, false, set, *machine), Error);
  EXPECT_THROW(traces_of_files(folder / "predicted", Split::test, *machine), Error);
}

}  // namespace
}  // namespace bytecpu
