// What a training logs: metrics.jsonl, TensorBoard's event files, and lines for people.
#pragma once

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/ranks/ranks.hpp"
#include "model/training/config.hpp"
#include "model/training/part.hpp"
#include "model/training/tensorboard.hpp"
#include "model/training/validation.hpp"

namespace bytecpu {

// metrics.jsonl has one JSON object a line:
//   {"step", "loss", "lr", "gradient_norm", "states_per_second", "tokens_per_second", "gflops", "padding",
//    "wrong_share", "seconds", where the device's peak is known "mfu"}: means since the line before, but the
//    next step's lr; the loss in nats a byte;
//   {"step", "seconds", "validation": {"loss", "byte_accuracy", "step_accuracy", "states"}}: of the weights
//    that are kept.
// With config.tensorboard there are event files events.out.tfevents.* of the same figures.
class Journal {
 public:
  // Goes on after `progress`: lines of later steps, which come again, are left out. Every rank has one; the first's
  // writes, in the folder `run`. Throws Error.
  Journal(const std::filesystem::path& run, const TrainConfig& config, const ByteModel& model,
          const Progress& progress, Ranks& ranks);

  // A part was looked at and trained on, by this rank.
  void count(const StepPart& part);
  // A line of the steps since the last one; starts the next means.
  void log(Progress& progress);
  void log(const Progress& progress, const Validation& validation);

 private:
  // A line of all ranks' states, patches, and patches with padding.
  void tell(const Progress& progress, const std::array<double, 3>& sums);
  void write(const nlohmann::ordered_json& line);

  const TrainConfig& config_;
  const ByteModel& model_;
  Ranks& ranks_;
  const std::filesystem::path path_;
  std::ofstream out_;
  std::optional<EventFile> events_;
  // Floating-point operations a second that all ranks' devices could do at best; 0: not known.
  const double peak_;
  // Since the last line.
  double steps_seen_ = 0, patches_ = 0, padded_patches_ = 0;
  double logged_flops_, logged_seconds_;
};

}  // namespace bytecpu
