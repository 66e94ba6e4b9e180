#include "model/checkpoint.hpp"

#include <algorithm>
#include <cstring>

#include "datagen/files.hpp"
#include "datagen/safetensors.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view format = "bytecpu-checkpoint";
constexpr int version = 1;
constexpr std::string_view tied_from = "byte_level_decoder.base.transformer.wte.weight";
constexpr std::string_view tied_to = "byte_level_decoder.base.lm_head.weight";

void write_tensors(const fs::path& path, const std::vector<NamedTensor>& named) {
  std::vector<torch::Tensor> kept;  // what the spans borrow from
  std::vector<safetensors::Tensor> tensors;
  for (const auto& [name, tensor] : named) {
    kept.push_back(tensor.detach().to(torch::kCPU, torch::kFloat).contiguous());
    const auto& t = kept.back();
    tensors.push_back({.name = name,
                       .dtype = safetensors::Dtype::F32,
                       .shape = t.sizes().vec(),
                       .bytes = {static_cast<const uint8_t*>(t.data_ptr()), t.nbytes()}});
  }
  safetensors::write(path, tensors, {{"format", "pt"}});
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
      throw Error("{}: tensor \"{}\" is not of a floating-point type", path.string(), name);
  }
}

std::string shape_text(c10::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

// Fills every tensor of `named` from the file, which must hold these and no others.
void read_tensors(const fs::path& path, const std::vector<NamedTensor>& named) {
  torch::NoGradGuard no_grad;
  const safetensors::File file(path);
  for (const auto& stored : file.tensors()) {
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

ordered_json read_json(const fs::path& path) {
  try {
    return ordered_json::parse(read_file(path));
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  }
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
    write_tensors(temporary / "model.safetensors", published_parameters(model));
    write_tensors(temporary / "optimizer.safetensors", optimizer.state());
    write_file(temporary / "training.json", training.dump(1) + "\n");
    write_file(
        temporary / "config.json",
        ordered_json{{"format", format}, {"version", version}, {"model", model.config()}}.dump(1) + "\n");
    fs::remove_all(folder);
    fs::rename(temporary, folder);
  } catch (const fs::filesystem_error& e) {
    throw Error("cannot write checkpoint {}: {}", folder.string(), e.code().message());
  }
  const auto all = checkpoints(run);
  for (size_t i = 0; i + 2 < all.size(); ++i) fs::remove_all(all[i]);
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
    config = json.at("model").get<ModelConfig>();
    check(config);
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

void load_weights(const fs::path& file, ByteModel& model) { read_tensors(file, published_parameters(model)); }

void load_optimizer(const fs::path& checkpoint, Optimizer& optimizer) {
  read_tensors(checkpoint / "optimizer.safetensors", optimizer.state());
}

ordered_json load_training_state(const fs::path& checkpoint) {
  return read_json(checkpoint / "training.json");
}

}  // namespace bytecpu
