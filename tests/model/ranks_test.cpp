// What launchers say, and what the processes they start say to each other.
#include "model/ranks/ranks.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <thread>

#include "model/training/trainer.hpp"
#include "tests/model/support.hpp"
#include "tests/model/together_support.hpp"

namespace bytecpu {
namespace {

using Variables = std::map<std::string, std::string>;

Launch launch_with(const Variables& variables) {
  return launch_of([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, WithoutALauncherItIsAlone) {
  EXPECT_EQ(launch_with({}), Launch());
  EXPECT_EQ(launch_with({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_ADDR", "there"}}), Launch());
  // A batch script of Slurm's, without srun.
  EXPECT_EQ(launch_with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_NODELIST", "n[1-4]"}}),
            Launch());
}

TEST(Launch, OfTorchrunAllIsSaid) {
  const Variables variables = {{"RANK", "5"},
                               {"WORLD_SIZE", "8"},
                               {"LOCAL_RANK", "1"},
                               {"LOCAL_WORLD_SIZE", "4"},
                               {"MASTER_ADDR", "there"},
                               {"MASTER_PORT", "1234"},
                               {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                               {"TORCHELASTIC_RESTART_COUNT", "2"},
                               // Within a job of Slurm's.
                               {"SLURM_PROCID", "0"},
                               {"SLURM_STEP_NUM_TASKS", "2"}};
  const Launch expected{.rank = 5,
                        .size = 8,
                        .local_rank = 1,
                        .local_size = 4,
                        .address = "there",
                        .port = 1234,
                        .launcher_listens = true,
                        .attempt = 2};
  EXPECT_EQ(launch_with(variables), expected);
}

TEST(Launch, OfMpirunOnOneMachineNeedsNoAddress) {
  Variables open = {{"OMPI_COMM_WORLD_RANK", "3"},
                    {"OMPI_COMM_WORLD_SIZE", "4"},
                    {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                    {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
  EXPECT_EQ(launch_with(open), (Launch{.rank = 3, .size = 4, .local_rank = 3, .local_size = 4}));
  const Variables mpich = {
      {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
  EXPECT_EQ(launch_with(mpich), (Launch{.rank = 1, .size = 2, .local_rank = 1, .local_size = 2}));
  open["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2";
  EXPECT_THROW(launch_with(open), Error);
  open["MASTER_ADDR"] = "there";
  EXPECT_EQ(launch_with(open).address, "there");
}

TEST(Launch, OfSlurmTheFirstMachineIsWhereTheyMeet) {
  Variables variables = {{"SLURM_PROCID", "6"},         {"SLURM_STEP_NUM_TASKS", "8"},
                         {"SLURM_LOCALID", "2"},        {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"},
                         {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_NODELIST", "node[03-04,7]"},
                         {"SLURM_JOB_ID", "123456"}};
  EXPECT_EQ(
      launch_with(variables),
      (Launch{.rank = 6, .size = 8, .local_rank = 2, .local_size = 4, .address = "node03", .port = 23456}));
  for (const auto& [list, first] :
       Variables{{"a-1,b-2", "a-1"}, {"n[9]", "n9"}, {"n[007,9]x", "n007"}, {"alone", "alone"}}) {
    variables["SLURM_STEP_NODELIST"] = list;
    EXPECT_EQ(launch_with(variables).address, first);
  }
  variables["SLURM_STEP_NUM_NODES"] = "1";
  EXPECT_EQ(launch_with(variables).address, "127.0.0.1");
}

TEST(Launch, WhatCannotBeIsNamed) {
  for (const auto& [rank, size] : {std::pair("8", "8"), {"-1", "8"}, {"1x", "8"}, {"0", "0"}}) {
    try {
      launch_with({{"RANK", rank}, {"WORLD_SIZE", size}});
      ADD_FAILURE() << rank << " of " << size;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(std::string(size) == "0" ? "WORLD_SIZE=0" : "RANK="),
                std::string::npos)
          << e.what();
    }
  }
}

TEST(Ranks, AloneNothingChanges) {
  Ranks alone;
  EXPECT_TRUE(alone.alone() && alone.first());
  std::vector<double> numbers = {1, 2};
  alone.sum(numbers);
  EXPECT_EQ(numbers, std::vector<double>({1, 2}));
  std::vector<torch::Tensor> tensors = {torch::ones({2})};
  alone.mean(tensors, 3, 3);
  EXPECT_TRUE(tensors[0].equal(torch::ones({2})));
  EXPECT_EQ(alone.gather("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(alone.of_first(2.5), 2.5);
  EXPECT_THROW(alone.fail(Error("all")), Error);
  alone.finish();
}

// Runs it in a thread for each rank.
void in_ranks(int size, const std::function<void(Ranks&)>& body) {
  const int port = free_port();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([=] {
      Ranks ranks(Launch{.rank = rank, .size = size, .local_rank = rank, .local_size = size, .port = port});
      body(ranks);
      ranks.finish();
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Ranks, AddUpNumbersTensorsAndTexts) {
  if (!has_c10d()) GTEST_SKIP() << "built without c10d";
  in_ranks(3, [](Ranks& ranks) {
    const double me = ranks.rank();
    std::vector<double> numbers = {me, 10 * me, 1};
    ranks.sum(numbers);
    EXPECT_EQ(numbers, std::vector<double>({3, 30, 3}));
    // More than one bucket; rank 0 weighs nothing, not even what is not a number.
    std::vector<torch::Tensor> tensors = {torch::full({3, 1 << 21}, me), torch::full({1 << 22}, 2 * me),
                                          torch::full({2}, me)};
    if (ranks.first()) tensors[0].fill_(NAN);
    ranks.mean(tensors, me, 3);
    EXPECT_TRUE(tensors[0].allclose(torch::full({3, 1 << 21}, 5.0 / 3)));
    EXPECT_TRUE(tensors[1].allclose(torch::full({1 << 22}, 10.0 / 3)));
    EXPECT_TRUE(tensors[2].allclose(torch::full({2}, 5.0 / 3)));
    EXPECT_EQ(ranks.gather(std::string(ranks.rank(), 'x')), std::vector<std::string>({"", "x", "xx"}));
    EXPECT_EQ(ranks.of_first("number " + std::to_string(ranks.rank())), "number 0");
    EXPECT_EQ(ranks.of_first(me + 7), 7);
    const std::vector<torch::Tensor> copies = {torch::full({5}, me - 1)};
    ranks.copy_first(copies);
    EXPECT_TRUE(copies[0].equal(torch::full({5}, -1.0)));
  });
}

// Every other pool has state 0 alone: nothing to predict.
class HalfNothing final : public Corpus {
 public:
  HalfNothing() : stream_(options()) {}
  const Frame& frame() const override { return stream_.frame(); }
  std::string describe() const override { return "half of nothing"; }
  void fill(uint64_t index, const Emphasis& emphasis, Pool& out) override {
    if (index % 2 == 0) return stream_.fill(index, emphasis, out);
    out.traces.clear();
    const std::vector<uint8_t> start(frame().layout.start_bytes());
    out.traces.add({frame().layout, start, StopReason::step_limit});
  }

 private:
  static ProgramStream::Options options() {
    ProgramStream::Options options;
    options.memory_bytes = 64;
    options.programs.max_instructions = 6;
    options.pool_traces = 20;
    return options;
  }
  ProgramStream stream_;
};

TEST(Ranks, OneWithNothingToLearnFromGoesOnWithTheOthers) {
  if (!has_c10d()) GTEST_SKIP() << "built without c10d";
  const auto folder = fs::temp_directory_path() / ("bytecpu-ranks-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const auto train_in = [&](Ranks& ranks, const fs::path& run) {
    TrainConfig config;
    config.steps = 6;
    config.accumulate = 2;
    config.log_every = 1;
    config.precision = "fp32";
    HalfNothing data, held_out;
    // Ranks are threads here, and draw from one generator.
    static std::mutex drawing;
    std::unique_lock lock(drawing);
    const auto model = tiny_model(tiny_config("transition"), 0);
    lock.unlock();
    const std::atomic<bool> stop = false;
    std::optional<OutputFolder> output;
    if (ranks.first()) output.emplace(run);
    EXPECT_EQ(train(*model, config, {data, held_out}, {output ? &*output : nullptr}, ranks, stop, [] {}),
              TrainingEnd::finished);
  };
  Ranks alone;
  train_in(alone, folder / "one");
  in_ranks(2, [&](Ranks& ranks) { train_in(ranks, folder / "two"); });
  const auto text = [&](const char* run) {
    std::vector<double> losses;
    std::istringstream lines(read_file(folder / run / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json.contains("loss")) losses.push_back(json["loss"]);
    }
    return losses;
  };
  const auto one = text("one"), two = text("two");
  ASSERT_EQ(one.size(), 6U);
  ASSERT_EQ(two.size(), 6U);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], two[i], 1e-5 * one[i]) << i;
  fs::remove_all(folder);
}

}  // namespace
}  // namespace bytecpu
