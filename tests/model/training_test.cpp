// The training loop and its checkpoints, through the program as its users run it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "datagen/corpus/program_stream.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/safetensors.hpp"
#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/trainer.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Training : public testing::Test {
 protected:
  Training() {
    folder_ = fs::temp_directory_path() / ("bytecpu-training-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_file(
        folder_ / "config.ini",
        "machine = toy8\nmemory = 64\nmax-instructions = 6\nfamily = transition\npatch-layers = 1\n"
        "patch-width = 16\npatch-heads = 2\nbyte-layers = 1\nbyte-width = 64\nbyte-heads = 2\nbyte-mlp = 1\n"
        "memory-width = 16\nmemory-heads = 2\nbyte-init = structured\noptimizer = muon\noperation-mix = "
        "loss\n"
        "candidates = 3\nsteps = 40\nbatch-patches = 64\npool-traces = 64\naccumulate = 2\nlog-every = "
        "1\nvalidate-every = "
        "20\n"
        "average = 0.3\n"
        "validation-traces = 32\ncheckpoint-every = 10\nprecision = fp32\nthreads = 1\n");
  }
  ~Training() override { fs::remove_all(folder_); }

  pid_t start(std::vector<std::string> all) {
    all.insert(all.begin(), std::string(BYTECPU_BIN) + "/bytecpu-train");
    const pid_t child = fork();
    if (child == 0) {
      const std::string log = folder_ / "log.txt";
      if (!freopen(log.c_str(), "w", stdout) || !freopen(log.c_str(), "a", stderr)) _exit(126);
      std::vector<char*> argv;
      for (auto& a : all) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    return child;
  }
  std::vector<std::string> configured(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--config", folder_ / "config.ini"});
    return arguments;
  }
  int finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int call(const std::vector<std::string>& arguments) { return finish(start(arguments)); }
  int train(const std::vector<std::string>& arguments) { return call(configured(arguments)); }
  std::string log() { return read_file(folder_ / "log.txt"); }
  // Content and time of every file in a folder, hidden ones too.
  static std::map<std::string, std::pair<std::string, fs::file_time_type>> files(const fs::path& folder) {
    std::map<std::string, std::pair<std::string, fs::file_time_type>> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) all[entry.path()] = {read_file(entry.path()), entry.last_write_time()};
    }
    return all;
  }

  // Losses of each step, bit for bit as logged.
  std::map<int64_t, std::string> losses(const fs::path& run) {
    std::map<int64_t, std::string> result;
    std::ifstream in(run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto j = json::parse(line, nullptr, false);
      if (j.is_object() && j.contains("loss")) result[j["step"].get<int64_t>()] = j["loss"].dump();
    }
    return result;
  }
  // Begins a training that would go on for hours, sends it the signal when it has saved a checkpoint and gone
  // on from there, and returns how it ended.
  int interrupt(int signal) {
    const auto run = folder_ / "interrupted";
    const pid_t child =
        start(configured({"--out", run, "--steps", "100000000", "--schedule", "constant", "--warmup", "0"}));
    const auto gone_on = [&] {
      const auto checkpoint = find_checkpoint(run);
      return checkpoint && losses(run).rbegin()->first > load_training_state(*checkpoint)["step"];
    };
    for (;;) {
      // Checkpoints come and go while they are looked at.
      try {
        if (gone_on()) break;
      } catch (const Error&) {
      }
      if (waitpid(child, nullptr, WNOHANG) != 0) ADD_FAILURE() << log();
      if (HasFailure()) return 0;
      usleep(1000);
    }
    kill(child, signal);
    return finish(child);
  }
  // Resumes it for some more steps; an undisturbed run must have the same losses and end with the same model.
  void go_on_and_compare() {
    const auto interrupted = folder_ / "interrupted", whole = folder_ / "whole";
    const auto checkpoint = find_checkpoint(interrupted);
    ASSERT_TRUE(checkpoint);
    const auto steps = std::to_string(load_training_state(*checkpoint)["step"].get<int64_t>() + 25);
    const std::vector<std::string> budget = {"--steps", steps, "--schedule", "constant", "--warmup", "0"};
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.end(), budget.begin(), budget.end());
      return more;
    };
    ASSERT_EQ(train(with({"--out", interrupted, "--resume"})), 0) << log();
    EXPECT_NE(log().find("resuming at step"), std::string::npos);
    ASSERT_EQ(train(with({"--out", whole})), 0) << log();
    EXPECT_EQ(losses(interrupted), losses(whole));
    EXPECT_TRUE(read_file(*find_checkpoint(interrupted) / "model.safetensors") ==
                read_file(*find_checkpoint(whole) / "model.safetensors"));
  }

  fs::path folder_;
};

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
  const auto file = *find_checkpoint(run) / "training.json";
  auto state = json::parse(read_file(file));
  EXPECT_EQ(state["wrong_share"], 1);
  // Told that few states are wrong it takes the hardest of several batches.
  state["wrong_share"] = 0.001;
  write_file(file, state.dump());
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
  const auto file = *find_checkpoint(run) / "training.json";
  auto state = json::parse(read_file(file));
  state["wrong_share"] = 0.001;  // so that it looks at three
  for (auto& hardness : state["operation_hardness"]) hardness = 100;
  write_file(file, state.dump());
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
  bytecpu::train(*model, config, {programs, held_out}, folder_ / "run", /*checkpoint=*/std::nullopt,
                 std::atomic<bool>(false), [] {});
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
  ASSERT_EQ(train({"--out", run, "--steps", "10", "--schedule", "constant"}), 0) << log();
  EXPECT_EQ(train({"--out", run, "--resume", "--steps", "500", "--schedule", "constant", "--learning-rate",
                   "1e6", "--clip", "0", "--checkpoint-every", "1000"}),
            1);
  EXPECT_NE(log().find("diverges"), std::string::npos) << log();
  const auto checkpoint = find_checkpoint(run);
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->filename(), "step-00000010");
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
  EXPECT_NE(log().find("was trained with an average"), std::string::npos) << log();
  EXPECT_TRUE(files(run) == before);
  EXPECT_EQ(train({"--out", run, "--steps", "20", "--resume", "--byte-width", "32"}), 1);
  EXPECT_NE(log().find("another"), std::string::npos) << log();
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
  config.optimizer = "muon";
  config.operation_mix = "loss";
  config.average = 0.3;
  const ProgramStream::Options stream{.memory_bytes = 64, .programs = {.max_instructions = 6}};
  ProgramStream source(stream);
  EXPECT_EQ(bytecpu::train(*model, config, {source, source}, run, checkpoint,
                           /*stop=*/true, [] {}),
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
            1);
}

TEST_F(Training, BadUsageExitsWithTwo) {
  EXPECT_EQ(train({}), 2);
  EXPECT_EQ(train({"--out", folder_ / "run", "--no-such-flag"}), 2);
  EXPECT_EQ(train({"--out", folder_ / "run", "--data", folder_ / "nowhere"}), 1);
  EXPECT_NE(log().find("nowhere"), std::string::npos);
}

// As long as it lives no file may have more than 1,000 bytes.
class FullDisk {
 public:
  FullDisk() : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit small{.rlim_cur = 1000, .rlim_max = limit_.rlim_max};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) ADD_FAILURE() << "setrlimit";
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    ::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  sighandler_t handler_;
  rlimit limit_{};
};

class Checkpoint : public Training {
 protected:
  Checkpoint() : model_(tiny_model(tiny_config("bgpt"))), optimizer_(model_->trained_parameters(), {}) {
    save_checkpoint(folder_, 7, *model_, optimizer_, {{"step", 7}});
    path_ = folder_ / "step-00000007";
  }
  std::string error() {
    try {
      load_model(path_);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  }
  // Writes model.safetensors again with one tensor changed or left out.
  void rewrite(const std::function<bool(safetensors::Tensor&)>& keep) {
    const auto copy = folder_ / "copy.safetensors";
    {
      const safetensors::File file(path_ / "model.safetensors");
      std::vector<safetensors::Tensor> tensors;
      for (auto t : file.tensors()) {
        if (keep(t)) tensors.push_back(t);
      }
      safetensors::write(copy, tensors, {});
    }
    fs::rename(copy, path_ / "model.safetensors");
  }

  std::shared_ptr<ByteModel> model_;
  Optimizer optimizer_;
  fs::path path_;
};

TEST_F(Checkpoint, BringsBackEveryParameter) {
  const auto loaded = load_model(path_);
  const auto expected = model_->named_parameters(), found = loaded->named_parameters();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& item : expected) EXPECT_TRUE(torch::equal(found[item.key()], item.value())) << item.key();
  EXPECT_EQ(loaded->config(), model_->config());
  EXPECT_EQ(load_training_state(path_)["step"], 7);
}

TEST_F(Checkpoint, ATrainingStartsFromItsFolderOrItsRunsNewest) {
  for (const auto& from : {path_, folder_, path_ / "model.safetensors"}) {
    torch::manual_seed(99);
    const auto started = make_model(model_->config());
    load_initial_weights(from, *started);
    for (const auto& item : model_->named_parameters()) {
      EXPECT_TRUE(torch::equal(started->named_parameters()[item.key()], item.value())) << from << item.key();
    }
  }
  fs::create_directory(folder_ / "empty");
  EXPECT_THROW(load_initial_weights(folder_ / "empty", *make_model(model_->config())), Error);
  const auto newer = make_model(model_->config());
  save_checkpoint(folder_, 8, *newer, optimizer_, {});
  const auto started = make_model(model_->config());
  load_initial_weights(folder_, *started);
  for (const auto& item : newer->named_parameters()) {
    EXPECT_TRUE(torch::equal(started->named_parameters()[item.key()], item.value())) << item.key();
  }
}

TEST_F(Checkpoint, ExportedItHasTheSameParametersInBf16AndNothingToResumeWith) {
  const auto out = folder_ / "exported";
  write_file(folder_ / "run.json", "{}");
  export_checkpoint({&path_, 1}, out / "", safetensors::Dtype::BF16);
  const auto loaded = load_model(out);
  const auto expected = model_->named_parameters(), found = loaded->named_parameters();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& item : expected) {
    EXPECT_TRUE(torch::equal(found[item.key()], item.value().to(torch::kBFloat16).to(torch::kFloat)))
        << item.key();
  }
  EXPECT_EQ(loaded->config(), model_->config());
  const safetensors::File file(out / "model.safetensors");
  for (const auto& tensor : file.tensors()) {
    EXPECT_EQ(tensor.dtype, safetensors::Dtype::BF16) << tensor.name;
  }
  EXPECT_EQ(find_checkpoint(out), out);
  EXPECT_EQ(load_training_state(out)["step"], 7);
  EXPECT_EQ(read_file(out / "run.json"), "{}");
  EXPECT_FALSE(fs::exists(out / "optimizer.safetensors"));
  EXPECT_THROW(export_checkpoint({&path_, 1}, out, safetensors::Dtype::BF16), Error);
}

TEST_F(Checkpoint, WhereExportingFailsNothingIsLeft) {
  const auto expect_nothing = [&] {
    EXPECT_THROW(export_checkpoint({&path_, 1}, folder_ / "exported", safetensors::Dtype::BF16), Error);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      EXPECT_EQ(entry.path().string().find("exported"), std::string::npos) << entry.path();
    }
  };
  {
    const FullDisk full;
    expect_nothing();
  }
  write_file(path_ / "training.json", "{}");
  expect_nothing();
  fs::resize_file(path_ / "model.safetensors", fs::file_size(path_ / "model.safetensors") / 2);
  expect_nothing();
}

TEST_F(Checkpoint, HoldsTheTiedOutputLayerUnderItsPublishedName) {
  const safetensors::File file(path_ / "model.safetensors");
  const auto& tied = file.require("byte_level_decoder.base.lm_head.weight", safetensors::Dtype::F32, 2);
  const auto& table =
      file.require("byte_level_decoder.base.transformer.wte.weight", safetensors::Dtype::F32, 2);
  EXPECT_TRUE(std::equal(tied.bytes.begin(), tied.bytes.end(), table.bytes.begin(), table.bytes.end()));
}

TEST_F(Checkpoint, MissingTensorIsNamed) {
  rewrite([](auto& t) { return t.name != "patch_level_decoder.base.ln_f.bias"; });
  EXPECT_NE(error().find("patch_level_decoder.base.ln_f.bias\" is missing"), std::string::npos) << error();
}

TEST_F(Checkpoint, SurplusTensorIsNamed) {
  rewrite([](auto& t) {
    if (t.name == "patch_level_decoder.base.ln_f.bias") t.name = "surprise";
    return true;
  });
  EXPECT_NE(error().find("surprise"), std::string::npos) << error();
}

TEST_F(Checkpoint, WrongShapeIsNamed) {
  rewrite([](auto& t) {
    if (t.name == "patch_level_decoder.base.wpe.weight") std::swap(t.shape[0], t.shape[1]);
    return true;
  });
  EXPECT_NE(error().find("[16, 32], the model wants [32, 16]"), std::string::npos) << error();
}

TEST_F(Checkpoint, NotANumberIsNamed) {
  std::vector<float> bad(16, std::nanf(""));
  rewrite([&](auto& t) {
    if (t.name == "patch_level_decoder.base.ln_f.bias")
      t.bytes = {reinterpret_cast<const uint8_t*>(bad.data()), 64};
    return true;
  });
  EXPECT_NE(error().find("NaN"), std::string::npos) << error();
}

TEST_F(Checkpoint, LaterVersionAndDamageAreClearErrors) {
  auto config = json::parse(read_file(path_ / "config.json"));
  config["version"] = 99;
  write_file(path_ / "config.json", config.dump());
  EXPECT_NE(error().find("later version"), std::string::npos) << error();
  write_file(path_ / "config.json", "{");
  EXPECT_NE(error().find("config.json"), std::string::npos) << error();
  fs::remove(path_ / "config.json");
  EXPECT_NE(error().find("config.json"), std::string::npos) << error();
}

TEST_F(Checkpoint, ATruncatedWeightFileIsAClearError) {
  fs::resize_file(path_ / "model.safetensors", fs::file_size(path_ / "model.safetensors") / 2);
  EXPECT_NE(error().find("model.safetensors"), std::string::npos) << error();
}

TEST_F(Checkpoint, AFullDiskLeavesTheEarlierOne) {
  {
    const FullDisk full;
    EXPECT_THROW(save_checkpoint(folder_, 8, *model_, optimizer_, {{"step", 8}}), Error);
  }
  EXPECT_EQ(find_checkpoint(folder_)->filename(), "step-00000007");
  EXPECT_EQ(error(), "loaded");
}

}  // namespace
}  // namespace bytecpu
