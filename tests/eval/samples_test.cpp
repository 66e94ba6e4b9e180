// Exhaustive evaluation of the native machines, which is by samples.
#include <gtest/gtest.h>

#include <set>

#include "emulator/error.hpp"
#include "eval/sweeps/exhaustive.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

constexpr int memory = 512;

struct Samples : testing::TestWithParam<const char*> {
  std::unique_ptr<Machine> machine = make_machine(GetParam(), memory);

  ExhaustiveScores run(Predictor& predictor, int64_t most, uint64_t seed = 0,
                       std::vector<std::string> forms = {}) {
    ExhaustiveOptions options;
    options.forms = std::move(forms);
    options.most_cases = most;
    options.seed = seed;
    return evaluate_exhaustive(predictor, *machine, options);
  }
};
INSTANTIATE_TEST_SUITE_P(Machines, Samples, testing::Values("arm64", "x86_64", "thumb"),
                         [](const auto& machine) { return std::string(machine.param); });

// Keeps the traces that it is given.
struct Recorder final : Predictor {
  explicit Recorder(const Layout& layout) : oracle(make_machine(layout.machine, layout.memory_bytes)) {}
  OraclePredictor oracle;
  std::vector<std::vector<uint8_t>> traces;

  std::string name() const override { return "recorder"; }
  const Layout& layout() const override { return oracle.layout(); }
  std::vector<StepPrediction> step(std::span<const Trace> given) override {
    for (const Trace& trace : given) traces.emplace_back(trace.bytes.begin(), trace.bytes.end());
    return oracle.step(given);
  }
  std::vector<Rollout> rollout(std::span<const Trace>, std::span<const int64_t>) override { return {}; }
};

TEST_P(Samples, CoverEveryOperationAndFormThatRandomProgramsHave) {
  std::set<std::string> random_forms, tested;
  NativeRandom random(0, 0);
  ProgramOptions options;
  options.max_instructions = machine->most_instructions();
  std::vector<uint8_t> start(static_cast<size_t>(machine->layout().start_bytes()));
  for (int i = 0; i < 3000; ++i) {
    machine->random_start(random, options, start);
    TraceBatch batch(machine->layout());
    machine->run(start, {.steps = 1000}, batch);
    const Trace trace = batch[0];
    for (int64_t t = 1; t <= trace.states(); ++t) {
      const auto instruction = machine->describe(trace.record(t));
      if (instruction.operation >= 0) random_forms.insert(instruction.form);
    }
  }
  OraclePredictor oracle(make_machine(GetParam(), memory));
  const auto scores = run(oracle, 8);
  for (const auto& row : scores.rows) {
    tested.insert(row.form);
    EXPECT_TRUE(row.form == row.operation || row.form.starts_with(row.operation + " ")) << row.form;
  }
  EXPECT_EQ(tested, random_forms);
  std::vector<std::string> operations;
  for (const auto& [operation, rate] : scores.by_operation()) operations.push_back(operation);
  EXPECT_TRUE(std::ranges::equal(operations, machine->operations()));
}

TEST_P(Samples, AreAsManyOfEachFormAsAskedForAndAllRightWhereThePredictorIs) {
  OraclePredictor oracle(make_machine(GetParam(), memory));
  const auto scores = run(oracle, 40);
  int64_t total = 0;
  for (const auto& row : scores.rows) {
    EXPECT_EQ(row.results, (Rate{40, 40})) << row.form;
    EXPECT_EQ(row.cases, 0);
    EXPECT_TRUE(row.wrong.empty());
    total += row.results.total;
  }
  EXPECT_EQ(scores.results, (Rate{total, total}));
  EXPECT_EQ(total, count_cases(exhaustive_cases(*machine, {.forms = {}, .most_cases = 40})));
}

TEST_P(Samples, OfACorruptedOperationAloneAreWrong) {
  CorruptedPredictor corrupted(machine->layout());
  const std::string name(machine->operations().front());
  corrupted.corrupt_step = [&](StepPrediction& p, const Trace& trace) {
    const auto last = static_cast<size_t>(2 * trace.record_bytes) - 1;
    if (machine->describe(trace.record(1)).name == name) p.steps[last] ^= 1;
  };
  const auto scores = run(corrupted, 20);
  int64_t wrong = 0;
  for (const auto& row : scores.rows) {
    EXPECT_EQ(row.results.wrong(), row.operation == name ? row.results.total : 0) << row.form;
    EXPECT_EQ(row.examples.empty(), row.operation != name);
    wrong += row.results.wrong();
  }
  EXPECT_GT(wrong, 0);
  for (const auto& [operation, rate] : scores.by_operation())
    EXPECT_EQ(rate.wrong(), operation == name ? wrong : 0) << operation;
}

TEST_P(Samples, AreThoseOfTheSeed) {
  const auto traces = [&](uint64_t seed, std::vector<std::string> forms = {}) {
    Recorder recorder(machine->layout());
    run(recorder, 3, seed, std::move(forms));
    return recorder.traces;
  };
  const auto first = traces(7);
  EXPECT_EQ(first, traces(7));
  EXPECT_NE(first, traces(8));
  const std::string last(machine->operations().back());
  const auto chosen = traces(7, {last});  // the same ones
  ASSERT_FALSE(chosen.empty());
  EXPECT_TRUE(std::ranges::equal(chosen, std::span(first).last(chosen.size())));
}

TEST_P(Samples, AreAtTheFirstPlacesWhereThoseAreAskedFor) {
  Recorder recorder(machine->layout());
  evaluate_exhaustive(recorder, *machine, {.forms = {}, .most_cases = 5, .places = 1});
  for (const auto& bytes : recorder.traces) {
    const Trace trace(machine->layout(), bytes);
    const auto pc = trace.record(0)[0];
    EXPECT_LE(pc, 8) << machine->describe(trace.record(1)).text;  // what prepares its operands goes before
    EXPECT_EQ(trace.record(0)[1], 0);
  }
}

TEST_P(Samples, OfUnknownFormsAreUsageErrors) {
  OraclePredictor oracle(make_machine(GetParam(), memory));
  EXPECT_THROW(run(oracle, 1, 0, {"ADD R R"}), UsageError);
}

}  // namespace
}  // namespace bytecpu
