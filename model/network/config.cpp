#include "model/network/config.hpp"

#include "datagen/dataset/dataset.hpp"
#include "datagen/files/names.hpp"
#include "datagen/io/options.hpp"

namespace bytecpu {
namespace {

// The largest sizes that are accepted, so that a damaged file does not make a model that fills the memory.
constexpr double most_layers = 1024, most_width = 1 << 16, most_heads = 1024, most_patches = 1 << 24;

void require(bool good, std::string_view what) {
  if (!good) throw Error("configuration: {}", what);
}

}  // namespace

OptionList options(ModelConfig& c) {
  OptionList field("Model");
  field(c.family, "family", one_of({"bgpt", "transition", "fields", "pointer", "classifier"}),
        "model family");
  field(c.patch_size, "patch-size", in(1, most_width), "bytes a patch");
  field(c.patch_length, "patch-length", in(1, most_patches), "longest sequence, in patches");
  field(c.patch_layers, "patch-layers", in(0, most_layers), "layers of the patch-level decoder");
  field(c.patch_width, "patch-width", in(1, most_width), "width of the patch-level decoder");
  field(c.patch_heads, "patch-heads", in(1, most_heads), "attention heads of the patch-level decoder");
  field(c.byte_layers, "byte-layers", in(1, most_layers), "layers of the byte-level decoder");
  field(c.byte_width, "byte-width", in(1, most_width), "width of the byte-level decoder");
  field(c.byte_heads, "byte-heads", in(1, most_heads), "attention heads of the byte-level decoder");
  field(c.encoder_layers, "encoder-layers", in(0, most_layers),
        "transition: layers over the current record's bytes; pointer: over the input's");
  field(c.encoder_mlp, "encoder-mlp", in(1, most_width),
        "transition, pointer: hidden width of their MLPs, in widths");
  field(c.mixer_layers, "mixer-layers", in(0, most_layers),
        "transition: layers over the conditions of the next record's bytes");
  field(c.byte_mlp, "byte-mlp", in(1, most_width),
        "transition, pointer: hidden width of the decoder's MLPs, of transition the mixer's too, in widths");
  field(c.memory_width, "memory-width", in(1, most_width),
        "transition: width of the attention to the memory image");
  field(c.memory_heads, "memory-heads", in(1, most_heads),
        "transition: its heads; pointer: pointers to the input");
  field(c.patch_history, "patch-history", "transition: patch-level attention over earlier records");
  field(c.row_width, "row-width", in(1, most_width), "fields: width of what is thought of one word");
  field(c.from_end, "from-end",
        "pointer: files are read and written from the last byte to the first, with a count of bytes");
  field(c.byte_init, "byte-init", one_of({"normal", "structured"}), "byte embeddings at the start");
  return field;
}

void to_json(nlohmann::ordered_json& json, const ModelConfig& config) {
  auto copy = config;
  json = options(copy).json();
  if (config.frame.kind == DocumentKind::file) {
    json["documents"] = "files";
    // Labels are names of files, or of folders: any bytes.
    for (const auto& label : config.frame.labels) json["labels"].push_back(escaped(label));
  } else {
    json["layout"] = to_json(config.frame.layout);
  }
}

void from_json(const nlohmann::ordered_json& json, ModelConfig& config) {
  options(config).from_json(json, {"layout", "documents", "labels"});
  if (const auto documents = json.find("documents"); documents != json.end()) {
    if (*documents != "files") throw Error("\"documents\" is {}, not \"files\"", documents->dump());
    config.frame = frame_of_files();
    if (json.contains("labels")) {
      for (const auto& label : json["labels"].get<std::vector<std::string>>())
        config.frame.labels.push_back(unescaped(label));
    }
    return;
  }
  const auto layout = layout_from_json(json.at("layout"));
  refuse_outdated(layout, "train the model anew, on data of this version");
  config.frame = frame_of(layout);
}

void check(const ModelConfig& c) {
  auto copy = c;
  options(copy).check();
  const bool fields = c.family == "fields", transition = c.family == "transition";
  const bool pointer = c.family == "pointer", files = c.frame.kind == DocumentKind::file;
  const bool classifier = c.family == "classifier";
  require(!classifier || !c.frame.labels.empty(),
          "the family classifier learns the labels of files: a dataset with labels, and learn = labels");
  require(!files || c.family == "bgpt" || pointer || classifier,
          fmt::format(
              "the family {} learns traces of machines; family = bgpt, pointer or classifier learns files",
              c.family));
  require(pointer || !c.from_end, "from-end goes with the family pointer");
  if (pointer) {
    require(files,
            "the family pointer learns files; family = bgpt, transition or fields learns traces of machines");
    require(c.patch_size == 1, "patch-size must be 1 for the family pointer");
    require(c.byte_width % c.memory_heads == 0 && c.byte_width % 4 == 0,
            "byte-width must be a multiple of memory-heads and of 4 for the family pointer");
  }
  if (fields || transition) {
    require(c.patch_size == c.frame.step_bytes,
            fmt::format("patch-size must be the record's {} bytes for the family {}", c.frame.step_bytes,
                        c.family));
  }
  if (transition)
    require(c.memory_width % c.memory_heads == 0, "memory-width must be a multiple of memory-heads");
  if (fields) {
    require(c.patch_layers >= 1, "patch-layers must be at least 1 for the family fields");
    require(c.byte_width % 4 == 0, "byte-width must be a multiple of 4 for the family fields");
    require(c.patch_heads >= 3, "patch-heads must be at least 3 for the family fields");
    require(c.memory_heads <= c.patch_heads,
            "memory-heads must be at most patch-heads for the family fields");
    return;
  }
  if (c.frame.kind == DocumentKind::file) {
    require(c.frame.step_bytes % c.patch_size == 0,
            fmt::format("patch-size of a model of files must divide {}", c.frame.step_bytes));
  }
  require(c.frame.context_bytes % c.patch_size == 0 && c.frame.step_bytes % c.patch_size == 0,
          fmt::format("patch-size {} does not divide the memory ({} bytes) and the record ({} bytes)",
                      c.patch_size, c.frame.context_bytes, c.frame.step_bytes));
  const auto least = 3 + (c.frame.context_bytes + c.frame.step_bytes) / c.patch_size;
  require(c.patch_length >= least,
          fmt::format("patch-length must be {} or more, for {}", least,
                      c.frame.kind == DocumentKind::file ? "a file's extension and its first bytes"
                                                         : "the memory image and one state"));
  require(transition || pointer || c.patch_layers >= 1,
          fmt::format("patch-layers must be at least 1 for the family {}", c.family));
  require(pointer || c.patch_width % c.patch_heads == 0, "patch-width must be a multiple of patch-heads");
  require(classifier || c.byte_width % c.byte_heads == 0, "byte-width must be a multiple of byte-heads");
}

}  // namespace bytecpu
