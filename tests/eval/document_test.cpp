#include "eval/documents/document.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "datagen/dataset/dataset.hpp"
#include "emulator/error.hpp"
#include "eval/documents/text.hpp"
#include "eval/documents/training_metrics.hpp"
#include "eval/sweeps/exhaustive.hpp"
#include "support.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

struct Document : testing::Test {
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
  std::vector<uint8_t> trace = true_trace(*machine, "INC A\nHLT", {5});
};

TEST_F(Document, TellsCountsIntervalsAndExamples) {
  Scores scores(Mode::rollout, *machine);
  Rollout prediction{{trace.begin() + test_memory + 16, trace.end()}, true};
  scores.add(0, Trace(machine->layout(), trace), prediction);
  prediction.steps.back() ^= 1;
  prediction.steps.resize(48);
  scores.add(3, Trace(machine->layout(), trace), prediction);
  const auto json = to_json(scores, *machine);
  EXPECT_EQ(json.at("states").at("right"), 3);
  EXPECT_EQ(json.at("states").at("total"), 5);
  EXPECT_EQ(json.at("states").at("wrong"), 2);
  EXPECT_EQ(json.at("states").at("accuracy"), 0.6);
  EXPECT_EQ(json.at("traces").at("interval").size(), 2u);
  EXPECT_EQ(json.at("by_step").at("states"), (std::vector<int64_t>{2, 2, 1}));
  EXPECT_EQ(json.at("by_step").at("wrong_bytes"), (std::vector<int64_t>{0, 1, 16}));
  EXPECT_EQ(json.at("by_step").at("bins").at(1).at("states"), to_json(Rate{1, 2}));
  EXPECT_EQ(json.at("by_length").at(0).at("traces"), to_json(Rate{1, 2}));
  EXPECT_EQ(json.at("by_length").at(0).at("first"), 2);
  EXPECT_EQ(json.at("after_error").at("bins").at(0).at("states"), to_json(Rate{0, 1}));
  EXPECT_EQ(json.at("changed").at("total").get<int64_t>() + json.at("unchanged").at("total").get<int64_t>(),
            64);
  EXPECT_EQ(json.at("first_error"), (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(json.at("confidence").is_null());
  const auto& example = json.at("examples").at(0);
  EXPECT_EQ(example.at("trace"), 3);
  EXPECT_EQ(example.at("program"), "INC A\nHLT\n");
  EXPECT_EQ(example.at("end"), "late");
  EXPECT_EQ(example.at("rows").size(), 4u);
  EXPECT_EQ(example.at("rows").at(1).at("truth"), "01000201000005000000000000000000");
  EXPECT_TRUE(example.at("rows").at(0).at("line").is_null());
  EXPECT_EQ(example.at("rows").at(1).at("line"), 0);
  EXPECT_EQ(example.at("rows").at(2).at("line"), 1);
  EXPECT_EQ(example.at("rows").at(2).at("predicted"), "02000000000006000000000000000001");
  EXPECT_TRUE(example.at("rows").at(3).at("truth").is_null());
}

TEST_F(Document, ListsWrongOperandsAsABitmap) {
  CorruptedPredictor corrupted(machine->layout());
  corrupted.corrupt_step = [](StepPrediction& p, const Trace& t) {
    const bool plain = t.record(1)[3] == 0;              // names no register
    if (plain && t.record(0)[1] == 9) p.steps[17] ^= 1;  // INC of ACC = 9
  };
  ExhaustiveOptions options;
  options.forms = {"INC"};
  const auto json = to_json(evaluate_exhaustive(corrupted, *machine, options));
  const auto& row = json.at("forms").at(0);
  EXPECT_EQ(row.at("form"), "INC");
  EXPECT_EQ(row.at("operands"), std::vector<std::string>{"ACC"});
  EXPECT_EQ(row.at("results").at("wrong"), 10);
  EXPECT_EQ(row.at("wrong_values"), "0040" + std::string(60, '0'));
  EXPECT_EQ(row.at("examples").size(), 10u);
  EXPECT_EQ(json.at("forms").at(1).at("results").at("wrong"), 0);
  EXPECT_FALSE(json.at("forms").at(1).contains("wrong_values"));
}

TEST_F(Document, ListsSamplesByOperationAndFormTheWorstFirst) {
  const auto arm = make_machine("arm64", 512);
  CorruptedPredictor corrupted(arm->layout());
  int seen = 0;
  corrupted.corrupt_step = [&](StepPrediction& p, const Trace& t) {
    const auto instruction = arm->describe(t.record(1));
    const bool wrong = instruction.name == "madd" || (instruction.form == "lsl r, r, n" && ++seen % 2 == 0);
    if (wrong) p.steps[static_cast<size_t>(2 * t.record_bytes) - 1] ^= 1;
  };
  ExhaustiveOptions options;
  options.forms = {"lsl", "madd", "nop"};
  options.most_cases = 10;
  const auto json = to_json(evaluate_exhaustive(corrupted, *arm, options));
  ASSERT_EQ(json.at("forms").size(), 4u);
  EXPECT_TRUE(json.at("forms").at(0).at("cases").is_null());
  EXPECT_FALSE(json.at("forms").at(0).contains("wrong_values"));
  ASSERT_EQ(json.at("by_operation").size(), 3u);
  EXPECT_EQ(json.at("by_operation").at(0).at("operation"), "lsl");
  EXPECT_EQ(json.at("by_operation").at(0).at("wrong"), 5);
  EXPECT_EQ(json.at("by_operation").at(0).at("total"), 20);

  const auto text = summary({{"predictor", {{"name", "corrupted"}}},
                             {"data", {{"source", "cases"}, {"layout", to_json(arm->layout())}}},
                             {"modes", {{"exhaustive", json}}}});
  std::vector<size_t> places;
  for (const char* line : {"\n  madd r, r, r, r", "\n  lsl r, r, n", "\n  lsl r, r, r", "\n  nop",
                           "\n  errors by operation (2 of 3 have any)", "\n    madd ", "\n    lsl ",
                           "\n15 of 40 cases wrong\n"}) {
    places.push_back(text.find(line));
    EXPECT_NE(places.back(), text.npos) << line << text;
  }
  EXPECT_TRUE(std::ranges::is_sorted(places)) << text;
}

TEST_F(Document, OfManyFormsListsThoseWithAnErrorAlone) {
  const auto arm = make_machine("arm64", 512);
  CorruptedPredictor corrupted(arm->layout());
  corrupted.corrupt_step = [&](StepPrediction& p, const Trace& t) {
    if (arm->describe(t.record(1)).name == "b.ne") p.steps[static_cast<size_t>(t.record_bytes)] ^= 1;
  };
  ExhaustiveOptions options;
  options.most_cases = 2;
  const auto json = to_json(evaluate_exhaustive(corrupted, *arm, options));
  const auto text = summary({{"predictor", {{"name", "corrupted"}}},
                             {"data", {{"source", "cases"}, {"layout", to_json(arm->layout())}}},
                             {"modes", {{"exhaustive", json}}}});
  const auto forms = json.at("forms").size();
  EXPECT_NE(text.find("\n  b.ne n "), text.npos) << text;
  EXPECT_NE(text.find(fmt::format("\n  {} of {} forms are without an error\n", forms - 1, forms)), text.npos)
      << text;
  EXPECT_LT(std::ranges::count(text, '\n'), 15) << text;
}

// A document with nothing but what its title tells.
ordered_json titled(const ordered_json& modes, const ordered_json& predictor) {
  return {{"predictor", predictor},
          {"data", {{"layout", {{"machine", "toy8"}, {"memory_bytes", 1024}}}}},
          {"modes", modes}};
}

const ordered_json a_model = {{"name", "transition"}, {"details", {{"checkpoint", "runs/x"}}}};

ordered_json bytes_of(const Rate& rate) { return {{"bytes", to_json(rate)}}; }

TEST(Title, TellsTheRolloutsWrongBytes) {
  const ordered_json modes = {{"step", bytes_of({7, 9})},
                              {"rollout", bytes_of({665'631, 665'632})},
                              {"exhaustive", {{"results", to_json(Rate{3, 5})}}}};
  EXPECT_EQ(title(titled(modes, a_model)), "toy8, 1,024 bytes: 1 of 665,632 bytes wrong");
}

TEST(Title, OfSingleStepsSaysSo) {
  EXPECT_EQ(title(titled({{"step", bytes_of({7, 9})}}, a_model)),
            "toy8, 1,024 bytes: 2 of 9 bytes wrong, teacher-forced");
}

TEST(Title, OfExhaustiveEvaluationAloneTellsItsCases) {
  const ordered_json modes = {{"exhaustive", {{"results", to_json(Rate{1'662'474, 1'662'474})}}}};
  EXPECT_EQ(title(titled(modes, a_model)), "toy8, 1,024 bytes: 0 of 1,662,474 cases wrong");
}

TEST(Title, NamesABaselineAndPredictedFiles) {
  auto document = titled({{"rollout", bytes_of({7, 9})}}, {{"name", "copy"}, {"details", nullptr}});
  EXPECT_EQ(title(document), "toy8, 1,024 bytes, copy: 2 of 9 bytes wrong");
  document["files"] = ordered_json::object();
  EXPECT_EQ(title(document), "toy8, 1,024 bytes, predicted files: 2 of 9 bytes wrong");
}

TEST(Title, ClaimsNothingWhereNothingWasCounted) {
  EXPECT_EQ(title(ordered_json::object()), "bytecpu evaluation");
  EXPECT_EQ(title(titled(ordered_json::object(), a_model)), "bytecpu evaluation");
  EXPECT_EQ(title(titled({{"rollout", bytes_of({0, 0})}}, a_model)), "toy8, 1,024 bytes: no bytes to count");
}

TEST(TrainingMetrics, AreReadLineByLineWithoutATornLastOne) {
  const auto file =
      std::filesystem::path(testing::TempDir()) / ("metrics_" + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(file) << "{\"step\": 1, \"loss\": 5.5}\n{\"step\": 2}\n{\"ste";
  EXPECT_EQ(read_training_metrics(file).size(), 2u);
  std::ofstream(file) << "{\"step\": 1}\nnonsense\n";
  try {
    read_training_metrics(file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(file.string() + ":2"), std::string::npos) << error.what();
  }
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace bytecpu
