#include "model/training/weights.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "datagen/io/options.hpp"
#include "emulator/error.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/checksums.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view tied_from = "byte_level_decoder.base.transformer.wte.weight";
constexpr std::string_view tied_to = "byte_level_decoder.base.lm_head.weight";
constexpr int published_head_width = 64;

// Constant causal masks, which older releases of the published code's libraries store with the weights.
bool is_mask(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
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
  config.patch_heads = stored_heads(file, "patch_heads", config.patch_width);
  if (config.family == "classifier") {
    const auto* embedding = file.find("patch_level_decoder.patch_embedding.weight");
    if (embedding && embedding->shape.size() == 2)
      config.patch_size = static_cast<int>(embedding->shape[1] / symbols);
    return config;
  }
  int byte_positions = 0;  // the patch's feature, then its bytes
  level("byte_level_decoder.base.transformer.", byte_positions, config.byte_width, config.byte_layers);
  config.patch_size = byte_positions - 1;
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

// Elements of the matrices and tables that a model of these sizes has at least.
double fewest_elements(const ModelConfig& c) {
  const auto block = [](double layers, double width, double multiple) {
    return layers * (4 + 2 * multiple) * width * width;
  };
  const double patch_width = c.patch_width, byte_width = c.byte_width;
  if (c.family == "bgpt") {
    return block(c.patch_layers, patch_width, 4) + block(c.byte_layers, byte_width, 4) +
           static_cast<double>(c.patch_size) * symbols * patch_width + c.patch_length * patch_width +
           (1.0 + c.patch_size + symbols) * byte_width + patch_width * byte_width;
  }
  if (c.family == "fields") {
    const double row = c.row_width, heads = c.patch_heads + c.memory_heads;
    return 4.0 * c.patch_layers * patch_width * patch_width + 7.0 * c.byte_layers * byte_width * byte_width +
           4.0 * c.byte_mlp * row * row + patch_width * row + 64 * heads * row + 32.0 * c.frame.context_bytes;
  }
  if (c.family == "classifier") {
    return block(c.patch_layers, patch_width, 4) + static_cast<double>(c.patch_size) * symbols * patch_width +
           c.patch_length * patch_width;
  }
  if (c.family == "pointer") {
    const double multiples =
        2.0 * ((c.encoder_layers + 1.0) * c.encoder_mlp + (c.byte_layers + 1.0) * c.byte_mlp);
    return (multiples * byte_width + symbols) * byte_width;
  }
  // Without a history the patch-level layers are MLPs alone.
  const double patch_blocks = block(c.patch_layers, patch_width, 4) -
                              (c.patch_history ? 0 : 4.0 * c.patch_layers * patch_width * patch_width);
  return block(c.encoder_layers, byte_width, c.encoder_mlp) + patch_blocks +
         block(c.mixer_layers, byte_width, c.byte_mlp) + block(c.byte_layers, byte_width, c.byte_mlp) +
         2.0 * c.patch_size * byte_width * patch_width + 4 * byte_width * c.memory_width +
         (3.0 * symbols + 3.0 * c.patch_size + c.frame.context_bytes) * byte_width +
         (c.patch_history ? c.patch_length * patch_width : 0);
}

}  // namespace

safetensors::Metadata weights_metadata(const ModelConfig& config) {
  return {{"format", "pt"},
          {"patch_heads", fmt::to_string(config.patch_heads)},
          {"byte_heads", fmt::to_string(config.byte_heads)}};
}

void write_tensors(const fs::path& path, const std::vector<NamedTensor>& named,
                   const safetensors::Metadata& metadata, safetensors::Dtype dtype) {
  const auto type = dtype == safetensors::Dtype::F32 ? torch::kFloat : torch::kBFloat16;
  std::vector<torch::Tensor> kept;  // what the spans borrow from
  std::vector<safetensors::Tensor> tensors;
  for (const auto& [name, tensor] : named) {
    kept.push_back(tensor.detach().to(torch::kCPU, type).contiguous());
    const auto& t = kept.back();
    if (!t.isfinite().all().item<bool>()) {
      throw Error("tensor \"{}\" holds NaN or infinity: nothing is saved; the training diverges", name);
    }
    tensors.push_back({.name = name,
                       .dtype = dtype,
                       .shape = t.sizes().vec(),
                       .bytes = {static_cast<const uint8_t*>(t.data_ptr()), t.nbytes()}});
  }
  safetensors::write(path, tensors, metadata);
}

void read_tensors(const safetensors::File& file, const std::vector<NamedTensor>& named,
                  const std::vector<std::string_view>& besides) {
  torch::NoGradGuard no_grad;
  constexpr auto outdated = " (a checkpoint of an older version? train the model anew)";
  const auto& path = file.path();
  for (const auto& stored : file.tensors()) {
    const auto begins = [&](std::string_view prefix) { return stored.name.starts_with(prefix); };
    if (is_mask(stored.name) || std::ranges::any_of(besides, begins)) continue;
    const bool known =
        std::any_of(named.begin(), named.end(), [&](const auto& n) { return n.name == stored.name; });
    if (!known) throw Error("{}: tensor \"{}\" is not part of the model", path.string(), stored.name);
  }
  for (const auto& [name, tensor] : named) {
    const auto* stored = file.find(name);
    if (!stored) throw Error("{}: tensor \"{}\" is missing{}", path.string(), name, outdated);
    if (tensor.sizes() != c10::IntArrayRef(stored->shape)) {
      throw Error("{}: tensor \"{}\" has shape {}, the model wants {}{}", path.string(), name,
                  shape_text(stored->shape), shape_text(tensor.sizes()), outdated);
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

std::vector<NamedTensor> published_parameters(const ByteModel& model) {
  std::vector<NamedTensor> named;
  for (const auto& item : model.named_parameters()) {
    named.push_back({item.key(), item.value()});
    if (item.key() == tied_from) named.push_back({std::string(tied_to), item.value()});
  }
  return named;
}

void require_room(const fs::path& path, const ModelConfig& config) {
  const safetensors::File file(path);
  double elements = 0;
  for (const auto& tensor : file.tensors()) {
    elements += static_cast<double>(tensor.bytes.size() / safetensors::bytes_per_element(tensor.dtype));
  }
  if (const double wanted = fewest_elements(config); wanted > elements) {
    throw Error("{}: holds {:.0f} numbers, the model of its config.json has {:.0f} and more", path.string(),
                elements, wanted);
  }
}

void load_weights(const fs::path& path, ByteModel& model) {
  const safetensors::File file(path);
  check_checksum(path, file.file_bytes());
  read_weights(file, model);
}

std::shared_ptr<ByteModel> load_published(const fs::path& path, const Layout& layout) {
  const safetensors::File file(path);
  check_checksum(path, file.file_bytes());
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

namespace {

// Of a classifier, from a generative model's weights or a classifier's: those of the patch level, and of the last layer
// where the file has one of the same labels. Weights without a config.json do not tell theirs: as many are taken as the same.
void read_patch_level(const safetensors::File& file, const fs::path& path, ByteModel& model) {
  const auto* last = file.find("classifier.weight");
  bool same = last && last->shape.size() == 2 && last->shape[0] == std::ssize(model.frame().labels);
  if (same && fs::exists(path.parent_path() / "config.json"))
    same = load_model_config(path.parent_path()).frame.labels == model.frame().labels;
  std::vector<NamedTensor> named;
  for (const auto& item : model.named_parameters()) {
    if (same || !item.key().starts_with("classifier.")) named.push_back({item.key(), item.value()});
  }
  read_tensors(file, named,
               same ? std::vector<std::string_view>{"byte_level_decoder."}
                    : std::vector<std::string_view>{"byte_level_decoder.", "classifier."});
}

}  // namespace

void load_initial_weights(const fs::path& from, ByteModel& model) {
  auto path = from;
  if (fs::is_directory(from)) {
    const auto checkpoint = find_checkpoint(from);
    if (!checkpoint) throw Error("{}: holds no checkpoint", from.string());
    path = *checkpoint / "model.safetensors";
  }
  const safetensors::File file(path);
  check_checksum(path, file.file_bytes());
  const auto& wanted = model.config();
  if (wanted.family == "bgpt" || wanted.family == "classifier") {
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
  if (wanted.family == "classifier") return read_patch_level(file, path, model);
  read_weights(file, model);
}

}  // namespace bytecpu
