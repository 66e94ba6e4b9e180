// What a resumed training may find otherwise than it left it, and what not.
#include <cmath>

#include "datagen/dataset/generate.hpp"
#include "datagen/io/output_folder.hpp"
#include "model/training/progress.hpp"
#include "model/training/settings.hpp"
#include "tests/model/training_support.hpp"

namespace bytecpu {
namespace {

class Resume : public Training {
 protected:
  // Ten steps of it.
  fs::path begin(const std::vector<std::string>& more = {}) {
    const auto run = folder_ / "run";
    EXPECT_EQ(train(with({"--out", run, "--steps", "10"}, more)), 0) << log();
    return run;
  }
  int go_on(const std::vector<std::string>& more = {}) {
    return train(with({"--out", folder_ / "run", "--steps", "12", "--resume"}, more));
  }
  static std::vector<std::string> with(std::vector<std::string> all, const std::vector<std::string>& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void expect_log(const std::string& part) { EXPECT_NE(log().find(part), std::string::npos) << log(); }
  // Refused, and nothing is changed.
  void expect_refused(const std::vector<std::string>& more, const std::string& part) {
    const auto before = files(folder_ / "run");
    EXPECT_EQ(go_on(more), 1) << log();
    expect_log(part);
    EXPECT_TRUE(files(folder_ / "run") == before) << part;
  }

  // The configuration without the settings of fresh programs, which a dataset does not take.
  void use_dataset() {
    std::istringstream lines(read_file(folder_ / "config.ini"));
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      const auto name = line.substr(0, line.find(' '));
      if (name != "machine" && name != "memory" && name != "max-instructions" && name != "operation-mix")
        kept += line + "\n";
    }
    write_file(folder_ / "config.ini", kept);
  }
  fs::path dataset(const std::string& name, uint64_t seed) {
    GenerateOptions options;
    options.memory_bytes = 64;
    options.programs.max_instructions = 6;
    options.traces = {300, 40};
    options.shard_traces = 100;
    options.seed = seed;
    options.out = folder_ / name;
    generate(options);
    return options.out;
  }
};

TEST_F(Resume, EachSettingThatDiffersIsNamed) {
  begin();
  expect_refused({"--learning-rate", "0.5"}, "learning-rate was \"0.001\" and is \"0.5\"");
  expect_refused({"--optimizer", "adamw", "--batch-patches", "32"},
                 "batch-patches was \"64\" and is \"32\", optimizer was \"muon\" and is \"adamw\"");
  expect_refused({"--schedule", "linear"}, "schedule was");
  expect_refused({"--seed", "5"}, "seed was");
  expect_refused({"--max-instructions", "5"}, "max-instructions was");
  expect_refused({"--byte-width", "32"}, "byte-width was");
}

TEST_F(Resume, TheBudgetAndWhatChangesNoStepMayDiffer) {
  const auto run = begin();
  EXPECT_EQ(go_on({"--log-every", "3", "--validate-every", "7", "--checkpoint-every", "5", "--threads", "2",
                   "--device", "cpu", "--peak-tflops", "1", "--tensorboard", "--learning-rate", "1e-3"}),
            0)
      << log();
  EXPECT_EQ(find_checkpoint(run)->filename(), "step-00000012");
}

TEST_F(Resume, ACheckpointOfBeforeIsComparedWithItsRunsConfiguration) {
  const auto run = begin();
  alter(*find_checkpoint(run) / "training.json", [](auto& state) { state.erase("settings"); });
  expect_refused({"--clip", "3"}, "clip was \"1\" and is \"3\"");
  fs::remove(run / "config.ini");
  EXPECT_EQ(go_on(), 0) << log();
}

TEST_F(Resume, AnotherDatasetIsRefusedAndTheSameElsewhereIsNot) {
  use_dataset();
  const auto data = dataset("a", 1), other = dataset("b", 2);
  begin({"--data", data});
  expect_refused({"--data", other}, "data is another dataset than " + data.string());
  const auto moved = folder_ / "moved";
  fs::rename(data, moved);
  EXPECT_EQ(go_on({"--data", moved}), 0) << log();
}

TEST_F(Resume, AFlippedBitInAShardEndsTheTraining) {
  use_dataset();
  const auto shard = dataset("a", 1) / "train-00002.safetensors";
  auto bytes = read_file(shard);
  bytes.back() ^= 1;
  write_file(shard, bytes);
  EXPECT_EQ(train({"--out", folder_ / "run", "--data", folder_ / "a"}), 1);
  expect_log("train-00002.safetensors: its checksum is not the manifest's");
}

TEST_F(Resume, AFolderIsOneTrainingsAtATime) {
  begin();
  const OutputFolder other(folder_ / "run");
  expect_refused({}, "another process is writing to it");
}

TEST_F(Resume, ARunThatWasMovedAwayEndsWithALineAndDoesNotComeBack) {
  const auto run = folder_ / "run";
  const pid_t child = start(configured({"--out", run, "--steps", "100000000"}));
  while (!fs::exists(run / "step-00000010") && waitpid(child, nullptr, WNOHANG) == 0) usleep(1000);
  fs::rename(run, folder_ / "away");
  EXPECT_EQ(finish(child), 1);
  expect_log("/run: it was removed while this program used it");
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(Resume, ADamagedCheckpointIsNotPassedOver) {
  const auto run = begin();
  fs::remove(*find_checkpoint(run) / "config.json");
  expect_refused({}, "step-00000010: its config.json is missing");
}

TEST_F(Resume, CountersThatCannotBeAreRefused) {
  const auto checkpoint = *find_checkpoint(begin());
  const auto good = nlohmann::json::parse(read_file(checkpoint / "training.json"));
  const auto refused = [&](const char* name, const nlohmann::json& value) {
    auto state = good;
    state[name] = value;
    write_file(checkpoint / "training.json", state.dump());
    fs::remove(checkpoint / "checksums.json");
    try {
      load_progress(checkpoint);
      ADD_FAILURE() << name << " " << value;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("training.json: "), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  };
  for (const char* count : {"step", "pool", "batch", "longest", "next_longest", "logged_step"}) {
    for (const nlohmann::json& value :
         {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json("1"), nlohmann::json()})
      refused(count, value);
  }
  refused("longest", uint64_t{1} << 40);
  for (const char* number : {"seconds", "flops", "wrong_share", "loss_sum", "norm_sum", "smooth_loss"}) {
    for (const nlohmann::json& value : {nlohmann::json(-1), nlohmann::json("1"), nlohmann::json()})
      refused(number, value);
  }
  refused("wrong_share", 1.5);
  refused("logged_step", 11);
  for (const char* numbers : {"weights", "next_weights", "operation_hardness"}) {
    refused(numbers, 1);
    refused(numbers, {1, -1});
    refused(numbers, {1, nullptr});
  }
  // Those that only the training itself can tell.
  const auto refused_by_training = [&](const char* name, const nlohmann::json& value) {
    auto state = good;
    state[name] = value;
    write_file(checkpoint / "training.json", state.dump());
    EXPECT_EQ(go_on(), 1) << name << log();
    expect_log("altered");
  };
  refused_by_training("weights", {1, 1, 1});
  refused_by_training("longest", 7);
  refused_by_training("batch", 1'000'000);
}

TEST(Settings, AreReadFromIniTextAndComparedByValue) {
  const auto was = settings_of("# comment\nlearning-rate = 0.001\n data= /a/b = c\nold = 1\nsteps = 5\n");
  EXPECT_EQ(was, (Settings{{"learning-rate", "0.001"}, {"data", "/a/b = c"}, {"old", "1"}, {"steps", "5"}}));
  // A number written otherwise, a budget, settings that came and went.
  EXPECT_NO_THROW(
      require_same(was, settings_of("learning-rate = 1e-3\ndata = /a/b = c\nnew = 2\nsteps = 9\n")));
  EXPECT_NO_THROW(require_same({}, was));
  EXPECT_THROW(require_same(was, settings_of("learning-rate = 1e-3\n")), Error);
  EXPECT_THROW(require_same(was, settings_of("learning-rate = 2e-3\ndata = /a/b = c\n")), Error);
  // Weights to start from are not wanted again, but others would be passed over.
  EXPECT_NO_THROW(require_same({{"init", "x"}}, {{"init", ""}}));
  EXPECT_THROW(require_same({{"init", "x"}}, {{"init", "y"}}), Error);
}

}  // namespace
}  // namespace bytecpu
