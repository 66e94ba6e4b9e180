// Trainings in a folder that vanishes, through the program as its users run it.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

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

  pid_t start(std::vector<std::string> all, const std::string& log_name = "log.txt") {
    all.insert(all.begin(), std::string(BYTECPU_BIN) + "/bytecpu-train");
    const pid_t child = fork();
    if (child == 0) {
      const std::string log = folder_ / log_name;
      // Both append: else what the one writes late would lie over what the other wrote.
      fs::remove(log);
      if (!freopen(log.c_str(), "a", stdout) || !freopen(log.c_str(), "a", stderr)) _exit(126);
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
  // Changes a JSON file of a checkpoint as one who wants to.
  static void alter(const fs::path& file, const std::function<void(nlohmann::json&)>& change) {
    auto state = nlohmann::json::parse(read_file(file));
    change(state);
    write_file(file, state.dump());
    fs::remove(file.parent_path() / "checksums.json");
  }
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
      const auto j = nlohmann::json::parse(line, nullptr, false);
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

}  // namespace bytecpu
