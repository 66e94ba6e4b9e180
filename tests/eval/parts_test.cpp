// An evaluation made in parts is the evaluation that one process makes.
#include <cmath>
#include <limits>

#include "datagen/dataset/generate.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/random.hpp"
#include "eval/documents/counts.hpp"
#include "eval/documents/judge.hpp"
#include "eval/documents/merge.hpp"
#include "support.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using test::expect_error;

TEST(ExactSum, IsTheSameInAnyOrder) {
  ExactSum forth, back;
  NativeRandom random(1, 1);
  std::vector<double> terms;
  double plain = 0;
  for (int i = 0; i < 1000; ++i)
    terms.push_back(std::ldexp(random.below(1 << 30), -static_cast<int>(i % 50)));
  for (const double term : terms) forth.add(term);
  for (auto term = terms.rbegin(); term != terms.rend(); ++term) back.add(*term);
  for (const double term : terms) plain += term;
  EXPECT_EQ(forth.value(), back.value());
  EXPECT_EQ(forth.text(), back.text());
  EXPECT_NEAR(forth.value(), plain, 1e-12 * plain);
  EXPECT_EQ(ExactSum::from_text(forth.text()).text(), forth.text());
  ExactSum tiny;
  for (int i = 0; i < 1000; ++i) tiny.add(1e-12);
  EXPECT_NEAR(tiny.value(), 1e-9, 1e-14);
  tiny.add(-2);
  EXPECT_NEAR(ExactSum::from_text(tiny.text()).value(), -2, 1e-8);
  tiny.add(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isinf(ExactSum::from_text(tiny.text()).value()));
  for (const char* wrong :
       {"", "1", "x 0", "1 x", "- 0", "1.5 0", "999999999999999999999999999999999999999 0"}) {
    EXPECT_THROW(ExactSum::from_text(wrong), Error) << wrong;
  }
}

// The document without what no two evaluations have in common.
ordered_json timeless(ordered_json document) {
  for (const char* key : {"command", "time"}) document.erase(key);
  for (auto& [mode, scores] : document["modes"].items()) scores.erase("seconds");
  return document;
}

// Makes mistakes that depend on nothing but the trace, and has opinions about them.
class Mistaken {
 public:
  explicit Mistaken(const Layout& layout) : predictor(layout) {
    predictor.corrupt_step = [](StepPrediction& p, const Trace& trace) {
      NativeRandom random(program_hash(trace.image()), 1);
      p.nats.resize(p.ended.size());
      p.confidence.resize(p.ended.size());
      for (size_t i = 0; i < p.ended.size(); ++i) {
        p.nats[i] =
            std::ldexp(static_cast<float>(random.below(1 << 24)), -static_cast<int>(random.below(50)));
        p.confidence[i] = static_cast<float>(random.below(1 << 24)) / (1 << 24);
        if (i + 1 < p.ended.size() && random.below(5) == 0) p.steps[i * 16 + random.below(16)] ^= 1;
      }
      if (random.below(10) == 0) p.ended.back() = !p.ended.back();
    };
    predictor.corrupt_rollout = [](Rollout& p, const Trace& trace) {
      NativeRandom random(program_hash(trace.image()), 2);
      if (random.below(3) == 0) p.steps.resize(p.steps.size() + 16);
      if (random.below(3) == 0) p.steps.resize(p.steps.size() / 32 * 16);
      if (!p.steps.empty() && random.below(2) == 0) p.steps[random.below(p.steps.size())] ^= 1;
      p.confidence.assign(p.steps.size() / 16, 0);
      for (float& confidence : p.confidence)
        confidence = static_cast<float>(random.below(1 << 24)) / (1 << 24);
    };
  }

  CorruptedPredictor predictor;
};

struct EvaluationParts : testing::Test {
  test::TemporaryFolder folder;
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
  Mistaken mistaken{machine->layout()};
  TestSet set = fresh_traces(*machine, {.max_instructions = 16}, 40, 1, nullptr);
  std::vector<std::string> modes = {"step", "rollout", "exhaustive"};

  ordered_json evaluate_part(std::optional<Part> part) {
    set.part = part;
    const auto cases = exhaustive_cases(*machine, {.forms = {"DIV", "PUSH", "SUB"}, .most_cases = 700});
    auto& predictor = mistaken.predictor;
    auto document = new_document({{"name", predictor.name()}, {"details", predictor.details()}},
                                 fresh_json(*machine, set, 1, {.max_instructions = 16}));
    for (const auto& mode : modes) {
      document["modes"][mode] = judge(mode, predictor, set, *machine, cases, 7, "");
    }
    return part ? part_document(document, *part, {{"seed", 1}}) : document;
  }

  std::vector<fs::path> write_parts(int count) {
    std::vector<fs::path> files;
    for (int index = count; index >= 1; --index) {
      files.push_back(folder / fmt::format("{}-{}.json", index, count));
      write_file(files.back(), json_text(evaluate_part(Part{index, count})));
    }
    return files;
  }
};

TEST_F(EvaluationParts, AddUpToTheDocumentOfOne) {
  const auto whole = timeless(evaluate_part({}));
  const auto& step = whole.at("modes").at("step");
  EXPECT_GT(step.at("states").at("wrong"), 0);
  EXPECT_EQ(step.at("examples").size(), 10u);
  EXPECT_FALSE(step.at("confidence").is_null());
  EXPECT_GT(step.at("bits_per_byte"), 0.0);
  EXPECT_GT(whole.at("modes").at("exhaustive").at("results").at("wrong"), 100);
  for (const int count : {1, 3, 50}) {
    const auto merged = timeless(merge_parts_of_evaluation(write_parts(count)));
    for (const auto& mode : modes) {
      for (const auto& [key, value] : whole.at("modes").at(mode).items()) {
        EXPECT_TRUE(merged.at("modes").at(mode).at(key) == value) << count << ' ' << mode << ' ' << key;
      }
    }
    EXPECT_TRUE(merged.dump() == whole.dump()) << count;
  }
}

TEST_F(EvaluationParts, EachDoesItsShareOnly) {
  modes = {"step", "exhaustive"};
  const auto traces = [&](int index, int count) {
    Scores scores(Mode::step, *machine);
    add_counts(evaluate_part(Part{index, count}).at("modes").at("step").at("counts"), scores);
    return scores.traces.total;
  };
  EXPECT_EQ(traces(1, 3), 14);
  EXPECT_EQ(traces(3, 3), 13);
  EXPECT_EQ(traces(50, 50), 0);
}

TEST_F(EvaluationParts, RefuseWhatIsNotOneEvaluation) {
  modes = {"step"};
  const auto files = write_parts(3);  // of parts 3, 2, 1
  const auto refused = [&](std::vector<fs::path> of, std::initializer_list<std::string_view> texts) {
    expect_error([&] { merge_parts_of_evaluation(of); }, texts);
  };
  const auto part = ordered_json::parse(read_file(files[1]));
  const auto other = folder / "other.json";
  const auto changed = [&](auto change) {
    auto json = part;
    change(json);
    test::put(other, json.dump());
    return std::vector{files[0], other, files[2]};
  };
  refused({files[0]}, {"of 3 parts 2 are missing: 1, 2"});
  refused({files[0], files[2]}, {"of 3 parts one is missing: 2"});
  refused({files[0], files[1], files[1], files[2]}, {"part 2/3 is there twice"});
  refused(changed([](auto& j) { j["parts"] = 4; }), {"is one of 3 parts, and", "is one of 4"});
  refused(changed([](auto& j) { j["part"] = 4; }), {"other.json: there is no part 4 of 3"});
  refused(changed([](auto& j) { j["predictor"]["details"]["step"] = 7; }),
          {"predictor.details.step is null in", "and 7 in"});
  refused(changed([](auto& j) { j["data"]["seed"] = 2; }),
          {"data.seed is 1 in", "and 2 in", "two evaluations"});
  refused(changed([](auto& j) { j["settings"]["seed"] = 2; }), {"settings.seed is 1 in"});
  refused(changed([](auto& j) { j["bytecpu"] = "0.0"; }), {"bytecpu is"});
  refused(changed([](auto& j) { j["format"] = "bytecpu-evaluation"; }), {"it is a whole evaluation"});
  refused(changed([](auto& j) { j["version"] = 2; }), {"format version 2"});
  test::put(other, "{");
  refused({files[0], other, files[2]}, {"other.json: not a part of an evaluation"});
  EXPECT_NO_THROW(
      merge_parts_of_evaluation(changed([](auto& j) { j["predictor"]["details"]["device"] = "cuda:1"; })));
}

TEST_F(EvaluationParts, DamagedCountsAreOneErrorThatNamesTheFile) {
  const auto files = write_parts(2);
  const auto part = ordered_json::parse(read_file(files[0]));
  std::string wrong = files[0].string();
  const auto refused = [&](auto change) {
    auto json = part;
    change(json["modes"]["step"]["counts"], json["modes"]["exhaustive"]["counts"]["rows"]);
    test::put(files[0], json.dump());
    expect_error([&] { merge_parts_of_evaluation(files); }, {wrong});
  };
  refused([](auto& step, auto&) { step["bytes"] = {5, 4}; });
  refused([](auto& step, auto&) { step["states"] = {-1, 4}; });
  refused([](auto& step, auto&) { step["nats"] = "many"; });
  refused([](auto& step, auto&) { step["by_field"].erase(0); });
  refused([](auto& step, auto&) { step.erase("by_form"); });
  refused([](auto& step, auto&) { step["worst"][0]["truth"] = "00"; });
  refused([](auto& step, auto&) { step["worst"][0]["predicted"][0] = "zz"; });
  refused([](auto& step, auto&) { step["by_length"][0][0] = int64_t{1} << 40; });
  wrong = "its forms are others";
  refused([](auto&, auto& rows) { rows.erase(0); });
  wrong = "has no value 131072";
  refused([](auto&, auto& rows) { rows[0]["wrong"].push_back(1 << 17); });
}

struct EvaluationCommands : testing::Test {
  test::TemporaryFolder folder;

  std::string path(const std::string& name) const { return fmt::format("'{}'", (folder / name).string()); }
  test::Outcome eval(const std::string& arguments) const {
    return test::shell(fmt::format("{}/bytecpu-eval {}", BYTECPU_BIN, arguments));
  }
  // One evaluation and three parts of it are the same.
  void expect_adds_up(const std::string& arguments) const {
    const auto whole = eval(arguments + " --json " + path("whole.json"));
    ASSERT_EQ(whole.code, 0) << whole.err;
    std::string parts;
    for (int index = 1; index <= 3; ++index) {
      const auto file = path(fmt::format("{}.json", index));
      const auto made = eval(fmt::format("{} --part {}/3 --json {}", arguments, index, file));
      ASSERT_EQ(made.code, 0) << made.err;
      parts += " " + file;
    }
    const auto merged =
        eval("merge" + parts + " --json " + path("merged.json") + " --report " + path("r.html"));
    ASSERT_EQ(merged.code, 0) << merged.err;
    EXPECT_EQ(merged.out, whole.out);
    const auto document = [&](const char* name) {
      return timeless(ordered_json::parse(read_file(folder / name)));
    };
    EXPECT_EQ(document("merged.json").dump(), document("whole.json").dump()) << arguments;
    EXPECT_GT(fs::file_size(folder / "r.html"), 1000u);
  }
};

TEST_F(EvaluationCommands, PartsOfBaselinesAndOfFilesAddUp) {
  expect_adds_up(
      "baseline --predictor copy --machine toy8 --memory 64 --fresh 25 --mode step,rollout,exhaustive "
      "--cases 50");
  expect_adds_up(
      "baseline --predictor copy --machine arm64 --memory 256 --mode exhaustive --cases 5 --forms add");
  ASSERT_EQ(
      test::datagen("generate --memory 64 --max-instructions 16 --test 20 --train 5 --out " + path("data"))
          .code,
      0);
  expect_adds_up("baseline --predictor copy --data " + path("data"));
  ASSERT_EQ(test::datagen("export " + path("data") + " --out " + path("predicted")).code, 0);
  // Torn, too long, missing, and of no program that is known.
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder / "predicted" / "test"))
    files.push_back(entry.path());
  std::ranges::sort(files);
  fs::resize_file(files[0], fs::file_size(files[0]) - 1);
  fs::resize_file(files[1], fs::file_size(files[1]) + 32);
  fs::remove(files[2]);
  test::flip_byte(files[3], 3);
  fs::resize_file(files[4], 5);
  fs::resize_file(files[5], 6);
  const auto predicted = "files --predicted " + path("predicted/test");
  expect_adds_up(predicted + " --data " + path("data"));
  expect_adds_up(predicted + " --data " + path("data") + " --skip-missing");
  expect_adds_up(predicted + " --machine toy8 --memory 64");
}

TEST_F(EvaluationCommands, APartHasAJsonFileAndNoReport) {
  const std::string part = "baseline --predictor copy --machine toy8 --memory 64 --fresh 5 --part 1/2";
  EXPECT_EQ(eval(part).code, 2);
  EXPECT_TRUE(test::contains(eval(part).err, "--part 1/2: goes with --json FILE"));
  EXPECT_EQ(eval(part + " --json " + path("a.json") + " --report " + path("r.html")).code, 2);
  EXPECT_EQ(eval(part + "0/2 --json " + path("a.json")).code, 2);
  EXPECT_EQ(eval("merge").code, 2);
  EXPECT_EQ(eval("merge " + path("none.json")).code, 1);
}

}  // namespace
}  // namespace bytecpu
