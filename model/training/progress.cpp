#include "model/training/progress.hpp"

#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

Progress from_json(const ordered_json& j) {
  Progress p;
  j.at("step").get_to(p.step);
  j.at("seconds").get_to(p.seconds);
  p.flops = j.value("flops", 0.0);
  j.at("pool").get_to(p.place.pool);
  j.at("batch").get_to(p.place.batch);
  j.at("weights").get_to(p.place.emphasis.skills);
  j.at("longest").get_to(p.place.emphasis.longest);
  j.at("next_weights").get_to(p.place.next_emphasis.skills);
  j.at("next_longest").get_to(p.place.next_emphasis.longest);
  j.at("wrong_share").get_to(p.wrong_share);
  p.logged_step = j.value("logged_step", p.step);
  j.at("loss_sum").get_to(p.loss_sum);
  j.at("norm_sum").get_to(p.norm_sum);
  j.at("smooth_loss").get_to(p.smooth_loss);
  j.at("operation_hardness").get_to(p.hardness);
  return p;
}

}  // namespace

ordered_json to_json(const Progress& p) {
  return {{"step", p.step},
          {"seconds", p.seconds},
          {"flops", p.flops},
          {"pool", p.place.pool},
          {"batch", p.place.batch},
          {"weights", p.place.emphasis.skills},
          {"longest", p.place.emphasis.longest},
          {"next_weights", p.place.next_emphasis.skills},
          {"next_longest", p.place.next_emphasis.longest},
          {"wrong_share", p.wrong_share},
          {"logged_step", p.logged_step},
          {"loss_sum", p.loss_sum},
          {"norm_sum", p.norm_sum},
          {"smooth_loss", p.smooth_loss},
          {"operation_hardness", p.hardness}};
}

Progress load_progress(const std::filesystem::path& checkpoint) {
  if (!std::filesystem::exists(checkpoint / "optimizer.safetensors")) {
    throw Error(
        "{}: weights alone, as export writes them, cannot be resumed: train into a new folder with --init {}",
        checkpoint.string(), checkpoint.string());
  }
  const auto state = load_training_state(checkpoint);
  const auto file = (checkpoint / "training.json").string();
  Progress p;
  try {
    p = from_json(state);
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: {}", file, e.what());
  }
  const bool possible = p.step >= 0 && p.logged_step >= 0 && p.logged_step <= p.step && p.seconds >= 0 &&
                        p.flops >= 0 && p.wrong_share >= 0 && p.wrong_share <= 1;
  if (!possible) throw Error("{}: its counters are impossible: it was altered", file);
  return p;
}

double spent_share(const TrainConfig& config, const Progress& progress) {
  if (config.steps > 0) return static_cast<double>(progress.step) / static_cast<double>(config.steps);
  if (config.petaflops > 0) return progress.flops / (config.petaflops * 1e15);
  return progress.seconds / (60 * config.minutes);
}

}  // namespace bytecpu
