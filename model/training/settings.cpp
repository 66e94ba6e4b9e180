#include "model/training/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>

#include "datagen/dataset/dataset.hpp"
#include "datagen/files/file_dataset.hpp"
#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

constexpr std::array may_differ = {
    "out",    "resume",    "steps",          "minutes",          "petaflops",   "threads",
    "device", "log-every", "validate-every", "checkpoint-every", "peak-tflops", "tensorboard"};
constexpr auto dataset_name = "dataset";  // dataset_identity(), beside the folder as "data"

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

// "0.05" and "0.050000000000000003" are one number.
bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto x = number(a), y = number(b);
  return x && y && *x == *y;
}

std::string value(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

}  // namespace

Settings settings_of(std::string_view ini) {
  Settings settings;
  std::istringstream lines{std::string(ini)};
  for (std::string line; std::getline(lines, line);) {
    const std::string_view text = trimmed(line);
    const auto equals = text.find('=');
    if (equals == text.npos || text.starts_with('#')) continue;
    settings[std::string(trimmed(text.substr(0, equals)))] = trimmed(text.substr(equals + 1));
  }
  return settings;
}

std::string dataset_identity(const fs::path& folder) {
  const auto path = folder / "manifest.json";
  const auto text =
      (holds_files(folder) ? to_json(read_file_manifest(path)) : to_json(read_manifest(path))).dump();
  return checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

Settings recorded_settings(const fs::path& checkpoint) {
  const auto state = load_training_state(checkpoint);
  if (state.contains("settings")) {
    try {
      return state["settings"].get<Settings>();
    } catch (const nlohmann::json::exception& e) {
      throw Error("{}: {}", (checkpoint / "training.json").string(), e.what());
    }
  }
  const auto ini = training_folder(checkpoint) / "config.ini";
  return fs::is_regular_file(ini) ? settings_of(read_file(ini)) : Settings();
}

void require_same(const Settings& was, const Settings& is) {
  if (was.empty()) return;
  std::set<std::string> names;
  for (const auto& settings : {was, is}) {
    for (const auto& [name, text] : settings) names.insert(name);
  }
  for (const auto name : may_differ) names.erase(name);
  // Known by what is in it a dataset may lie elsewhere.
  const bool known = was.contains(dataset_name) && is.contains(dataset_name);
  names.erase(known ? "data" : dataset_name);
  // Its weights are the checkpoint's by now.
  if (value(is, "init").empty()) names.erase("init");

  std::string differences;
  for (const auto& name : names) {
    // One that the program did not have then, or has no more.
    if (name != dataset_name && name != "data" && (!was.contains(name) || !is.contains(name))) continue;
    const auto before = value(was, name), now = value(is, name);
    if (same_value(before, now)) continue;
    if (!differences.empty()) differences += ", ";
    if (name == dataset_name) {
      differences += fmt::format("data is another dataset than {}", value(was, "data"));
    } else {
      differences += fmt::format("{} was \"{}\" and is \"{}\"", name, before, now);
    }
  }
  if (!differences.empty()) {
    throw Error(
        "cannot resume with other settings: {}; give the same, or train into a new folder with --init",
        differences);
  }
}

}  // namespace bytecpu
