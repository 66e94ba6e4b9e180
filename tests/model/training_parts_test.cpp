// The parts of the training loop, each by itself.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <mutex>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "model/training/curriculum.hpp"
#include "model/training/feed.hpp"
#include "model/training/part.hpp"
#include "model/training/progress.hpp"
#include "model/training/trainer.hpp"
#include "model/training/validation.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

TEST(Curriculum, DocumentsGrowFromSixteenStepsToAllDoublingInEqualTimes) {
  TrainConfig config;
  config.length_warmup = 0.5;
  EXPECT_EQ(longest_document(config, 256, 0), 16);
  EXPECT_EQ(longest_document(config, 256, 0.25), 64);
  EXPECT_EQ(longest_document(config, 256, 0.5), 256);
  EXPECT_EQ(longest_document(config, 256, 1), 256);
  // Shorter ones have nothing to grow, and a corpus that draws none has no length.
  EXPECT_EQ(longest_document(config, 10, 0), 10);
  EXPECT_EQ(longest_document(config, 0, 0), 0);
}

// One step wrong of skill 0, one right of skill 1, of a document of three steps.
TEST(SkillMix, WhatIsOftenWrongIsDrawnMoreOftenAndNothingBelowTheFloor) {
  const Pool pool = some_traces(1, 4);
  Document document = pool[0];
  const std::vector<int16_t> skills = {0, 1, -1};
  document.skills = skills;
  const Rows rows{.condition = {},
                  .patches = {},
                  .step = torch::tensor({1, 2, 3}, torch::kLong),
                  .document = torch::tensor({0, 0, 0}, torch::kLong)};
  SkillMix mix(2, /*by_errors=*/false);
  for (int i = 0; i < 2000; ++i) {
    mix.observe({&document, 1}, rows, torch::tensor({1.0, 0.0, 1.0}));
    mix.update();
  }
  EXPECT_NEAR(mix.hardness()[0], 1, 1e-6);
  EXPECT_NEAR(mix.hardness()[1], 0, 1e-6);
  EXPECT_EQ(mix.weights(0.1), (std::vector<double>{1, 0.1}));
}

TEST(HardExamples, AreTheGreatestLossesAndWhatIsNoNumberBeforeAll) {
  const std::vector<float> losses = {1, NAN, 3, 2, 3};
  EXPECT_EQ(hardest(losses, 3), (std::vector<bool>{false, true, true, false, true}));
  EXPECT_EQ(hardest(losses, 9), (std::vector<bool>(5, true)));
}

TEST(HardExamples, AreLookedForOnceFewAreWrong) {
  EXPECT_EQ(candidates(1, 12), 1);
  EXPECT_EQ(candidates(0.1, 12), 1);
  EXPECT_EQ(candidates(0.02, 12), 5);
  EXPECT_EQ(candidates(0.0001, 12), 12);
  EXPECT_EQ(candidates(0, 12), 12);
}

class CheckpointState : public testing::Test {
 protected:
  CheckpointState() : folder_(fs::temp_directory_path() / ("bytecpu-progress-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    write_file(folder_ / "optimizer.safetensors", "");
  }
  ~CheckpointState() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(CheckpointState, ProgressComesBackAsItWas) {
  const Progress progress{
      .step = 7,
      .seconds = 1.5,
      .flops = 1e12,
      .places = {{3, 4, {{1, 0.5}, 16}, {{0.25, 1}, 32}}, {2, 1, {{1, 0.25}, 8}, {{1, 1}, 16}}},
      .wrong_share = 0.125,
      .logged_step = 5,
      .loss_sum = 2,
      .norm_sum = 3,
      .smooth_loss = 0.75,
      .hardness = {0.5, 0.25}};
  write_file(folder_ / "training.json", to_json(progress).dump());
  EXPECT_EQ(to_json(load_progress(folder_)), to_json(progress));
}

TEST_F(CheckpointState, ImpossibleCountersAreAnErrorThatNamesTheFile) {
  for (const auto& change : {Progress{.step = -1}, Progress{.step = 1, .logged_step = 2},
                             Progress{.seconds = -1}, Progress{.wrong_share = 2}}) {
    write_file(folder_ / "training.json", to_json(change).dump());
    try {
      load_progress(folder_);
      ADD_FAILURE() << to_json(change);
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("training.json"), std::string::npos) << e.what();
    }
  }
}

ProgramStream::Options small_stream() {
  ProgramStream::Options options;
  options.memory_bytes = 64;
  options.programs.max_instructions = 8;
  options.pool_traces = 20;
  return options;
}

TEST(Feed, GoneOnWithFromAPlaceItGivesTheBatchesOfAnUndisturbedOne) {
  const auto model = tiny_model(tiny_config("transition"));
  TrainConfig config;
  config.batch_patches = 32;
  ProgramStream stream(small_stream()), again(small_stream());
  FeedPlace place, middle;
  int asked = 0;
  const auto ask = [&asked] { return Emphasis{.skills = {}, .longest = 3 + ++asked % 5}; };
  std::mutex drawing;
  Feed feed(*model, config, stream, place, ask, drawing);
  for (int i = 0; i < 17; ++i) feed.next();
  middle = place;
  const int asked_then = asked;
  std::vector<std::vector<uint8_t>> expected;
  const auto bytes_of = [](const Batch& batch) {
    std::vector<uint8_t> bytes;
    for (const auto& d : batch.documents) bytes.insert(bytes.end(), d.steps.begin(), d.steps.end());
    return bytes;
  };
  for (int i = 0; i < 40; ++i) expected.push_back(bytes_of(feed.next()));
  asked = asked_then;
  Feed resumed(*model, config, again, middle, ask, drawing);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(bytes_of(resumed.next()) == expected[i]) << i;
}

// State 0 alone, cut: neither a step nor an end to predict.
class Nothing final : public Corpus {
 public:
  const Frame& frame() const override { return frame_; }
  std::string describe() const override { return "nothing"; }
  void fill(uint64_t, const Emphasis&, Pool& out) override {
    out.traces.clear();
    const std::vector<uint8_t> start(frame_.layout.start_bytes());
    out.traces.add({frame_.layout, start, StopReason::step_limit});
  }

 private:
  Frame frame_ = frame_of(make_machine("toy8", 64)->layout());
};

TEST(TrainingLoop, ACorpusWithNothingToPredictIsAnErrorAndNoEndlessLoop) {
  const auto folder = fs::temp_directory_path() / ("bytecpu-nothing-" + std::to_string(getpid()));
  TrainConfig config;
  config.steps = 10;
  config.precision = "fp32";
  Nothing nothing, held_out_too;
  auto stream_options = small_stream();
  stream_options.split = Split::test;
  ProgramStream held_out(stream_options);
  const auto model = tiny_model(tiny_config("transition"));
  const std::atomic<bool> stop = false;
  const OutputFolder output(folder);
  Ranks alone;
  EXPECT_THROW(train(*model, config, {nothing, held_out_too}, {&output}, alone, stop, [] {}), Error);
  EXPECT_TRUE(output.contents().empty());
  EXPECT_THROW(train(*model, config, {nothing, held_out}, {&output}, alone, stop, [] {}), Error);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace bytecpu
