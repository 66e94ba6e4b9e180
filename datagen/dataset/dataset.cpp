#include "datagen/dataset/dataset.hpp"

#include <algorithm>
#include <cstring>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

const ordered_json& member(const ordered_json& json, const char* name) {
  if (!json.is_object()) throw Error("\"{}\" is wanted in something that is no object", name);
  const auto found = json.find(name);
  if (found == json.end()) throw Error("\"{}\" is missing", name);
  return *found;
}

std::string text(const ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_string()) throw Error("\"{}\" is not a string", name);
  return value.get<std::string>();
}

template <typename Int>
Int count(const ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<Int>::max())) {
    throw Error("\"{}\" is not a count", name);
  }
  return value.get<Int>();
}

const ordered_json& list(const ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_array()) throw Error("\"{}\" is not a list", name);
  return value;
}

std::string outdated(const Layout& layout, std::string_view mend) {
  return fmt::format(
      "its records of {} are of version 1, which is no longer read: they are of version {} now; {}",
      layout.machine, newest_record_version, mend);
}

ShardInfo shard_from_json(const ordered_json& json) {
  ShardInfo shard;
  shard.file = text(json, "file");
  shard.traces = count<int64_t>(json, "traces");
  shard.states = count<int64_t>(json, "states");
  shard.bytes = count<int64_t>(json, "bytes");
  shard.checksum = text(json, "checksum");
  if (shard.file.empty() || fs::path(shard.file).filename() != shard.file || shard.file == "..") {
    throw Error("shard \"{}\" is not a file in the dataset's folder", shard.file);
  }
  return shard;
}

SplitInfo split_from_json(const ordered_json& json, const Layout& layout) {
  SplitInfo split;
  split.traces = count<int64_t>(json, "traces");
  split.states = count<int64_t>(json, "states");
  split.bytes = count<int64_t>(json, "bytes");
  split.duplicates = count<int64_t>(json, "duplicates");
  int64_t traces = 0, states = 0, bytes = 0;
  for (const auto& item : list(json, "shards")) {
    const auto& shard = split.shards.emplace_back(shard_from_json(item));
    const auto wanted = static_cast<__int128>(shard.traces) * layout.memory_bytes +
                        static_cast<__int128>(shard.states) * layout.record_bytes;
    if (shard.states < shard.traces || wanted != shard.bytes) {
      throw Error("shard \"{}\": {} traces of {} states do not have {} bytes", shard.file, shard.traces,
                  shard.states, shard.bytes);
    }
    if (__builtin_add_overflow(traces, shard.traces, &traces) ||
        __builtin_add_overflow(states, shard.states, &states) ||
        __builtin_add_overflow(bytes, shard.bytes, &bytes)) {
      throw Error("the shards' counts are too large");
    }
  }
  if (traces != split.traces || states != split.states || bytes != split.bytes) {
    throw Error("the shards' counts do not add up to the split's");
  }
  return split;
}

constexpr auto contents_key = "contents";

// Of all that a shard holds, but for the checksum itself.
std::string contents_checksum(std::span<const safetensors::Tensor> tensors,
                              const safetensors::Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    if (key != contents_key) text += fmt::format("{} {}\n", key, value);
  }
  for (const auto& tensor : tensors) {
    text += fmt::format("{} {} {} {}\n", tensor.name, to_string(tensor.dtype), tensor.bytes.size(),
                        checksum(tensor.bytes));
  }
  return checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

ordered_json to_json(const Layout& layout) {
  auto fields = ordered_json::array();
  for (const auto& f : layout.fields) {
    auto& field =
        fields.emplace_back(ordered_json{{"name", f.name}, {"offset", f.offset}, {"bytes", f.bytes}});
    if (!f.bits.empty()) field["bits"] = f.bits;
  }
  ordered_json json = {{"machine", layout.machine},
                       {"memory_bytes", layout.memory_bytes},
                       {"record_bytes", layout.record_bytes},
                       {"fields", fields}};
  if (layout.data_offset > 0) json["data_offset"] = layout.data_offset;
  if (layout.record_version != Layout().record_version) json["record_version"] = layout.record_version;
  return json;
}

Layout layout_from_json(const ordered_json& json) {
  Layout layout;
  layout.machine = text(json, "machine");
  layout.memory_bytes = count<int>(json, "memory_bytes");
  layout.record_bytes = count<int>(json, "record_bytes");
  constexpr int most = 1 << 30;
  if (layout.memory_bytes < 1 || layout.memory_bytes > most)
    throw Error("\"memory_bytes\" is not in 1 … 2^30");
  if (layout.record_bytes < 16 || layout.record_bytes > most || layout.record_bytes % 16 != 0) {
    throw Error("\"record_bytes\" is not a multiple of 16 in 16 … 2^30");
  }
  if (json.contains("data_offset")) {
    layout.data_offset = count<int>(json, "data_offset");
    if (layout.data_offset >= layout.memory_bytes) throw Error("\"data_offset\" is past the memory image");
  }
  if (json.contains("record_version")) {
    layout.record_version = count<int>(json, "record_version");
    if (layout.record_version < 1) throw Error("there is no record version 0");
    if (layout.record_version > newest_record_version) {
      throw Error("of record version {}, this program knows up to {}; update bytecpu", layout.record_version,
                  newest_record_version);
    }
  }
  int next = 0;
  for (const auto& item : list(json, "fields")) {
    auto& field = layout.fields.emplace_back(
        Field{text(item, "name"), count<int>(item, "offset"), count<int>(item, "bytes")});
    if (item.contains("bits")) {
      for (const auto& bit : list(item, "bits")) {
        if (!bit.is_string()) throw Error("the bits of field \"{}\" are no names", field.name);
        field.bits.push_back(bit.get<std::string>());
      }
    }
    if (field.offset != next || field.bytes < 1 || field.bytes > layout.record_bytes - next) {
      throw Error("field \"{}\" leaves a gap, overlaps or reaches past the record", field.name);
    }
    next += field.bytes;
  }
  if (next != layout.record_bytes) throw Error("the fields do not cover the record");
  return layout;
}

void refuse_outdated(const Layout& layout, std::string_view mend) {
  const bool tells_writes =
      std::ranges::find(layout.fields, "WRITE_OFFSET", &Field::name) != layout.fields.end();
  if (layout.record_version > 1 || !tells_writes) return;
  throw Error("{}", outdated(layout, mend));
}

std::string how_to_generate(const Layout& layout) {
  return fmt::format("bytecpu-datagen generate --machine {} --memory {} …", layout.machine,
                     layout.memory_bytes);
}

ordered_json to_json(const Manifest& manifest) {
  ordered_json json = {{"format", Manifest::format},
                       {"version", Manifest::version},
                       {"layout", to_json(manifest.layout)},
                       {"generator", manifest.generator},
                       {"overlap", manifest.overlap}};
  if (manifest.engines) {
    json["engines"] = {{"unicorn", manifest.engines->unicorn}, {"capstone", manifest.engines->capstone}};
  }
  for (const Split s : splits) {
    const auto& split = manifest[s];
    auto shards = ordered_json::array();
    for (const auto& shard : split.shards) {
      shards.push_back({{"file", shard.file},
                        {"traces", shard.traces},
                        {"states", shard.states},
                        {"bytes", shard.bytes},
                        {"checksum", shard.checksum}});
    }
    json["splits"][to_string(s)] = {{"traces", split.traces},
                                    {"states", split.states},
                                    {"bytes", split.bytes},
                                    {"duplicates", split.duplicates},
                                    {"shards", shards}};
  }
  return json;
}

Manifest read_manifest(const fs::path& path) {
  const auto contents = read_file(path);
  try {
    const auto json = ordered_json::parse(contents);
    if (text(json, "format") != Manifest::format) throw Error("not the manifest of a bytecpu dataset");
    const int version = count<int>(json, "version");
    if (version < 1) throw Error("there is no format version {}", version);
    if (version > Manifest::version) {
      throw Error("written in format version {}, this program reads up to {}; update bytecpu", version,
                  Manifest::version);
    }
    Manifest manifest;
    manifest.layout = layout_from_json(member(json, "layout"));
    refuse_outdated(manifest.layout, "make the dataset anew: " + how_to_generate(manifest.layout));
    manifest.generator = member(json, "generator");
    if (!manifest.generator.is_object()) throw Error("\"generator\" is not an object");
    if (json.contains("engines")) {
      const auto& engines = member(json, "engines");
      manifest.engines = {text(engines, "unicorn"), text(engines, "capstone")};
    }
    manifest.overlap = count<int64_t>(json, "overlap");
    const auto& by_split = member(json, "splits");
    for (const Split s : splits)
      manifest[s] = split_from_json(member(by_split, to_string(s).data()), manifest.layout);
    return manifest;
  } catch (const ordered_json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  } catch (const Error& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

std::string shard_name(Split split, size_t index) {
  return fmt::format("{}-{:05}.safetensors", to_string(split), index);
}

Shard::Shard(const fs::path& path, const Layout& layout) : file_(path) {
  const auto& offsets_tensor = file_.require("offsets", safetensors::Dtype::I64, 1);
  const auto& bytes_tensor = file_.require("bytes", safetensors::Dtype::U8, 1);
  const auto expect = [&](const char* key, const std::string& value) {
    const auto found = metadata().find(key);
    if (found == metadata().end() || found->second != value) {
      throw Error("{}: {} is {}, expected {}", path.string(), key,
                  found == metadata().end() ? "missing" : found->second, value);
    }
  };
  expect("format", std::string(format));
  expect("version", std::to_string(version));
  expect("machine", layout.machine);
  expect("memory_bytes", std::to_string(layout.memory_bytes));
  expect("record_bytes", std::to_string(layout.record_bytes));
  if (layout.record_version > 1) {
    if (!metadata().contains("record_version")) {
      throw Error("{}: {}", path.string(),
                  outdated(layout, "make the dataset anew: " + how_to_generate(layout)));
    }
    expect("record_version", std::to_string(layout.record_version));
  }

  std::vector<int64_t> offsets(offsets_tensor.shape[0]);
  if (offsets.empty()) throw Error("{}: offsets are empty", path.string());
  std::memcpy(offsets.data(), offsets_tensor.bytes.data(), offsets_tensor.bytes.size());
  const int64_t total = bytes_tensor.shape[0];
  if (offsets.front() != 0 || offsets.back() != total) {
    throw Error("{}: offsets do not span the {} bytes", path.string(), total);
  }
  traces_.reserve(offsets.size() - 1);
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t begin = offsets[i], end = offsets[i + 1];
    if (begin < 0 || end > total || end < begin || end - begin < layout.start_bytes() ||
        (end - begin - layout.memory_bytes) % layout.record_bytes != 0) {
      throw Error("{}: trace {} spans bytes {} … {}, which is no memory image and whole records",
                  path.string(), i, begin, end);
    }
    traces_.emplace_back(layout, bytes_tensor.bytes.subspan(begin, end - begin));
  }
  info_ = {
      .file = path.filename().string(),
      .traces = static_cast<int64_t>(traces_.size()),
      .states = (total - static_cast<int64_t>(traces_.size()) * layout.memory_bytes) / layout.record_bytes,
      .bytes = total,
      .checksum = {}};

  if (!file_.find("stops")) return;
  const auto& stops = file_.require("stops", safetensors::Dtype::U8, 1);
  if (stops.bytes.size() != traces_.size()) throw Error("{}: stops are not one a trace", path.string());
  for (size_t i = 0; i < traces_.size(); ++i) {
    const uint8_t stop = stops.bytes[i];
    if (stop > static_cast<uint8_t>(last_stop_reason)) {
      throw Error("{}: {} is no reason to stop", path.string(), stop);
    }
    traces_[i].stop = StopReason(stop);
  }
}

std::optional<bool> Shard::intact() const {
  const auto found = metadata().find(contents_key);
  if (found == metadata().end()) return std::nullopt;
  return found->second == contents_checksum(file_.tensors(), metadata());
}

void write_shard(const fs::path& path, const Layout& layout, const TraceBatch& traces,
                 const safetensors::Metadata& more) {
  safetensors::Metadata metadata = {{"format", std::string(Shard::format)},
                                    {"version", std::to_string(Shard::version)},
                                    {"machine", layout.machine},
                                    {"memory_bytes", std::to_string(layout.memory_bytes)},
                                    {"record_bytes", std::to_string(layout.record_bytes)}};
  if (layout.record_version > 1) metadata["record_version"] = std::to_string(layout.record_version);
  metadata.insert(more.begin(), more.end());

  const auto bytes_of = [](const auto& values) {
    return std::span(reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(values[0]));
  };
  const auto vector = [&](const char* name, safetensors::Dtype dtype, const auto& values) {
    return safetensors::Tensor{name, dtype, {static_cast<int64_t>(values.size())}, bytes_of(values)};
  };
  std::vector tensors = {vector("offsets", safetensors::Dtype::I64, traces.offsets),
                         vector("bytes", safetensors::Dtype::U8, traces.bytes)};
  BYTECPU_CHECK(traces.stops.size() == traces.size());
  const bool all_halted = std::all_of(traces.stops.begin(), traces.stops.end(),
                                      [](StopReason stop) { return stop == StopReason::halted; });
  if (!all_halted) tensors.push_back(vector("stops", safetensors::Dtype::U8, traces.stops));
  metadata[contents_key] = contents_checksum(tensors, metadata);
  safetensors::write(path, tensors, metadata);
}

Dataset::Dataset(const fs::path& folder) : manifest_(read_manifest(folder / "manifest.json")) {
  for (const Split s : splits) {
    auto& [first_shard, shard_ends, traces] = split_[static_cast<size_t>(s)];
    first_shard = shards_.size();
    for (const auto& listed : manifest_[s].shards) {
      const auto& shard = shards_.emplace_back(folder / listed.file, manifest_.layout);
      const auto& found = shard.info();
      if (found.traces != listed.traces || found.states != listed.states || found.bytes != listed.bytes) {
        throw Error("{}: {} traces, {} states, {} bytes; the manifest says {}, {}, {}", shard.path().string(),
                    found.traces, found.states, found.bytes, listed.traces, listed.states, listed.bytes);
      }
      for (size_t i = 0; i < shard.size(); ++i) traces.push_back(shard[i]);
      shard_ends.push_back(traces.size());
    }
  }
  checks_ = std::make_unique<Checks>(shards_.size());
}

const Trace& Dataset::trace(Split split, size_t index) const {
  const auto& [first_shard, shard_ends, traces] = split_[static_cast<size_t>(split)];
  const auto in_split =
      static_cast<size_t>(std::upper_bound(shard_ends.begin(), shard_ends.end(), index) - shard_ends.begin());
  const size_t shard = first_shard + in_split;
  if (!checks_->right[shard]) check(shard, manifest_[split].shards[in_split].checksum);
  return traces[index];
}

void Dataset::check(size_t shard, const std::string& listed_checksum) const {
  const std::lock_guard lock(checks_->mutex);
  if (checks_->right[shard]) return;
  if (checksum(shards_[shard].file_bytes()) != listed_checksum) {
    throw Error("{}: its checksum is not the manifest's: it was altered; bytecpu-datagen verify tells more",
                shards_[shard].path().string());
  }
  checks_->right[shard] = true;
}

}  // namespace bytecpu
