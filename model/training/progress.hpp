// How far a training is: all that a resumed one needs besides parameters and moments. A checkpoint keeps it in
// training.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "datagen/corpus/corpus.hpp"
#include "model/training/config.hpp"

namespace bytecpu {

// A place in the data: the pool that is trained on, the next batch of its plan, and what this pool and the one that
// follows it here were asked to emphasise.
struct FeedPlace {
  uint64_t pool = 0;
  size_t batch = 0;
  Emphasis emphasis = {}, next_emphasis = {};
};

struct Progress {
  int64_t step = 0;
  double seconds = 0;
  double flops = 0;
  // Of each lane. Lane l of n takes pools l, l + n, l + 2n, …; a step takes as many batches of each. So any number of
  // processes that divides n shares them, and all trains on the same.
  std::vector<FeedPlace> places = {{}};
  // Running mean of the share of steps predicted wrongly.
  double wrong_share = 1;
  // The step of the last log line, and sums since then.
  int64_t logged_step = 0;
  double loss_sum = 0, norm_sum = 0;
  // Running mean.
  double smooth_loss = 0;
  // Running means of each skill's hardness (skills.hpp).
  std::vector<double> hardness = {};
};

nlohmann::ordered_json to_json(const FeedPlace& place);
nlohmann::ordered_json to_json(const Progress& progress);
// Throws Error or nlohmann's exception.
FeedPlace place_from_json(const nlohmann::ordered_json& json);
// Throws Error naming the file: weights alone, a missing or impossible member.
Progress load_progress(const std::filesystem::path& checkpoint);

// Share of the budget (steps, operations or minutes) that is spent; 1 and more: all of it.
double spent_share(const TrainConfig& config, const Progress& progress);

}  // namespace bytecpu
