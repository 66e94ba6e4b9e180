// The training loop and its checkpoints, through the program as its users run it.
#include <sstream>

#include "datagen/corpus/program_stream.hpp"
#include "model/training/trainer.hpp"
#include "tests/model/support.hpp"
#include "tests/model/training_support.hpp"

namespace bytecpu {
namespace {

using nlohmann::json;

TEST_F(Training, ResumedAfterAKillItHasTheLossesOfAnUndisturbedRunBitForBit) {
  EXPECT_EQ(interrupt(SIGKILL), -SIGKILL);
  go_on_and_compare();
}

TEST_F(Training, SigtermSavesAndExitsWith130AndResumeGoesOn) {
  EXPECT_EQ(interrupt(SIGTERM), 130) << log();
  EXPECT_NE(log().find("stopped at step"), std::string::npos) << log();
  go_on_and_compare();
}

TEST_F(Training, KeepsTheNewestTwoCheckpointsAndWritesWhatItRan) {
  const auto run = folder_ / "run";
  ASSERT_EQ(train({"--out", run}), 0) << log();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"config.ini", "metrics.jsonl", "run.json", "step-00000030",
                                             "step-00000040"}));
  const auto record = json::parse(read_file(run / "run.json"));
  EXPECT_EQ(record["training"]["steps"], 40);
  EXPECT_EQ(record["model"]["family"], "transition");
  // The resolved configuration trains the same model again.
  const auto again = folder_ / "again";
  fs::copy_file(run / "config.ini", folder_ / "config.ini", fs::copy_options::overwrite_existing);
  ASSERT_EQ(train({"--out", again}), 0) << log();
  EXPECT_EQ(losses(again), losses(run));
}

TEST_F(Training, DrawsOperationsByTheirLossOrByTheirErrors) {
  for (const std::string by : {"loss", "errors"}) {
    const auto run = folder_ / by;
    ASSERT_EQ(train({"--out", run, "--operation-mix", by, "--operation-floor", "0.25"}), 0) << log();
    const auto state = load_training_state(*find_checkpoint(run));
    const auto hardness = state["operation_hardness"].get<std::vector<double>>();
    const auto weights = state["next_weights"].get<std::vector<double>>();
    ASSERT_EQ(hardness.size(), 20u);
    ASSERT_EQ(weights.size(), 20u);
    const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
    EXPECT_EQ(*most, 1) << by;
    EXPECT_LT(*least, 1) << by;
    EXPECT_GE(*least, 0.25) << by;
    // A model that knows little is wrong about most states, by more than a nat a byte.
    const double hardest = *std::max_element(hardness.begin(), hardness.end());
    if (by == "loss") {
      EXPECT_GT(hardest, 1);
    } else {
      EXPECT_LE(hardest, 1);
    }
    EXPECT_GT(hardest, 0.5) << by;
  }
}

TEST_F(Training, LogsTheMeanLossOfAllStatesItLooksAt) {
  const auto run = folder_ / "run";
  const auto look = [&](const char* steps) {
    ASSERT_EQ(train({"--out", run, "--resume", "--steps", steps, "--learning-rate", "1e-30",
                     "--muon-learning-rate", "1e-30"}),
              0)
        << log();
  };
  look("10");
  alter(*find_checkpoint(run) / "training.json", [](auto& state) {
    EXPECT_EQ(state["wrong_share"], 1);
    // Told that few states are wrong it takes the hardest of several batches.
    state["wrong_share"] = 0.001;
  });
  look("11");
  double validation = 0, last = 0, share = 0;
  std::ifstream in(run / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto j = json::parse(line);
    if (j.contains("validation")) {
      validation = j["validation"]["loss"];
    } else {
      last = j["loss"];
      share = j["wrong_share"];
    }
  }
  EXPECT_NEAR(last, validation, 0.1 * validation);
  EXPECT_NEAR(share, 0.191, 0.002);  // two batches, all states of which are wrong
}

TEST_F(Training, AnOperationsHardnessIsAMeanOverFiveStepsHoweverManyBatchesAStepLooksAt) {
  const auto run = folder_ / "run";
  const auto go = [&](const char* steps) {
    return train({"--out", run, "--resume", "--steps", steps, "--batch-patches", "1024", "--pool-traces",
                  "512", "--accumulate", "1"});
  };
  ASSERT_EQ(go("1"), 0) << log();
  alter(*find_checkpoint(run) / "training.json", [](auto& state) {
    state["wrong_share"] = 0.001;  // so that it looks at three
    for (auto& hardness : state["operation_hardness"]) hardness = 100;
  });
  ASSERT_EQ(go("2"), 0) << log();
  // Four fifths of it, and a fifth of a few nats.
  const auto last = load_training_state(*find_checkpoint(run));
  const auto hardness = last["operation_hardness"].get<std::vector<double>>();
  ASSERT_EQ(hardness.size(), 20u);
  for (const double h : hardness) {
    EXPECT_GE(h, 80);
    EXPECT_LT(h, 85);
  }
}

TEST_F(Training, ResumedWhenFinishedItChangesNothing) {
  const auto run = folder_ / "run";
  ASSERT_EQ(train({"--out", run}), 0) << log();
  const auto before = files(run);
  ASSERT_EQ(train({"--out", run, "--resume", "--log-every", "7"}), 0) << log();
  EXPECT_NE(log().find("finished already"), std::string::npos) << log();
  EXPECT_TRUE(files(run) == before);
  // With a larger budget it goes on.
  ASSERT_EQ(train({"--out", run, "--resume", "--steps", "45"}), 0) << log();
  EXPECT_EQ(losses(run).size(), 45u);
  EXPECT_EQ(json::parse(read_file(run / "run.json"))["training"]["steps"], 45);
}

TEST_F(Training, ResumedInTheMiddleOfItsLengthWarmupItHasTheSameLosses) {
  const auto run = folder_ / "run";
  const auto grow = [&](std::vector<std::string> more) {
    more.insert(more.end(),
                {"--out", run, "--memory", "256", "--max-instructions", "63", "--length-warmup", "1"});
    return train(more);
  };
  ASSERT_EQ(grow({}), 0) << log();
  const auto undisturbed = losses(run);
  fs::remove_all(run / "step-00000040");
  ASSERT_EQ(grow({"--resume"}), 0) << log();
  EXPECT_NE(log().find("resuming at step 30"), std::string::npos) << log();
  EXPECT_EQ(losses(run), undisturbed);
}

// A stream that keeps how long the programs might be that it was asked for.
class WatchedStream final : public Corpus {
 public:
  explicit WatchedStream(const ProgramStream::Options& options) : stream_(options) {}
  const Frame& frame() const override { return stream_.frame(); }
  std::string describe() const override { return stream_.describe(); }
  int longest() const override { return stream_.longest(); }
  void fill(uint64_t index, const Emphasis& emphasis, Pool& out) override {
    asked.push_back(emphasis.longest);
    stream_.fill(index, emphasis, out);
  }
  std::vector<int> asked;

 private:
  ProgramStream stream_;
};

TEST_F(Training, LengthWarmupLetsProgramsGrow) {
  auto model_config = tiny_config("transition");
  model_config.frame = frame_of(make_machine("toy8", 256)->layout());
  TrainConfig config;
  config.steps = 40;
  config.batch_patches = 64;
  config.length_warmup = 0.5;
  config.precision = "fp32";
  config.threads = 1;
  config.validation_traces = 8;
  ProgramStream::Options options;
  options.memory_bytes = 256;
  options.programs.max_instructions = 63;
  options.seed = 1;
  options.pool_traces = 8;
  WatchedStream programs(options);
  options.split = Split::test;
  ProgramStream held_out(options);
  const auto model = make_model(model_config);
  const OutputFolder run(folder_ / "run");
  Ranks alone;
  bytecpu::train(*model, config, {programs, held_out}, {&run}, alone, std::atomic<bool>(false), [] {});
  const auto& longest = programs.asked;
  EXPECT_EQ(longest.front(), 16);
  EXPECT_EQ(longest.back(), 63);
  EXPECT_TRUE(std::is_sorted(longest.begin(), longest.end()));
  EXPECT_TRUE(std::any_of(longest.begin(), longest.end(), [](int n) { return n > 16 && n < 63; }));
}

TEST_F(Training, WritesTensorboardFilesWhereAsked) {
  const auto run = folder_ / "run";
  ASSERT_EQ(train({"--out", run, "--steps", "10", "--tensorboard"}), 0) << log();
  ASSERT_EQ(train({"--out", run, "--steps", "20", "--tensorboard", "--resume"}), 0) << log();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (!entry.path().filename().string().starts_with("events.out.tfevents.")) continue;
    ++files;
    const auto events = read_file(entry.path());
    for (const char* tag : {"training/loss", "training/lr", "validation/byte_accuracy"}) {
      EXPECT_NE(events.find(tag), std::string::npos) << tag;
    }
  }
  EXPECT_EQ(files, 2);
}

TEST_F(Training, StartsFromGivenWeights) {
  const auto first = folder_ / "first", second = folder_ / "second";
  ASSERT_EQ(train({"--out", first, "--steps", "10"}), 0) << log();
  const auto weights = first / "step-00000010" / "model.safetensors";
  ASSERT_EQ(train({"--out", second, "--steps", "1", "--init", weights, "--learning-rate", "1e-30",
                   "--muon-learning-rate", "1e-30"}),
            0)
      << log();
  EXPECT_EQ(read_file(second / "step-00000001" / "model.safetensors"), read_file(weights));
  // Kept is the running mean; without one, the newest.
  const auto newest = folder_ / "newest";
  ASSERT_EQ(train({"--out", newest, "--steps", "10", "--average", "0"}), 0) << log();
  EXPECT_NE(read_file(newest / "step-00000010" / "model.safetensors"), read_file(weights));
  EXPECT_EQ(losses(newest), losses(first));
  EXPECT_EQ(train({"--out", folder_ / "third", "--init", weights, "--byte-width", "32"}), 1);
  EXPECT_NE(log().find("model.safetensors: tensor \""), std::string::npos) << log();
}

TEST_F(Training, AnExplodingLossStopsItAndLeavesTheLastCheckpoint) {
  const auto run = folder_ / "run";
  EXPECT_EQ(train({"--out", run, "--steps", "500", "--schedule", "constant", "--warmup", "0",
                   "--learning-rate", "1e6", "--clip", "0", "--checkpoint-every", "1"}),
            1);
  EXPECT_NE(log().find("diverges"), std::string::npos) << log();
  const auto checkpoint = find_checkpoint(run);
  ASSERT_TRUE(checkpoint);
  EXPECT_NO_THROW(load_model(*checkpoint));
}

TEST_F(Training, RefusesToOverwriteATrainingAndAnotherModel) {
  const auto run = folder_ / "run";
  ASSERT_EQ(train({"--out", run, "--steps", "10"}), 0) << log();
  const auto before = files(run);
  EXPECT_EQ(train({"--out", run, "--steps", "10"}), 1);
  EXPECT_NE(log().find("--resume"), std::string::npos) << log();
  EXPECT_TRUE(files(run) == before);
  EXPECT_EQ(train({"--out", run, "--steps", "20", "--resume", "--average", "0"}), 1);
  EXPECT_NE(log().find("average was \"0.3\" and is \"0\""), std::string::npos) << log();
  EXPECT_TRUE(files(run) == before);
  EXPECT_EQ(train({"--out", run, "--steps", "20", "--resume", "--byte-width", "32"}), 1);
  EXPECT_NE(log().find("byte-width was \"64\" and is \"32\""), std::string::npos) << log();
  EXPECT_TRUE(files(run) == before);
}

TEST_F(Training, StoppedBeforeItsNextStepItLeavesTheCheckpointItResumesFrom) {
  const auto run = folder_ / "run";
  ASSERT_EQ(train({"--out", run, "--steps", "10"}), 0) << log();
  const auto checkpoint = *find_checkpoint(run);
  const auto before = files(checkpoint);
  const auto model = load_model(checkpoint);
  TrainConfig config;
  config.steps = 20;
  config.accumulate = 2;
  config.optimizer = "muon";
  config.operation_mix = "loss";
  config.average = 0.3;
  const ProgramStream::Options stream{.memory_bytes = 64, .programs = {.max_instructions = 6}};
  ProgramStream source(stream);
  const OutputFolder folder(run);
  Ranks alone;
  EXPECT_EQ(
      bytecpu::train(*model, config, {source, source}, {&folder, checkpoint}, alone, /*stop=*/true, [] {}),
      TrainingEnd::stopped);
  EXPECT_TRUE(files(checkpoint) == before);
}

TEST_F(Training, ExportsItsNewestCheckpointToANewFolder) {
  const auto run = folder_ / "run", out = folder_ / "exported";
  ASSERT_EQ(train({"--out", run, "--steps", "20"}), 0) << log();
  const std::vector<std::string> command = {"export", "--checkpoint", run, "--out", out};
  ASSERT_EQ(call(command), 0) << log();
  EXPECT_EQ(load_training_state(out)["step"], 20);
  EXPECT_EQ(read_file(out / "config.ini"), read_file(run / "config.ini"));
  EXPECT_EQ(call(command), 1);
  EXPECT_NE(log().find("new folder"), std::string::npos) << log();
  EXPECT_EQ(call({"export", "--checkpoint", folder_ / "none", "--out", folder_ / "other"}), 1);
  EXPECT_EQ(call({"export", "--checkpoint", run}), 2);

  // It can be started from but not resumed; exported again it takes its training's files along.
  const auto before = files(out);
  EXPECT_EQ(train({"--out", out, "--resume", "--steps", "30"}), 1);
  EXPECT_NE(log().find("--init"), std::string::npos) << log();
  EXPECT_TRUE(files(out) == before);
  EXPECT_EQ(train({"--out", folder_ / "next", "--steps", "1", "--init", out / "model.safetensors"}), 0)
      << log();
  ASSERT_EQ(call({"export", "--checkpoint", out, "--out", folder_ / "again"}), 0) << log();
  EXPECT_EQ(read_file(folder_ / "again" / "metrics.jsonl"), read_file(out / "metrics.jsonl"));
}

TEST_F(Training, ExportsTheMeanOfSeveralRuns) {
  std::vector<std::shared_ptr<ByteModel>> models;
  std::vector<std::string> command = {"export", "--precision", "fp32", "--out", folder_ / "mean"};
  for (const char* seed : {"1", "2", "3"}) {
    const auto run = folder_ / seed;
    ASSERT_EQ(train({"--out", run, "--steps", "2", "--seed", seed}), 0) << log();
    models.push_back(load_model(*find_checkpoint(run)));
    command.insert(command.end(), {"--checkpoint", run});
  }
  ASSERT_EQ(call(command), 0) << log();
  const auto of = json::parse(read_file(folder_ / "mean" / "run.json"))["mean_of"];
  ASSERT_EQ(of.size(), 3U);
  EXPECT_EQ(of[0]["step"], 2);
  EXPECT_NE(of[0]["command"].get<std::string>().find("--seed 1"), std::string::npos);
  EXPECT_NE(of[2]["command"].get<std::string>().find("--seed 3"), std::string::npos);
  const auto mean = load_model(folder_ / "mean");
  for (const auto& item : mean->named_parameters()) {
    auto sum = torch::zeros_like(item.value());
    for (const auto& model : models) sum += model->named_parameters()[item.key()];
    EXPECT_TRUE(torch::allclose(item.value(), sum / 3, 1e-5, 1e-7)) << item.key();
    EXPECT_FALSE(
        torch::equal(models[0]->named_parameters()[item.key()], models[1]->named_parameters()[item.key()]) &&
        item.value().dim() == 2)
        << item.key();
  }
  ASSERT_EQ(train({"--out", folder_ / "other", "--steps", "2", "--byte-width", "32"}), 0) << log();
  EXPECT_EQ(call({"export", "--checkpoint", folder_ / "other", "--checkpoint", folder_ / "1", "--out",
                  folder_ / "two"}),
            1);
  EXPECT_NE(log().find("no mean"), std::string::npos) << log();
  EXPECT_FALSE(fs::exists(folder_ / "two"));
  EXPECT_EQ(call({"export", "--checkpoint", folder_ / "1", "--precision", "fp8", "--out", folder_ / "two"}),
            2);
}

TEST_F(Training, BadUsageExitsWithTwo) {
  EXPECT_EQ(train({}), 2);
  EXPECT_EQ(train({"--out", folder_ / "run", "--no-such-flag"}), 2);
  EXPECT_EQ(call({"--out", folder_ / "run", "--steps", "1", "--data", folder_ / "nowhere"}), 1);
  EXPECT_NE(log().find("nowhere"), std::string::npos);
  // A configuration that says what programs are is compared with the dataset, so that is read first.
  EXPECT_EQ(train({"--out", folder_ / "run", "--data", folder_ / "nowhere"}), 1);
  EXPECT_NE(log().find("nowhere/manifest.json"), std::string::npos) << log();
}

}  // namespace
}  // namespace bytecpu
