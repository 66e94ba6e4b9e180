// A checkpoint's weights alone, or the mean of several's, as a folder of their own.
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/checksums.hpp"
#include "model/training/weights.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// run.json of a checkpoint's training; empty where there is none.
ordered_json run_record(const fs::path& checkpoint) {
  const auto path = training_folder(checkpoint) / "run.json";
  if (!fs::is_regular_file(path)) return ordered_json::object();
  const auto record = ordered_json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) throw Error("{}: not a JSON object", path.string());
  return record;
}

// That of the last one's training, with those of all of them in "mean_of".
ordered_json record_of_mean(std::span<const fs::path> checkpoints) {
  auto means = ordered_json::array();
  auto record = ordered_json::object();
  for (const auto& checkpoint : checkpoints) {
    const auto state = load_training_state(checkpoint);
    record = run_record(checkpoint);
    means.push_back({{"command", record.value("command", "")},
                     {"step", state.at("step")},
                     {"seconds", state.value("seconds", 0.0)}});
  }
  record["mean_of"] = means;
  return record;
}

std::shared_ptr<ByteModel> mean_of(std::span<const fs::path> checkpoints) {
  const auto model = load_model(checkpoints.back());
  torch::NoGradGuard no_grad;
  for (const auto& other : checkpoints.first(checkpoints.size() - 1)) {
    if (load_model_config(other) != model->config()) {
      throw Error("{}: another model or machine than {}: they have no mean", other.string(),
                  checkpoints.back().string());
    }
    const auto more = load_model(other);
    for (auto& item : more->named_parameters()) model->named_parameters()[item.key()].add_(item.value());
  }
  for (auto& parameter : model->parameters()) parameter.div_(static_cast<double>(checkpoints.size()));
  return model;
}

void write_export(const fs::path& folder, std::span<const fs::path> checkpoints, const ByteModel& model,
                  safetensors::Dtype type) {
  const auto& checkpoint = checkpoints.back();
  const auto training = load_training_state(checkpoint);
  const auto run = training_folder(checkpoint);
  const ordered_json progress = {{"step", training.at("step")}, {"seconds", training.value("seconds", 0.0)}};
  write_tensors(folder / "model.safetensors", published_parameters(model), weights_metadata(model.config()),
                type);
  write_file(folder / "training.json", progress.dump(1) + "\n");
  for (const char* name : {"config.ini", "run.json", "metrics.jsonl"}) {
    if (fs::is_regular_file(run / name)) write_file(folder / name, read_file(run / name));
  }
  if (checkpoints.size() > 1) write_file(folder / "run.json", record_of_mean(checkpoints).dump(1) + "\n");
  write_config(folder, model.config());
  write_checksums(folder);
}

}  // namespace

void export_checkpoint(std::span<const fs::path> checkpoints, const fs::path& out, safetensors::Dtype type) {
  BYTECPU_CHECK(!checkpoints.empty());
  if (out.empty()) throw Error("the folder to export to has no name");
  const auto folder = fs::absolute(out / "").parent_path();  // without a slash at the end
  if (fs::exists(folder)) throw Error("{}: is there already; give a new folder", out.string());
  const auto model = mean_of(checkpoints);
  const auto temporary = folder.parent_path() / fmt::format(".{}.part", folder.filename().string());
  std::optional<OutputFolder> locked;
  try {
    fs::create_directories(folder.parent_path());
    locked.emplace(temporary);
    // What a killed export left.
    for (const auto& entry : fs::directory_iterator(temporary)) fs::remove_all(entry.path());
    write_export(temporary, checkpoints, *model, type);
    rename_folder(temporary, folder);
  } catch (const std::exception& e) {
    std::error_code ignored;
    if (locked) fs::remove_all(temporary, ignored);
    throw Error("{}: cannot export to {}: {}", checkpoints.back().string(), folder.string(), e.what());
  }
}

}  // namespace bytecpu
