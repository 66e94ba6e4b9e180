// One list of fields, from which flags and JSON are made.
#include "model/network/config.hpp"

#include "datagen/dataset/dataset.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

template <typename Config, typename Visit>
void for_each_model_field(Config& c, Visit visit) {
  visit(c.family, "family", "model family: bgpt | transition");
  visit(c.patch_size, "patch-size", "bytes a patch");
  visit(c.patch_length, "patch-length", "longest sequence, in patches");
  visit(c.patch_layers, "patch-layers", "layers of the patch-level decoder");
  visit(c.patch_width, "patch-width", "width of the patch-level decoder");
  visit(c.patch_heads, "patch-heads", "attention heads of the patch-level decoder");
  visit(c.byte_layers, "byte-layers", "layers of the byte-level decoder");
  visit(c.byte_width, "byte-width", "width of the byte-level decoder");
  visit(c.byte_heads, "byte-heads", "attention heads of the byte-level decoder");
  visit(c.encoder_layers, "encoder-layers", "transition: layers over the current record's bytes");
  visit(c.encoder_mlp, "encoder-mlp", "transition: hidden width of their MLPs, in widths");
  visit(c.mixer_layers, "mixer-layers", "transition: layers over the conditions of the next record's bytes");
  visit(c.byte_mlp, "byte-mlp", "transition: hidden width of mixer's and decoder's MLPs, in widths");
  visit(c.memory_width, "memory-width", "transition: width of the attention to the memory image");
  visit(c.memory_heads, "memory-heads", "transition: its heads");
  visit(c.patch_history, "patch-history", "transition: patch-level attention over earlier records");
  visit(c.byte_init, "byte-init", "byte embeddings at the start: normal | structured");
}

template <typename Config, typename ForEach>
boost::program_options::options_description make_options(const char* title, Config& config,
                                                         ForEach for_each) {
  namespace po = boost::program_options;
  po::options_description description(title);
  for_each(config, [&](auto& field, const char* name, const char* text) {
    using T = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<T, bool>) {
      description.add_options()(name, po::bool_switch(&field)->default_value(field), text);
    } else {
      description.add_options()(name, po::value<T>(&field)->default_value(field), text);
    }
  });
  return description;
}

void require(bool good, std::string_view what) {
  if (!good) throw Error("configuration: {}", what);
}

}  // namespace

boost::program_options::options_description options(ModelConfig& config) {
  return make_options("Model", config, [](auto& c, auto visit) { for_each_model_field(c, visit); });
}

void to_json(nlohmann::ordered_json& json, const ModelConfig& config) {
  json = nlohmann::ordered_json::object();
  for_each_model_field(config, [&](const auto& field, const char* name, const char*) { json[name] = field; });
  json["layout"] = to_json(config.frame.layout);
}

void from_json(const nlohmann::ordered_json& json, ModelConfig& config) {
  for_each_model_field(config,
                       [&](auto& field, const char* name, const char*) { json.at(name).get_to(field); });
  config.frame = frame_of(layout_from_json(json.at("layout")));
}

void check(const ModelConfig& c) {
  require(c.family == "bgpt" || c.family == "transition", "family must be bgpt or transition");
  require(c.patch_size >= 1, "patch-size must be at least 1");
  const bool transition = c.family == "transition";
  if (transition) {
    require(c.patch_size == c.frame.step_bytes,
            fmt::format("patch-size must be the record's {} bytes for the family transition",
                        c.frame.step_bytes));
    require(c.encoder_layers >= 0 && c.mixer_layers >= 0 && c.encoder_mlp >= 1 && c.byte_mlp >= 1,
            "encoder-layers and mixer-layers must not be negative, encoder-mlp and byte-mlp at least 1");
    require(c.memory_heads >= 1 && c.memory_width >= 1 && c.memory_width % c.memory_heads == 0,
            "memory-width must be a multiple of memory-heads");
  }
  require(c.frame.context_bytes % c.patch_size == 0 && c.frame.step_bytes % c.patch_size == 0,
          fmt::format("patch-size {} does not divide the memory ({} bytes) and the record ({} bytes)",
                      c.patch_size, c.frame.context_bytes, c.frame.step_bytes));
  require(c.patch_length >= 3 + (c.frame.context_bytes + c.frame.step_bytes) / c.patch_size,
          "patch-length is too short for one state after the memory image");
  require(c.patch_layers >= (transition ? 0 : 1) && c.byte_layers >= 1,
          "patch-layers and byte-layers must be at least 1");
  require(c.patch_heads >= 1 && c.patch_width >= 1 && c.patch_width % c.patch_heads == 0,
          "patch-width must be a multiple of patch-heads");
  require(c.byte_heads >= 1 && c.byte_width >= 1 && c.byte_width % c.byte_heads == 0,
          "byte-width must be a multiple of byte-heads");
  require(c.byte_init == "normal" || c.byte_init == "structured", "byte-init must be normal or structured");
}

}  // namespace bytecpu
