#include "model/training/checkpoint.hpp"

#include <algorithm>

#include "datagen/io/files.hpp"
#include "datagen/io/options.hpp"
#include "emulator/error.hpp"
#include "model/training/checksums.hpp"
#include "model/training/weights.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view format = "bytecpu-checkpoint";
constexpr int version = 1;

ordered_json read_json(const fs::path& path) {
  try {
    return ordered_json::parse(read_checked(path));
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  }
}

bool is_checkpoint(const fs::path& folder) { return fs::exists(folder / "config.json"); }

// Folders of a run's checkpoints, oldest first.
std::vector<fs::path> checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run, ignored)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with("step-"))
      found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

void write_config(const fs::path& checkpoint, const ModelConfig& config) {
  write_file(checkpoint / "config.json",
             ordered_json{{"format", format}, {"version", version}, {"model", config}}.dump(1) + "\n");
}

void save_checkpoint(const fs::path& run, int64_t step, const ByteModel& model, const Optimizer& optimizer,
                     const ordered_json& training) {
  const auto folder = run / fmt::format("step-{:08}", step);
  const auto temporary = run / ".checkpoint";
  try {
    fs::remove_all(temporary);
    // Not its parents: a run that was removed does not come back without its configuration.
    fs::create_directory(temporary);
    write_tensors(temporary / "model.safetensors", published_parameters(model),
                  weights_metadata(model.config()));
    write_tensors(temporary / "optimizer.safetensors", optimizer.state(), {{"format", "pt"}});
    write_file(temporary / "training.json", training.dump(1) + "\n");
    write_config(temporary, model.config());
    write_checksums(temporary);
    fs::remove_all(folder);
    rename_folder(temporary, folder);
    const auto all = checkpoints(run);
    for (size_t i = 0; i + 2 < all.size(); ++i) {
      fs::rename(all[i], temporary);  // so that a half of it is never taken for a checkpoint
      fs::remove_all(temporary);
    }
  } catch (const std::exception& e) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    const auto* filesystem = dynamic_cast<const fs::filesystem_error*>(&e);
    throw Error("cannot save {}: {}; earlier checkpoints are kept", folder.string(),
                filesystem ? filesystem->code().message() : e.what());
  }
}

std::optional<fs::path> find_checkpoint(const fs::path& run) {
  if (is_checkpoint(run)) return run;
  const auto all = checkpoints(run);
  if (all.empty()) return std::nullopt;
  if (!is_checkpoint(all.back())) {
    throw Error(
        "{}: its config.json is missing: it was damaged; remove the folder to use the checkpoint before",
        all.back().string());
  }
  return all.back();
}

fs::path training_folder(const fs::path& checkpoint) {
  const auto folder = fs::absolute(checkpoint / "").lexically_normal().parent_path();
  return fs::exists(folder / "optimizer.safetensors") ? folder.parent_path() : folder;
}

ModelConfig load_model_config(const fs::path& checkpoint) {
  const auto path = checkpoint / "config.json";
  const auto json = read_json(path);
  ModelConfig config;
  try {
    if (json.at("format") != format) throw Error("{}: not a bytecpu checkpoint", path.string());
    if (json.at("version").get<int>() > version) {
      throw Error("{}: written by a later version (format {}, this program reads {}): update bytecpu",
                  path.string(), json.at("version").get<int>(), version);
    }
    as_error_of(path, [&] {
      config = json.at("model").get<ModelConfig>();
      check(config);
    });
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
  return config;
}

std::shared_ptr<ByteModel> load_model(const fs::path& checkpoint) {
  const auto config = load_model_config(checkpoint);
  require_room(checkpoint / "model.safetensors", config);
  auto model = make_model(config);
  load_weights(checkpoint / "model.safetensors", *model);
  return model;
}

void load_optimizer(const fs::path& checkpoint, Optimizer& optimizer) {
  const safetensors::File file(checkpoint / "optimizer.safetensors");
  check_checksum(file.path(), file.file_bytes());
  const auto state = optimizer.state();
  const auto averages = [](const auto& tensors) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [](const auto& t) { return t.name.starts_with("exchanged."); });
  };
  if (averages(file.tensors()) != averages(state)) {
    throw Error(
        "{}: was trained with{} an average of the weights: go on with the same, or start anew with --init {}",
        checkpoint.string(), averages(state) ? "out" : "", checkpoint.string());
  }
  read_tensors(file, state);
}

ordered_json load_training_state(const fs::path& checkpoint) {
  return read_json(checkpoint / "training.json");
}

}  // namespace bytecpu
