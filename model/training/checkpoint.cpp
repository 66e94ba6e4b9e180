#include "model/training/checkpoint.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "datagen/io/files.hpp"
#include "datagen/io/options.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view format = "bytecpu-checkpoint";
constexpr int version = 1;
constexpr std::string_view tied_from = "byte_level_decoder.base.transformer.wte.weight";
constexpr std::string_view tied_to = "byte_level_decoder.base.lm_head.weight";
constexpr int published_head_width = 64;

// Constant causal masks, which older releases of the published code's libraries store with the weights.
bool is_mask(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

// What no tensor's shape tells.
safetensors::Metadata weights_metadata(const ModelConfig& config) {
  return {{"format", "pt"},
          {"patch_heads", fmt::to_string(config.patch_heads)},
          {"byte_heads", fmt::to_string(config.byte_heads)}};
}

// As F32, or as BF16, rounded to nearest.
void write_tensors(const fs::path& path, const std::vector<NamedTensor>& named,
                   const safetensors::Metadata& metadata,
                   safetensors::Dtype dtype = safetensors::Dtype::F32) {
  const auto type = dtype == safetensors::Dtype::F32 ? torch::kFloat : torch::kBFloat16;
  std::vector<torch::Tensor> kept;  // what the spans borrow from
  std::vector<safetensors::Tensor> tensors;
  for (const auto& [name, tensor] : named) {
    kept.push_back(tensor.detach().to(torch::kCPU, type).contiguous());
    const auto& t = kept.back();
    tensors.push_back({.name = name,
                       .dtype = dtype,
                       .shape = t.sizes().vec(),
                       .bytes = {static_cast<const uint8_t*>(t.data_ptr()), t.nbytes()}});
  }
  safetensors::write(path, tensors, metadata);
}

torch::ScalarType scalar_type(safetensors::Dtype dtype, const fs::path& path, const std::string& name) {
  switch (dtype) {
    case safetensors::Dtype::F32:
      return torch::kFloat;
    case safetensors::Dtype::F16:
      return torch::kHalf;
    case safetensors::Dtype::BF16:
      return torch::kBFloat16;
    default:
      throw Error("{}: tensor \"{}\" is of type {}; use F32, F16 or BF16", path.string(), name,
                  safetensors::to_string(dtype));
  }
}

std::string shape_text(c10::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

// Fills every tensor of `named` from the file, which must hold these and no others.
void read_tensors(const safetensors::File& file, const std::vector<NamedTensor>& named) {
  torch::NoGradGuard no_grad;
  const auto& path = file.path();
  for (const auto& stored : file.tensors()) {
    if (is_mask(stored.name)) continue;
    const bool known =
        std::any_of(named.begin(), named.end(), [&](const auto& n) { return n.name == stored.name; });
    if (!known) throw Error("{}: tensor \"{}\" is not part of the model", path.string(), stored.name);
  }
  for (const auto& [name, tensor] : named) {
    const auto* stored = file.find(name);
    if (!stored) throw Error("{}: tensor \"{}\" is missing", path.string(), name);
    if (tensor.sizes() != c10::IntArrayRef(stored->shape)) {
      throw Error("{}: tensor \"{}\" has shape {}, the model wants {}", path.string(), name,
                  shape_text(stored->shape), shape_text(tensor.sizes()));
    }
    auto loaded = torch::empty(stored->shape, scalar_type(stored->dtype, path, name));
    if (!stored->bytes.empty()) std::memcpy(loaded.data_ptr(), stored->bytes.data(), stored->bytes.size());
    if (!loaded.to(torch::kFloat).isfinite().all().item<bool>()) {
      throw Error("{}: tensor \"{}\" holds NaN or infinity", path.string(), name);
    }
    auto destination = tensor;
    destination.copy_(loaded);
  }
}

void read_weights(const safetensors::File& file, ByteModel& model) {
  auto named = published_parameters(model);
  const auto *table = file.find(tied_from), *output = file.find(tied_to);
  if (table && output && !std::ranges::equal(table->bytes, output->bytes)) {
    throw Error("{}: tensors \"{}\" and \"{}\" differ; the model has one for both", file.path().string(),
                tied_from, tied_to);
  }
  // Writers that store a tied tensor once leave out one of its names.
  if (table && !output) std::erase_if(named, [](const auto& n) { return n.name == tied_to; });
  read_tensors(file, named);
}

// Heads of one level as the file's metadata has them, else 64 wide; 0 where neither fits.
int stored_heads(const safetensors::File& file, const char* key, int width) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return width % published_head_width ? 0 : width / published_head_width;
  int heads = 0;
  const auto& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), heads);
  if (error != std::errc() || end != text.data() + text.size() || heads < 1 || width % heads) {
    throw Error("{}: metadata {} is \"{}\"; it must be a divisor of the width {}", file.path().string(), key,
                text, width);
  }
  return heads;
}

// `config` with the sizes of the model whose weights the file holds; heads as stored_heads.
ModelConfig stored_sizes(const safetensors::File& file, ModelConfig config) {
  const auto path = file.path().string();
  const auto level = [&](const std::string& prefix, int& positions, int& width, int& layers) {
    const auto name = prefix + "wpe.weight";
    const auto* table = file.find(name);
    if (!table) throw Error("{}: tensor \"{}\" is missing; not the weights of a bGPT", path, name);
    const auto& shape = table->shape;
    constexpr int64_t most = std::numeric_limits<int>::max();
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > most || shape[1] > most) {
      throw Error("{}: tensor \"{}\" has shape {}; it must be [positions, width]", path, name,
                  shape_text(shape));
    }
    positions = static_cast<int>(shape[0]);
    width = static_cast<int>(shape[1]);
    layers = 0;
    while (file.find(fmt::format("{}h.{}.ln_1.weight", prefix, layers))) ++layers;
  };
  level("patch_level_decoder.base.", config.patch_length, config.patch_width, config.patch_layers);
  int byte_positions = 0;  // the patch's feature, then its bytes
  level("byte_level_decoder.base.transformer.", byte_positions, config.byte_width, config.byte_layers);
  config.patch_size = byte_positions - 1;
  config.patch_heads = stored_heads(file, "patch_heads", config.patch_width);
  config.byte_heads = stored_heads(file, "byte_heads", config.byte_width);

  const auto square = [](double width) { return width * width; };
  const double fewest_bytes = 2 * (12 * config.patch_layers * square(config.patch_width) +
                                   12 * config.byte_layers * square(config.byte_width) +
                                   static_cast<double>(config.patch_size) * symbols * config.patch_width);
  if (fewest_bytes > static_cast<double>(file.file_bytes().size())) {
    throw Error("{}: too small for {} layers of width {} and {} of width {}, which its tensors name", path,
                config.patch_layers, config.patch_width, config.byte_layers, config.byte_width);
  }
  return config;
}

ordered_json read_json(const fs::path& path) {
  try {
    return ordered_json::parse(read_file(path));
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  }
}

void write_config(const fs::path& checkpoint, const ModelConfig& config) {
  write_file(checkpoint / "config.json",
             ordered_json{{"format", format}, {"version", version}, {"model", config}}.dump(1) + "\n");
}

bool is_checkpoint(const fs::path& folder) { return fs::exists(folder / "config.json"); }

// Complete checkpoints of a run, oldest first.
std::vector<fs::path> checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run, ignored)) {
    if (entry.path().filename().string().starts_with("step-") && is_checkpoint(entry.path())) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The folder with config.ini, run.json and metrics.jsonl of a checkpoint's training: the checkpoint's own if
// it was exported, else that around it.
fs::path training_folder(const fs::path& checkpoint) {
  const auto folder = fs::absolute(checkpoint / "").lexically_normal().parent_path();
  const bool has_its_own =
      fs::is_regular_file(folder / "metrics.jsonl") || fs::is_regular_file(folder / "run.json");
  return has_its_own ? folder : folder.parent_path();
}

// run.json of the last one's training, with those of all of them in "mean_of".
ordered_json record_of_mean(std::span<const fs::path> checkpoints) {
  auto means = ordered_json::array();
  ordered_json record = ordered_json::object();
  for (const auto& checkpoint : checkpoints) {
    const auto state = load_training_state(checkpoint);
    const auto path = training_folder(checkpoint) / "run.json";
    record = fs::is_regular_file(path) ? read_json(path) : ordered_json::object();
    means.push_back({{"command", record.value("command", "")},
                     {"step", state.at("step")},
                     {"seconds", state.value("seconds", 0.0)}});
  }
  record["mean_of"] = means;
  return record;
}

}  // namespace

std::vector<NamedTensor> published_parameters(const ByteModel& model) {
  std::vector<NamedTensor> named;
  for (const auto& item : model.named_parameters()) {
    named.push_back({item.key(), item.value()});
    if (item.key() == tied_from) named.push_back({std::string(tied_to), item.value()});
  }
  return named;
}

void save_checkpoint(const fs::path& run, int64_t step, const ByteModel& model, const Optimizer& optimizer,
                     const ordered_json& training) {
  const auto folder = run / fmt::format("step-{:08}", step);
  const auto temporary = run / ".checkpoint";
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    write_tensors(temporary / "model.safetensors", published_parameters(model),
                  weights_metadata(model.config()));
    write_tensors(temporary / "optimizer.safetensors", optimizer.state(), {{"format", "pt"}});
    write_file(temporary / "training.json", training.dump(1) + "\n");
    write_config(temporary, model.config());
    fs::remove_all(folder);
    fs::rename(temporary, folder);
    const auto all = checkpoints(run);
    for (size_t i = 0; i + 2 < all.size(); ++i) {
      fs::rename(all[i], temporary);  // so that a half of it is never taken for a checkpoint
      fs::remove_all(temporary);
    }
  } catch (const fs::filesystem_error& e) {
    throw Error("cannot write checkpoint {}: {}", folder.string(), e.code().message());
  }
}

void export_checkpoint(std::span<const fs::path> checkpoints, const fs::path& out, safetensors::Dtype type) {
  BYTECPU_CHECK(!checkpoints.empty());
  if (out.empty()) throw Error("the folder to export to has no name");
  const auto folder = fs::absolute(out / "").parent_path();  // without a slash at the end
  if (fs::exists(folder)) throw Error("{}: is there already; give a new folder", out.string());
  const auto& checkpoint = checkpoints.back();
  const auto model = load_model(checkpoint);
  torch::NoGradGuard no_grad;
  for (const auto& other : checkpoints.first(checkpoints.size() - 1)) {
    if (load_model_config(other) != model->config()) {
      throw Error("{}: another model or machine than {}: they have no mean", other.string(),
                  checkpoint.string());
    }
    const auto more = load_model(other);
    for (auto& item : more->named_parameters()) model->named_parameters()[item.key()].add_(item.value());
  }
  for (auto& parameter : model->parameters()) parameter.div_(static_cast<double>(checkpoints.size()));
  const auto training = load_training_state(checkpoint);
  const auto run = training_folder(checkpoint);
  const auto temporary = folder.parent_path() / fmt::format(".{}.part", folder.filename().string());
  try {
    const auto progress =
        ordered_json{{"step", training.at("step")}, {"seconds", training.value("seconds", 0.0)}};
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    write_tensors(temporary / "model.safetensors", published_parameters(*model),
                  weights_metadata(model->config()), type);
    write_file(temporary / "training.json", progress.dump(1) + "\n");
    for (const char* name : {"config.ini", "run.json", "metrics.jsonl"}) {
      if (fs::is_regular_file(run / name)) write_file(temporary / name, read_file(run / name));
    }
    if (checkpoints.size() > 1) {
      write_file(temporary / "run.json", record_of_mean(checkpoints).dump(1) + "\n");
    }
    write_config(temporary, model->config());
    fs::rename(temporary, folder);
  } catch (const std::exception& e) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw Error("{}: cannot export to {}: {}", checkpoint.string(), folder.string(), e.what());
  }
}

std::optional<fs::path> find_checkpoint(const fs::path& run) {
  if (is_checkpoint(run)) return run;
  const auto all = checkpoints(run);
  if (all.empty()) return std::nullopt;
  return all.back();
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
  auto model = make_model(load_model_config(checkpoint));
  load_weights(checkpoint / "model.safetensors", *model);
  return model;
}

void load_weights(const fs::path& file, ByteModel& model) { read_weights(safetensors::File(file), model); }

std::shared_ptr<ByteModel> load_published(const fs::path& path, const Layout& layout) {
  const safetensors::File file(path);
  ModelConfig config;
  config.frame = frame_of(layout);
  config = stored_sizes(file, config);
  if (config.patch_heads == 0 || config.byte_heads == 0) {
    throw Error(
        "{}: how many attention heads? Widths {} and {} are no multiples of {}; write the file with metadata "
        "patch_heads and byte_heads",
        path.string(), config.patch_width, config.byte_width, published_head_width);
  }
  as_error_of(path, [&] { check(config); });
  auto model = make_model(config);
  read_weights(file, *model);
  return model;
}

void load_initial_weights(const fs::path& from, ByteModel& model) {
  auto path = from;
  if (fs::is_directory(from)) {
    const auto checkpoint = find_checkpoint(from);
    if (!checkpoint) throw Error("{}: holds no checkpoint", from.string());
    path = *checkpoint / "model.safetensors";
  }
  const safetensors::File file(path);
  const auto& wanted = model.config();
  if (wanted.family == "bgpt") {
    auto stored = stored_sizes(file, wanted);
    if (stored.patch_heads == 0) stored.patch_heads = wanted.patch_heads;
    if (stored.byte_heads == 0) stored.byte_heads = wanted.byte_heads;
    const ordered_json have = stored, want = wanted;
    std::string settings;
    for (const auto& [name, value] : have.items()) {
      if (value != want[name]) settings += fmt::format(" --{} {}", name, value.dump());
    }
    if (!settings.empty()) {
      throw Error("{}: its sizes are others than the configuration's: give{}", path.string(), settings);
    }
  }
  read_weights(file, model);
}

void load_optimizer(const fs::path& checkpoint, Optimizer& optimizer) {
  const safetensors::File file(checkpoint / "optimizer.safetensors");
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
