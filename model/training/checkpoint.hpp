// A run's checkpoints: folders RUN/step-NNNNNNNN with config.json, model.safetensors, optimizer.safetensors,
// training.json and checksums.json, each folder complete or not there (written under a temporary name, synced,
// renamed). Every file is checked against its checksum when it is read.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "datagen/io/safetensors.hpp"
#include "model/network/byte_model.hpp"
#include "model/training/optimizer.hpp"

namespace bytecpu {

// Parameters under their published names, in the model's order. A tied tensor appears once for each of its
// names.
std::vector<NamedTensor> published_parameters(const ByteModel& model);

// Writes the checkpoint of `step` and then removes all but the newest two. Throws Error, for a tensor that is not
// finite too, and leaves nothing of it; earlier ones stay. The run's folder must be there.
void save_checkpoint(const std::filesystem::path& run, int64_t step, const ByteModel& model,
                     const Optimizer& optimizer, const nlohmann::ordered_json& training);

// Writes the weights as `type` (F32 or BF16) to a new folder, a checkpoint to evaluate and to start from but
// not to resume: one checkpoint's, or the mean of several of one configuration. Besides, of the last one's
// training its step and seconds, and of its folder config.ini, run.json and metrics.jsonl; of several
// run.json names each one's command, step and seconds in "mean_of". Throws Error; no half of a folder is
// left.
void export_checkpoint(std::span<const std::filesystem::path> checkpoints, const std::filesystem::path& out,
                       safetensors::Dtype type);

// The newest checkpoint in a run's folder, or the folder itself if it is one; none if there is none. Throws Error
// where the newest one is damaged.
std::optional<std::filesystem::path> find_checkpoint(const std::filesystem::path& run);
// The folder with config.ini, run.json and metrics.jsonl of a checkpoint's training: that around it, or its own if
// it was exported.
std::filesystem::path training_folder(const std::filesystem::path& checkpoint);
// Writes a checkpoint's config.json.
void write_config(const std::filesystem::path& checkpoint, const ModelConfig& config);

// Throw Error naming the file and what is wrong in it: missing, surplus, of the wrong shape, not finite.
ModelConfig load_model_config(const std::filesystem::path& checkpoint);
std::shared_ptr<ByteModel> load_model(const std::filesystem::path& checkpoint);
void load_weights(const std::filesystem::path& file, ByteModel& model);
void load_optimizer(const std::filesystem::path& checkpoint, Optimizer& optimizer);
nlohmann::ordered_json load_training_state(const std::filesystem::path& checkpoint);

// A bare weight file: safetensors with the published names, such as a checkpoint's model.safetensors of the
// family bgpt or a converted .pth. Sizes are those of its tensors. Heads show in no tensor: the metadata
// "patch_heads" and "byte_heads" tell them, or else they are 64 wide, as all published ones. Throws Error
// like the above, before it allocates what the file cannot fill.
std::shared_ptr<ByteModel> load_published(const std::filesystem::path& file, const Layout& layout);
// Starts a new training of `model` from such a file, or from a run's folder, a checkpoint or a
// model.safetensors of the model's own family. Sizes that differ from the model's are an Error that names the
// settings to change.
void load_initial_weights(const std::filesystem::path& from, ByteModel& model);

}  // namespace bytecpu
