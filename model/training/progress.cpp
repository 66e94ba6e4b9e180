#include "model/training/progress.hpp"

#include <cmath>
#include <limits>
#include <span>

#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

// Conversion alone would take 1.5 and -1 for counts.
template <typename Count>
void read_count(const ordered_json& json, const char* name, Count& out) {
  const auto& value = json.at(name);
  if (!value.is_number_unsigned() ||
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<Count>::max())) {
    throw Error("{} is not a count", name);
  }
  value.get_to(out);
}

void check_number(const ordered_json& value, const char* name) {
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) {
    throw Error("{} is not a number of 0 or more", name);
  }
}

void read_number(const ordered_json& json, const char* name, double& out) {
  check_number(json.at(name), name);
  json.at(name).get_to(out);
}

void read_numbers(const ordered_json& json, const char* name, std::vector<double>& out) {
  const auto& values = json.at(name);
  if (!values.is_array()) throw Error("{} is not a list", name);
  for (const auto& value : values) check_number(value, name);
  values.get_to(out);
}

Progress from_json(const ordered_json& j) {
  Progress p;
  read_count(j, "step", p.step);
  read_number(j, "seconds", p.seconds);
  if (j.contains("flops")) read_number(j, "flops", p.flops);
  p.places = {place_from_json(j)};
  for (const auto& lane : j.value("more_lanes", ordered_json::array()))
    p.places.push_back(place_from_json(lane));
  read_number(j, "wrong_share", p.wrong_share);
  p.logged_step = p.step;
  if (j.contains("logged_step")) read_count(j, "logged_step", p.logged_step);
  read_number(j, "loss_sum", p.loss_sum);
  read_number(j, "norm_sum", p.norm_sum);
  read_number(j, "smooth_loss", p.smooth_loss);
  read_numbers(j, "operation_hardness", p.hardness);
  if (p.logged_step > p.step) throw Error("logged_step is past step");
  if (p.wrong_share > 1) throw Error("wrong_share is above 1");
  return p;
}

}  // namespace

FeedPlace place_from_json(const ordered_json& j) {
  FeedPlace place;
  read_count(j, "pool", place.pool);
  read_count(j, "batch", place.batch);
  read_numbers(j, "weights", place.emphasis.skills);
  read_count(j, "longest", place.emphasis.longest);
  read_numbers(j, "next_weights", place.next_emphasis.skills);
  read_count(j, "next_longest", place.next_emphasis.longest);
  return place;
}

ordered_json to_json(const FeedPlace& place) {
  return {{"pool", place.pool},
          {"batch", place.batch},
          {"weights", place.emphasis.skills},
          {"longest", place.emphasis.longest},
          {"next_weights", place.next_emphasis.skills},
          {"next_longest", place.next_emphasis.longest}};
}

ordered_json to_json(const Progress& p) {
  ordered_json json = {{"step", p.step}, {"seconds", p.seconds}, {"flops", p.flops}};
  json.update(to_json(p.places.front()));
  if (p.places.size() > 1) {
    for (const auto& place : std::span(p.places).subspan(1)) json["more_lanes"].push_back(to_json(place));
  }
  json.update({{"wrong_share", p.wrong_share},
               {"logged_step", p.logged_step},
               {"loss_sum", p.loss_sum},
               {"norm_sum", p.norm_sum},
               {"smooth_loss", p.smooth_loss},
               {"operation_hardness", p.hardness}});
  return json;
}

Progress load_progress(const std::filesystem::path& checkpoint) {
  if (!std::filesystem::exists(checkpoint / "optimizer.safetensors")) {
    throw Error(
        "{}: weights alone, as export writes them, cannot be resumed: train into a new folder with --init {}",
        checkpoint.string(), checkpoint.string());
  }
  const auto state = load_training_state(checkpoint);
  const auto file = (checkpoint / "training.json").string();
  try {
    return from_json(state);
  } catch (const std::exception& e) {
    throw Error("{}: {}: it was altered", file, e.what());
  }
}

double spent_share(const TrainConfig& config, const Progress& progress) {
  if (config.steps > 0) return static_cast<double>(progress.step) / static_cast<double>(config.steps);
  if (config.petaflops > 0) return progress.flops / (config.petaflops * 1e15);
  return progress.seconds / (60 * config.minutes);
}

}  // namespace bytecpu
