// The programs as their users run them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Result {
  int code;
  std::string out;  // stdout and stderr
};

struct Programs : testing::Test {
  fs::path folder = fs::path(testing::TempDir()) / ("bytecpu_programs_" + std::to_string(::getpid()));
  std::string data = (folder / "data").string(), predicted = (folder / "predicted").string();

  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    const std::string generate =
        "bytecpu-datagen generate --memory 64 --max-instructions 16 --test 20 --train 5 --seed 1";
    ASSERT_EQ(run(generate + " --out " + data).code, 0);
  }
  void TearDown() override { fs::remove_all(folder); }

  static Result run(const std::string& command) {
    FILE* pipe = ::popen((std::string(BYTECPU_BIN "/") + command + " 2>&1").c_str(), "r");
    Result result{0, {}};
    char buffer[4096];
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.out.append(buffer, n);
    result.code = WEXITSTATUS(::pclose(pipe));
    return result;
  }
  void expect_failure(const std::string& command, int code, const std::string& said) {
    const Result result = run(command);
    EXPECT_EQ(result.code, code) << command << '\n' << result.out;
    EXPECT_NE(result.out.find(said), std::string::npos) << command << '\n' << result.out;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  }
  fs::path program(const std::string& text) {
    std::ofstream(folder / "program.s") << text;
    return folder / "program.s";
  }
};

TEST_F(Programs, TheOracleIsPerfectInEveryMode) {
  const auto report = (folder / "r.html").string();
  const Result result = run("bytecpu-eval baseline --predictor oracle --data " + data +
                            " --mode step,rollout,exhaustive --cases 300 --json - --report " + report);
  ASSERT_EQ(result.code, 0) << result.out;
  const json document = json::parse(result.out);
  EXPECT_EQ(document.at("format"), "bytecpu-evaluation");
  EXPECT_EQ(document.at("version"), 1);
  EXPECT_EQ(document.at("data").at("traces"), 20);
  for (const char* mode : {"step", "rollout"}) {
    const json& scores = document.at("modes").at(mode);
    EXPECT_EQ(scores.at("traces").at("right"), 20);
    EXPECT_EQ(scores.at("bytes").at("wrong"), 0);
    EXPECT_EQ(scores.at("states").at("total"), document.at("data").at("states"));
  }
  EXPECT_EQ(document.at("modes").at("exhaustive").at("results").at("wrong"), 0);
  EXPECT_GT(fs::file_size(report), 1000u);
}

TEST_F(Programs, PredictionsOfAnotherProgramAreReadFromFiles) {
  ASSERT_EQ(run("bytecpu-datagen export " + data + " --out " + predicted).code, 0);
  const std::string command = "bytecpu-eval files --predicted " + predicted + "/test --data " + data;
  const json perfect = json::parse(run(command + " --json -").out);
  const json& rollout = perfect.at("modes").at("rollout");
  const int64_t traces = rollout.at("traces").at("total"), bytes = rollout.at("bytes").at("total");
  EXPECT_EQ(rollout.at("traces").at("right"), traces);
  EXPECT_EQ(rollout.at("bytes").at("right"), bytes);

  const fs::path file = fs::directory_iterator(predicted + "/test")->path();
  fs::resize_file(file, fs::file_size(file) + 16);  // a surplus state
  const json worse = json::parse(run(command + " --json -").out).at("modes").at("rollout");
  EXPECT_EQ(worse.at("traces").at("right"), traces - 1);
  EXPECT_EQ(worse.at("bytes").at("total"), bytes + 16);
  EXPECT_EQ(worse.at("bytes").at("wrong"), 16);
  EXPECT_EQ(worse.at("surplus_states"), 1);

  fs::resize_file(file, fs::file_size(file) - 1);
  const Result torn = run(command);
  EXPECT_EQ(torn.code, 0);
  EXPECT_NE(torn.out.find(file.filename().string() + ": ends 15 bytes into a record"), std::string::npos)
      << torn.out;
  const json recomputed = json::parse(
      run("bytecpu-eval files --predicted " + predicted + "/test --machine toy8 --memory 64 --json -").out);
  EXPECT_EQ(recomputed.at("modes").at("rollout").at("bytes"), worse.at("bytes"));
  EXPECT_EQ(recomputed.at("files").at("problems").size(), 1u);
  fs::remove(file);
  const Result missing = run(command);
  EXPECT_EQ(missing.code, 0);
  EXPECT_NE(missing.out.find("have no file"), std::string::npos) << missing.out;
}

TEST_F(Programs, TheExhaustiveSummaryEndsWithALineToQuote) {
  const Result result = run("bytecpu-eval baseline --predictor copy --data " + data +
                            " --mode exhaustive,step --forms INC,HLT --cases 50");
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(result.out.ends_with("\n110 of 110 cases wrong\n")) << result.out;
}

TEST_F(Programs, NativeMachinesAreSampledAndFormsWithCommasAreChosenBySemicolons) {
  const std::string command =
      "bytecpu-eval baseline --machine thumb --memory 256 --mode exhaustive --cases 3";
  const Result chosen = run(command + " --predictor copy --forms 'cmp r, n;nop;'");
  EXPECT_EQ(chosen.code, 0);
  EXPECT_TRUE(chosen.out.ends_with("\n6 of 6 cases wrong\n")) << chosen.out;
  const json all =
      json::parse(run(command + " --predictor oracle --json -").out).at("modes").at("exhaustive");
  EXPECT_EQ(all.at("results").at("wrong"), 0);
  EXPECT_EQ(all.at("results").at("total"), 3 * all.at("forms").size());
  EXPECT_EQ(all.at("by_operation").size(), 48u);
  expect_failure(command + " --predictor copy --forms JMP", 2, "JMP");
}

TEST_F(Programs, BaselinesStandBesideWhatIsEvaluated) {
  const json step = json::parse(run("bytecpu-eval baseline --predictor oracle --data " + data +
                                    " --mode step,rollout --json -")
                                    .out)
                        .at("modes");
  const json copy =
      json::parse(
          run("bytecpu-eval baseline --predictor copy --data " + data + " --mode step,rollout --json -").out)
          .at("modes");
  for (const char* mode : {"step", "rollout"}) {
    for (const char* rate : {"bytes", "changed", "unchanged", "states", "traces", "ends"}) {
      EXPECT_EQ(step.at(mode).at("baselines").at("copy").at(rate), copy.at(mode).at(rate)) << mode << rate;
      EXPECT_EQ(copy.at(mode).at("baselines").at("oracle").at(rate), step.at(mode).at(rate)) << mode << rate;
    }
  }
}

TEST_F(Programs, ABareWeightFileIsMeasuredLikeItsCheckpoint) {
  if (!fs::exists(BYTECPU_BIN "/bytecpu-train")) GTEST_SKIP() << "built without the model";
  const auto model = (folder / "model").string();
  const Result trained =
      run("bytecpu-train --data " + data + " --out " + model +
          " --steps 2 --patch-length 32 --patch-layers 1 --byte-layers 1 --patch-width 16 "
          "--byte-width 16 --patch-heads 2 --byte-heads 2 --batch-patches 64 --precision fp32");
  ASSERT_EQ(trained.code, 0) << trained.out;
  const auto file = model + "/step-00000002/model.safetensors";
  const auto measured = [&](const std::string& checkpoint) {
    const Result result = run("bytecpu-eval model --data " + data + " --json - --checkpoint " + checkpoint);
    auto modes = json::parse(result.out).at("modes");
    for (auto& mode : modes) mode.erase("seconds");
    return modes;
  };
  EXPECT_EQ(measured(file), measured(model));
  expect_failure("bytecpu-eval model --fresh 3 --checkpoint " + file, 2, "--machine and --memory");

  const std::string program_file = program("LOADI 7\nHLT\n").string();
  const Result lockstep = run("bytecpu-run " + program_file + " --memory 64 --checkpoint " + file);
  EXPECT_EQ(lockstep.code, 3) << lockstep.out;  // two steps of training do not make a CPU
  EXPECT_EQ(lockstep.out, run("bytecpu-run " + program_file + " --checkpoint " + model).out);
  expect_failure("bytecpu-run " + program_file + " --checkpoint " + program_file, 1, "program.s");
}

TEST_F(Programs, ATrainingsConfigurationGivenBackIsTheSameTraining) {
  if (!fs::exists(BYTECPU_BIN "/bytecpu-train")) GTEST_SKIP() << "built without the model";
  const std::string tiny =
      " --steps 2 --patch-length 32 --patch-layers 1 --byte-layers 1 --patch-width 16 --byte-width 16"
      " --patch-heads 2 --byte-heads 2 --batch-patches 64 --pool-traces 8 --validation-traces 4 --precision fp32"
      " --average 0.30000000000000004";
  const auto read = [](const fs::path& file) {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  };
  for (const std::string& source : {"--data " + data, std::string("--memory 64 --small-operands 0.25")}) {
    const fs::path first = folder / "first", second = folder / "second";
    const Result trained = run("bytecpu-train " + source + tiny + " --out " + first.string());
    ASSERT_EQ(trained.code, 0) << trained.out;
    const Result again =
        run("bytecpu-train --config " + (first / "config.ini").string() + " --out " + second.string());
    ASSERT_EQ(again.code, 0) << again.out;
    auto ini = read(second / "config.ini");
    ini.replace(ini.find(second.string()), second.string().size(), first.string());
    EXPECT_EQ(ini, read(first / "config.ini"));
    const auto record = json::parse(read(first / "run.json")), other = json::parse(read(second / "run.json"));
    EXPECT_EQ(record.at("training"), other.at("training"));
    EXPECT_EQ(record.at("model"), other.at("model"));
    EXPECT_EQ(record.at("data"), other.at("data"));
    fs::remove_all(first);
    fs::remove_all(second);
  }
}

TEST_F(Programs, AConfigurationThatSaysWhatTheDatasetIsIsTakenAndOneThatSaysOtherwiseIsNot) {
  if (!fs::exists(BYTECPU_BIN "/bytecpu-train")) GTEST_SKIP() << "built without the model";
  const fs::path fresh = folder / "fresh", trained = folder / "trained", again = folder / "again";
  const std::string sizes =
      " --steps 2 --patch-length 32 --patch-layers 1 --byte-layers 1 --patch-width 16 --byte-width 16"
      " --patch-heads 2 --byte-heads 2 --batch-patches 64 --pool-traces 8 --validation-traces 4 --precision fp32";
  const Result streamed = run("bytecpu-train --memory 64" + sizes + " --out " + fresh.string());
  ASSERT_EQ(streamed.code, 0) << streamed.out;
  const std::string with_data = "bytecpu-train --data " + data + " --config ";
  // That of a training on fresh programs as the dataset's are; then its own.
  const Result first = run(with_data + (fresh / "config.ini").string() + " --out " + trained.string());
  ASSERT_EQ(first.code, 0) << first.out;
  const Result second = run(with_data + (trained / "config.ini").string() + " --out " + again.string());
  ASSERT_EQ(second.code, 0) << second.out;

  const auto refused = [&](const std::string& line, const std::string& part) {
    const auto file = folder / "other.ini";
    std::ofstream(file) << "steps = 2\n" << line << '\n';
    expect_failure(with_data + file.string() + " --out " + (folder / "none").string(), 2, part);
  };
  refused("machine = arm64", "other.ini:2: machine arm64: " + data + " has toy8");
  refused("memory = 128", "other.ini:2: memory 128: " + data + " has 64");
  refused("max-instructions = 7", "max-instructions 7: " + data + " has 16");
  refused("small-operands = 0.5", "small-operands 0.5: " + data + " has 0");
  refused("memory-share = 0.5", "memory-share 0.5: " + data + " has the machine's own");
  refused("operation-mix = loss", "operation-mix loss: " + data + " has uniform");
  refused("length-warmup = 0.5", "length-warmup 0.5: " + data + " has 0");
  EXPECT_FALSE(fs::exists(folder / "none"));

  // How imported programs were drawn nobody knows.
  const auto files = (folder / "files").string(), imported = (folder / "imported").string();
  ASSERT_EQ(run("bytecpu-datagen export " + data + " --out " + files).code, 0);
  ASSERT_EQ(run("bytecpu-datagen import " + files + " --memory 64 --out " + imported).code, 0);
  const Result third = run("bytecpu-train --data " + imported + " --config " +
                           (fresh / "config.ini").string() + " --out " + (folder / "third").string());
  EXPECT_EQ(third.code, 0) << third.out;
}

TEST_F(Programs, FilesArePackedLearnedJudgedMadeConvertedAndLabelled) {
  if (!fs::exists(BYTECPU_BIN "/bytecpu-infer")) GTEST_SKIP() << "built without the model";
  fs::create_directories(folder / "in");
  for (int i = 0; i < 40; ++i) {
    const auto stem = (folder / "in" / std::to_string(i)).string();
    std::ofstream(stem + ".abc") << "tune " << i;
    std::ofstream(stem + ".mid") << "MIDI of " << i;
  }
  const auto files = (folder / "files").string(), trained = (folder / "run").string();
  Result result =
      run("bytecpu-datagen pack " + (folder / "in").string() + " --pairs abc:mid --test 0.3 --out " + files);
  ASSERT_EQ(result.code, 0) << result.out;
  const std::string sizes =
      " --threads 1 --patch-length 8 --patch-layers 1 --patch-width 64 --patch-heads 1 --byte-layers 1 --byte-width 64 --byte-heads 1";
  const std::string train =
      "bytecpu-train --data " + files + sizes + " --steps 3 --validate-every 3 --precision fp32";
  result = run(train + " --out " + trained);
  ASSERT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("bits/byte"), std::string::npos) << result.out;

  const auto report = (folder / "r.html").string();
  const std::string judge = "bytecpu-eval model --checkpoint " + trained;
  result = run(judge + " --data " + files + " --json - --report " + report);
  ASSERT_EQ(result.code, 0) << result.out;
  const json document = json::parse(result.out);
  ASSERT_EQ(document.at("kinds").size(), 2U);
  for (const auto& kind : document.at("kinds")) EXPECT_EQ(kind.at("equal").at("total"), kind.at("documents"));
  EXPECT_GT(fs::file_size(report), 10'000U);

  const std::string infer =
      "bytecpu-infer generate --checkpoint " + trained + " --extension mid --most-bytes 9";
  result = run(infer + " --number 3 --out " + (folder / "new").string() + " --json");
  ASSERT_EQ(result.code, 0) << result.out;
  EXPECT_EQ(json::parse(result.out).at("files").size(), 3U);
  for (const char* name : {"00000.mid", "00001.mid", "00002.mid"})
    EXPECT_LE(fs::file_size(folder / "new" / name), 9U);
  const auto tune = (folder / "in" / "7.abc").string();
  result = run("bytecpu-infer convert " + tune + " --to mid --checkpoint " + trained + " --out " +
               (folder / "converted").string());
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_TRUE(fs::exists(folder / "converted" / "7.mid"));
  // An extension is what follows the last dot, as in the dataset.
  fs::copy_file(tune, folder / ".abc");
  result = run("bytecpu-infer convert " + (folder / ".abc").string() + " --to mid --checkpoint " + trained +
               " --out " + (folder / "hidden").string());
  EXPECT_EQ(result.code, 0) << result.out;
  ASSERT_TRUE(fs::exists(folder / "hidden" / ".mid"));
  const auto contents = [](const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  };
  EXPECT_EQ(contents(folder / "hidden" / ".mid"), contents(folder / "converted" / "7.mid"));

  fs::create_directories(folder / "labelled");
  for (int i = 0; i < 40; ++i) {
    const char* label = i % 2 ? "odd" : "even";
    std::ofstream(folder / "labelled" / (std::string(label) + "_" + std::to_string(i) + ".txt"))
        << label << i;
  }
  const auto labelled = (folder / "labelled.data").string(), classifier = (folder / "classifier").string();
  result = run("bytecpu-datagen pack " + (folder / "labelled").string() + " --labels name --test 0.3 --out " +
               labelled);
  ASSERT_EQ(result.code, 0) << result.out;
  result = run("bytecpu-train --data " + labelled + sizes +
               " --learn both --steps 150 --batch-patches 64 --learning-rate 0.005" +
               " --precision fp32 --out " + classifier);
  ASSERT_EQ(result.code, 0) << result.out;
  result = run("bytecpu-eval model --checkpoint " + classifier + " --data " + labelled + " --json -");
  ASSERT_EQ(result.code, 0) << result.out;
  const json labels = json::parse(result.out).at("labels");
  EXPECT_EQ(labels.at("right").at("wrong"), 0) << labels;
  const auto named = (folder / "labelled" / "odd_3.txt").string(),
             also = (folder / "labelled" / "even_2.txt").string();
  result = run("bytecpu-infer classify " + named + " " + also + " --checkpoint " + classifier);
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("odd_3.txt: odd, probability"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("even_2.txt: even, probability"), std::string::npos) << result.out;
  const auto published = (folder / "published").string(), page = (folder / "published.html").string();
  const auto patch_sizes = sizes.substr(0, sizes.find(" --byte-layers"));
  result =
      run("bytecpu-train --data " + labelled + patch_sizes + " --family classifier --init " + classifier +
          " --learn labels --steps 60 --batch-patches 64 --learning-rate 0.005 --precision fp32 --out " +
          published);
  ASSERT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("labels wrong"), std::string::npos) << result.out;
  result = run("bytecpu-eval model --checkpoint " + published + " --data " + labelled + " --report " + page);
  ASSERT_EQ(result.code, 0) << result.out;
  const auto& known = labels.at("right").at("right").dump();
  EXPECT_TRUE(result.out.find(known + " of " + known + " labels right") != std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("bits a byte"), std::string::npos) << result.out;
  EXPECT_NE(contents(page).find("labels right"), std::string::npos);
  result = run("bytecpu-infer classify " + named + " --checkpoint " + published);
  EXPECT_NE(result.out.find("odd_3.txt: odd, probability"), std::string::npos) << result.out;
  expect_failure("bytecpu-infer generate --extension txt --checkpoint " + published + " --out " +
                     (folder / "none").string(),
                 1, "the model is a classifier: it tells labels and writes no files");
  expect_failure("bytecpu-train --steps 3 --data " + labelled + " --family classifier --learn both --out " +
                     (folder / "t").string(),
                 2, "--family classifier goes with --learn labels");
  expect_failure("bytecpu-infer classify " + named + " --checkpoint " + trained, 1, "has learned no labels");
  expect_failure(
      "bytecpu-train --steps 3 --data " + files + " --learn labels --out " + (folder / "t").string(), 1,
      "its files have no labels");
  expect_failure(
      "bytecpu-train --steps 3 --data " + data + " --learn labels --out " + (folder / "t").string(), 2,
      "goes with a dataset of files");

  const auto archive = (folder / "archive").string(), both = named + " " + also;
  result = run("bytecpu-infer compress " + both + " --checkpoint " + trained + " --out " + archive);
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("archive: 2 files, "), std::string::npos) << result.out;
  result = run("bytecpu-infer decompress " + archive + " --checkpoint " + trained + " --out " +
               (folder / "back").string());
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_EQ(contents(folder / "back" / "odd_3.txt"), contents(named));
  EXPECT_EQ(contents(folder / "back" / "even_2.txt"), contents(also));
  expect_failure("bytecpu-infer compress " + both + " --checkpoint " + trained + " --out " + archive, 1,
                 "is there already");
  expect_failure("bytecpu-infer compress " + named + " " + named + " --checkpoint " + trained + " --out " +
                     archive + "2",
                 2, "another file is called odd_3.txt, too");
  expect_failure("bytecpu-infer decompress " + archive + " --checkpoint " + classifier + " --out " +
                     (folder / "no").string(),
                 1, "was made with another model");
  expect_failure(
      "bytecpu-infer decompress " + named + " --checkpoint " + trained + " --out " + (folder / "no").string(),
      1, "odd_3.txt");

  expect_failure(infer + " --out " + (folder / "new").string(), 1, "is not empty");
  expect_failure(judge + " --data " + data, 1, "is a model of files");
  expect_failure(judge + " --data " + files + " --mode step", 2, "the data are files");
  expect_failure(judge + " --data " + data + " --conversions 3", 2, "goes with a dataset of files");
  expect_failure(
      "bytecpu-train --steps 3 --data " + files + " --family transition --out " + (folder / "t").string(), 2,
      "learns traces of machines");
  expect_failure(
      "bytecpu-train --steps 3 --data " + files + " --machine arm64 --out " + (folder / "t").string(), 2,
      "--machine");
  std::ofstream(folder / "long.abc") << std::string(200, 'a');
  expect_failure("bytecpu-infer convert " + (folder / "long.abc").string() + " --to mid --checkpoint " +
                     trained + " --out " + (folder / "l").string(),
                 1, "leaves no room");
}

TEST_F(Programs, BenchTakesEveryExperimentsTrainingConfiguration) {
  if (!fs::exists(BYTECPU_BIN "/bytecpu-bench")) GTEST_SKIP() << "built without the model";
  const std::string tiny =
      " --seconds 0.001 --device cpu --precision fp32 --batch-patches 32 --pool-traces 8 --patch-layers 1"
      " --patch-width 16 --patch-heads 4 --byte-layers 1 --byte-width 64 --byte-heads 2 --memory-width 16"
      " --memory-heads 2";
  int configurations = 0;
  for (const auto& experiment : fs::directory_iterator(BYTECPU_REFERENCE "/../../experiments")) {
    const auto config = experiment.path() / "train.ini";
    if (!fs::exists(config)) continue;
    ++configurations;
    const Result result = run("bytecpu-bench train --config " + config.string() + tiny);
    ASSERT_EQ(result.code, 0) << config << '\n' << result.out;
    const auto figures = json::parse(result.out);
    std::stringstream text;
    text << std::ifstream(config).rdbuf();
    const auto machine = figures["machine"].get<std::string>();
    EXPECT_NE(text.str().find("machine = " + machine + '\n'), std::string::npos) << result.out;
    EXPECT_GT(figures["states_per_second"].get<double>(), 0);
  }
  EXPECT_GE(configurations, 5);
}

TEST_F(Programs, BadUsageExitsWithTwoAndFailuresWithOne) {
  const std::string baseline = "bytecpu-eval baseline --predictor copy --data " + data;
  expect_failure("bytecpu-eval baseline --data " + data, 2, "--predictor");
  expect_failure("bytecpu-eval baseline --predictor other --data " + data, 2, "other");
  expect_failure("bytecpu-eval baseline --predictor copy", 2, "--data");
  expect_failure(baseline + " --mode steps", 2, "steps");
  expect_failure(baseline + " --mode ''", 2, "--mode");
  expect_failure(baseline + " --traces -1", 2, "--traces");
  expect_failure(baseline + " --chunk 0", 2, "--chunk");
  expect_failure(baseline + " --split both", 2, "both");
  expect_failure(baseline + " --seed -1 --mode exhaustive", 2, "--seed -1");
  expect_failure(baseline + " --machine toy8", 2, "--machine");
  expect_failure(baseline + " --mode exhaustive --forms JMP", 2, "JMP");
  expect_failure(baseline + " --report /no/such/folder/r.html", 2, "/no/such/folder");
  expect_failure("bytecpu-eval baseline --predictor copy --data /no/such/data", 1, "/no/such/data");
  expect_failure("bytecpu-eval files --data " + data, 2, "--predicted");
  expect_failure("bytecpu-eval files --predicted /no/such --data " + data, 1, "/no/such");
  expect_failure("bytecpu-eval files --predicted /no/such", 2, "--machine and --memory");
  expect_failure("bytecpu-eval files --predicted /no/such --data " + data + " --memory 64", 2, "--memory");
  expect_failure("bytecpu-eval model --data " + data, 2, "--checkpoint");
  // Options that would change nothing.
  expect_failure(baseline + " --seed 1", 2, "--seed");
  expect_failure(baseline + " --cases 5", 2, "--cases");
  expect_failure(baseline + " --max-instructions 5", 2, "--fresh");
  expect_failure(baseline + " --fresh 2 --split train", 2, "--split");
  expect_failure(baseline + " --mode exhaustive --traces 2", 2, "--traces");
  expect_failure(baseline + " --fresh 2 --max-instructions 17", 1, "16");
  expect_failure("bytecpu-eval files --predicted /no/such --machine toy8 --memory 64 --traces 1", 2,
                 "--traces");
  if (!fs::exists(BYTECPU_BIN "/bytecpu-train")) return;
  const std::string train = "bytecpu-train --steps 1 --out " + (folder / "none").string();
  expect_failure(train + " --seed -1", 2, "--seed -1");
  expect_failure(train + " --average 2", 2, "--average 2: use a number from 0 to 1");
  expect_failure(train + " --minutes 1", 2, "--minutes");
  expect_failure(train + " --loss all --family transition", 2, "--loss all");
  expect_failure(train + " --encoder-layers 2", 2, "--family transition");
  expect_failure(train + " --muon-learning-rate 0.1", 2, "--optimizer muon");
  for (const char* option :
       {"--machine toy8", "--memory 64", "--min-instructions 1", "--max-instructions 16",
        "--memory-share 0.1", "--branch-share 0.1", "--loop-share 0.1", "--anywhere-share 0.1",
        "--operation-mix loss", "--length-warmup 0.1", "--small-operands 0.5", "--window-steps 8"}) {
    expect_failure(train + " --data " + data + " " + option, 2, "dataset");
  }
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST_F(Programs, EveryOneHasHelpAndAVersion) {
  for (const std::string program : {"bytecpu-eval", "bytecpu-run", "bytecpu-bench", "bytecpu-train"}) {
    if (!fs::exists(std::string(BYTECPU_BIN "/") + program)) continue;
    EXPECT_NE(run(program + " --version").out.find(program + ' ' + BYTECPU_VERSION), std::string::npos);
    for (const std::string help : {" -h", " --help"}) {
      const Result result = run(program + help);
      EXPECT_EQ(result.code, 0) << result.out;
      EXPECT_NE(result.out.find("usage: " + program), std::string::npos) << result.out;
    }
  }
  for (const std::string command : {"eval model", "eval files", "eval baseline", "eval merge",
                                    "bench rollout", "bench train", "bench generate", "train export"}) {
    if (!fs::exists(BYTECPU_BIN "/bytecpu-" + command.substr(0, command.find(' ')))) continue;
    EXPECT_EQ(run("bytecpu-" + command + " -h").code, 0);
  }
}

TEST_F(Programs, FreshProgramsOfEveryMachineHaveADefaultLength) {
  for (const std::string machine : {"toy8 --memory 64", "arm64 --memory 256", "x86_64 --memory 1024"}) {
    const Result result =
        run("bytecpu-eval baseline --predictor oracle --mode step --fresh 3 --json - --machine " + machine);
    ASSERT_EQ(result.code, 0) << machine << result.out;
    const int most = json::parse(result.out).at("data").at("max_instructions");
    EXPECT_EQ(machine.starts_with("toy8") ? 16 : most, most);
    if (!fs::exists(BYTECPU_BIN "/bytecpu-bench")) continue;
    EXPECT_EQ(run("bytecpu-bench generate --seconds 0.001 --threads 1 --machine " + machine).code, 0);
  }
}

TEST_F(Programs, AFullDiskAndAFolderThatCannotBeWrittenAreOneLineEach) {
  const std::string baseline = "bytecpu-eval baseline --predictor copy --data " + data;
  for (const std::string more : {"", " --json -"}) {
    const Result result =
        run("bytecpu-eval --version && (" BYTECPU_BIN "/" + baseline + more + " >/dev/full)");
    EXPECT_EQ(result.code, 1);
    EXPECT_TRUE(
        result.out.ends_with("\nbytecpu-eval: cannot write to standard output: No space left on device\n"))
        << result.out;
  }
  expect_failure(baseline + " --json /proc/figures.json", 1, "/proc");
  const std::string odd = (folder / "d\xFF").string();
  fs::create_directory(odd);
  expect_failure(baseline + " --report '" + odd + "/none/r.html'", 2, "there is no folder");
  EXPECT_EQ(run(baseline + " --json '" + odd + "/r.json' --report '" + odd + "/r.html'").code, 0);
}

TEST_F(Programs, RunShowsAProgramsStates) {
  const auto file = program("ADD A B C\nHLT\n").string();
  const Result text = run("bytecpu-run " + file + " --memory 64 --set A=5 --set B=0x10");
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("21"), std::string::npos) << text.out;
  const Result result = run("bytecpu-run " + file + " --set A=5 --set B=0x10 --json");
  const json states = json::parse(result.out).at("states");
  EXPECT_EQ(states.size(), 3u);
  EXPECT_EQ(states.at(2).at("fields").at("C"), 21);
}

TEST_F(Programs, RunComparesStepByStepAndSaysSoInItsExitCode) {
  const auto file = program("ADD A B C\nHLT\n").string();
  const Result oracle = run("bytecpu-run " + file + " --predictor oracle --memory 64");
  EXPECT_EQ(oracle.code, 0) << oracle.out;
  EXPECT_NE(oracle.out.find("agrees in every one and in the end"), std::string::npos) << oracle.out;
  const Result copy = run("bytecpu-run " + file + " --predictor copy --memory 64 --set A=5");
  EXPECT_EQ(copy.code, 3);
  EXPECT_NE(copy.out.find("\n>    1  ADD A B C"), std::string::npos) << copy.out;
  const json free =
      json::parse(run("bytecpu-run " + file + " --predictor copy --memory 64 --free --json").out);
  EXPECT_EQ(free.at("first_difference"), 1);
  EXPECT_EQ(free.at("predicted").size(), 2u + 16u);
}

std::string long_program() {
  std::string text;
  for (int i = 0; i < 250; ++i) text += "INC A\n";
  return text;
}

TEST_F(Programs, RunEndsQuietlyWhereThePipeCloses) {
  const auto file = program(long_program()).string();
  const auto said = folder / "said.txt";
  const Result result =
      run("bytecpu-run " + file + " --predictor oracle 2>" + said.string() + " | head -n 2");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2) << result.out;
  EXPECT_EQ(fs::file_size(said), 0U);
}

TEST_F(Programs, RunEndsCleanlyOnCtrlC) {
  const auto file = program(long_program()).string();
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  // A pipe that holds a few rows only, so that the program is still writing when the signal comes.
  ASSERT_GT(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::execl(BYTECPU_BIN "/bytecpu-run", "bytecpu-run", file.c_str(), "--predictor", "oracle", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string out(1, '\0');
  ASSERT_EQ(::read(ends[0], out.data(), 1), 1);  // it writes
  ::kill(child, SIGINT);
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_TRUE(out.ends_with("\nbytecpu-run: interrupted\n")) << out;
  EXPECT_LT(std::count(out.begin(), out.end(), '\n'), 240);
}

TEST_F(Programs, RunRefusesBadProgramsAndSettings) {
  const auto file = program("HLT\n").string();
  expect_failure("bytecpu-run", 2, "PROGRAM");
  expect_failure("bytecpu-run " + file + " --free", 2, "--free");
  expect_failure("bytecpu-run " + file + " --device cpu", 2, "--checkpoint");
  expect_failure("bytecpu-run " + file + " --predictor other", 2, "other");
  expect_failure("bytecpu-run " + file + " --predictor copy --checkpoint /no/such", 2, "not both");
  expect_failure("bytecpu-run " + file + " --set A", 2, "FIELD=VALUE");
  expect_failure("bytecpu-run " + file + " --set Q=1", 2, "ADDR1");
  expect_failure("bytecpu-run " + file + " --set A=256", 2, "A=256");
  expect_failure("bytecpu-run " + file + " --set A=", 2, "A=");
  expect_failure("bytecpu-run " + file + " --steps 0", 2, "--steps");
  expect_failure("bytecpu-run " + file + " --machine z80", 2, "z80");
  expect_failure("bytecpu-run " + file + " --function main", 1, "main");
  expect_failure("bytecpu-run " + file + " --data 0=00", 2, "--data");
  expect_failure("bytecpu-run /no/such/program", 1, "/no/such/program");
  EXPECT_EQ(run("bytecpu-run - <" + file + " >" + (folder / "said").string()).code, 0);
  expect_failure("bytecpu-run " + program("ADD Q\n").string(), 1, "program.s:1:5");
  const Result illegal = run("bytecpu-run " + program(".byte 99 0 0 0\n").string());
  EXPECT_EQ(illegal.code, 1);
  EXPECT_NE(illegal.out.find("illegal instruction"), std::string::npos) << illegal.out;
}

}  // namespace
