#include "eval/sweeps/exhaustive.hpp"

#include <gtest/gtest.h>

#include <set>

#include "emulator/error.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

// The four bytes of the instruction that a trace isolates: where state 0's PC points.
std::span<const uint8_t> instruction_of(const Trace& trace) {
  return trace.image().subspan(4 * trace.record(0)[0], 4);
}

struct Exhaustive : testing::Test {
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);

  ExhaustiveScores run(Predictor& predictor, std::vector<std::string> forms, int64_t most = 0) {
    ExhaustiveOptions options;
    options.forms = std::move(forms);
    options.most_cases = most;
    return evaluate_exhaustive(predictor, *machine, options);
  }
};

TEST_F(Exhaustive, CoversEveryFormThatRandomProgramsHave) {
  std::set<std::string> random_forms, tested;
  NativeRandom random(0, 0);
  ProgramOptions options;
  options.max_instructions = 16;
  std::vector<uint8_t> start(static_cast<size_t>(machine->layout().start_bytes()));
  for (int i = 0; i < 500; ++i) {
    machine->random_start(random, options, start);
    TraceBatch batch(machine->layout());
    machine->run(start, {}, batch);
    const Trace trace = batch[0];
    for (int64_t t = 1; t <= trace.states(); ++t)
      random_forms.insert(machine->describe(trace.record(t)).form);
  }
  OraclePredictor oracle(make_machine("toy8", test_memory));
  for (const auto& row : run(oracle, {}, 1).rows) tested.insert(row.form);
  EXPECT_EQ(tested, random_forms);
}

TEST_F(Exhaustive, GoesThroughEveryValueOfTheOperands) {
  struct Recorder final : Predictor {
    explicit Recorder(const Layout& l) : oracle(make_machine(l.machine, l.memory_bytes)) {}
    OraclePredictor oracle;
    std::set<std::pair<int, int>> pairs;
    std::set<int> registers, places;
    std::string name() const override { return "recorder"; }
    const Layout& layout() const override { return oracle.layout(); }
    std::vector<StepPrediction> step(std::span<const Trace> traces) override {
      for (const Trace& trace : traces) {
        const auto state = trace.record(0), code = instruction_of(trace);
        pairs.emplace(state[5 + code[1]], state[5 + code[2]]);
        registers.insert(code[1]);
        places.insert(state[0]);
        EXPECT_NE(code[1], code[2]);
        EXPECT_EQ(trace.bytes.size(), test_memory + 3 * 16);
        if (state[0] == 0) continue;
        // State 0 is what an instruction before it, which changes nothing, leaves.
        EXPECT_TRUE(std::ranges::equal(state.subspan(2, 4), trace.image().subspan(4 * (state[0] - 1), 4)));
        EXPECT_EQ(state[3], state[4]);
        EXPECT_EQ(state[5], 0);
      }
      return oracle.step(traces);
    }
    std::vector<Rollout> rollout(std::span<const Trace>, std::span<const int64_t>) override { return {}; }
  } recorder(machine->layout());
  const auto scores = run(recorder, {"DIV R R"});
  EXPECT_EQ(scores.results, (Rate{65536, 65536}));
  EXPECT_EQ(recorder.pairs.size(), 65536u);
  EXPECT_EQ(recorder.registers.size(), 10u);
  EXPECT_EQ(recorder.places.size(), 14u);  // of 16 instructions, the halting one and PC's last place not
  EXPECT_EQ(*recorder.places.rbegin(), 13);

  ExhaustiveOptions options;
  options.forms = {"XOR R R"};
  options.most_cases = 100;
  options.places = 1;
  recorder.places.clear();
  evaluate_exhaustive(recorder, *machine, options);
  EXPECT_EQ(recorder.places, std::set<int>{0});
}

TEST_F(Exhaustive, SamplesOfASweepAreDistinctAndVaryBothOperands) {
  CopyPredictor copy(machine->layout());
  for (const int64_t most : {100, 1000, 65535}) {
    const auto row = run(copy, {"MUL R R"}, most).rows.at(0);
    EXPECT_EQ(row.results, (Rate{0, most}));
    std::set<size_t> first, second;
    int64_t marked = 0;
    for (size_t i = 0; i < row.wrong.size(); ++i) {
      if (!row.wrong[i]) continue;
      ++marked;
      first.insert(i / 256);
      second.insert(i % 256);
    }
    EXPECT_EQ(marked, most);
    EXPECT_GE(first.size(), 80u);
    EXPECT_GE(second.size(), 80u);
  }
}

TEST_F(Exhaustive, FindsExactlyTheOperandsThatArePredictedWrong) {
  CorruptedPredictor corrupted(machine->layout());
  corrupted.corrupt_step = [](StepPrediction& p, const Trace& trace) {
    const auto code = instruction_of(trace), state = trace.record(0);
    const bool division = code[0] == 16 && code[3] == 0 && code[2] != 0;  // DIV R S
    if (division && state[5 + code[2]] == 0) p.steps[16 + 1] ^= 1;        // by zero: the result's ACC
  };
  const auto scores = run(corrupted, {"DIV R R", "DIV R R (same)", "DIV R R R (same)", "MOV R R (same)"});
  for (const auto& row : scores.rows) {
    const bool hit = row.form == "DIV R R";
    const int64_t wrong = !hit ? 0 : row.same_register ? 10 : 256;
    EXPECT_EQ(row.results.wrong(), wrong) << row.label();
    for (size_t i = 0; i < row.wrong.size(); ++i) {
      EXPECT_EQ(row.wrong[i], hit && i % 256 == 0 ? (row.same_register ? 10 : 1) : 0);
    }
    EXPECT_EQ(row.examples.empty(), !hit);
  }
  EXPECT_EQ(scores.results.wrong(), 266);
}

TEST_F(Exhaustive, OfHltTheResultIsTheEndAndOfNoOther) {
  CorruptedPredictor corrupted(machine->layout());
  corrupted.corrupt_step = [](StepPrediction& p, const Trace&) { p.ended.back() = 0; };
  const auto scores = run(corrupted, {"INC", "HLT"});
  EXPECT_EQ(scores.rows[0].form, "HLT");
  EXPECT_EQ(scores.rows[0].results, (Rate{0, 10}));  // HLT has no other result than the end
  EXPECT_EQ(scores.rows[1].results, (Rate{2560, 2560}));
}

TEST_F(Exhaustive, UnknownFormsAreUsageErrors) {
  CopyPredictor copy(machine->layout());
  EXPECT_THROW(run(copy, {"JMP"}), UsageError);
}

}  // namespace
}  // namespace bytecpu
