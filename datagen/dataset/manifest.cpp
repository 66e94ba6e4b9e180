#include <algorithm>

#include "datagen/dataset/dataset.hpp"
#include "datagen/dataset/part_file.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/json_members.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

using members::count;
using members::list;
using members::member;
using members::text;

ShardInfo shard_from_json(const ordered_json& json) {
  ShardInfo shard;
  shard.file = members::file(json, "file");
  shard.traces = count<int64_t>(json, "traces");
  shard.states = count<int64_t>(json, "states");
  shard.bytes = count<int64_t>(json, "bytes");
  shard.checksum = text(json, "checksum");
  return shard;
}

std::vector<ShardInfo> shards_from_json(const ordered_json& json, const Layout& layout) {
  std::vector<ShardInfo> shards;
  for (const auto& item : json) {
    const auto& shard = shards.emplace_back(shard_from_json(item));
    const auto wanted = static_cast<__int128>(shard.traces) * layout.memory_bytes +
                        static_cast<__int128>(shard.states) * layout.record_bytes;
    if (shard.states < shard.traces || wanted != shard.bytes) {
      throw Error("shard \"{}\": {} traces of {} states do not have {} bytes", shard.file, shard.traces,
                  shard.states, shard.bytes);
    }
  }
  return shards;
}

SplitInfo split_from_json(const ordered_json& json, const Layout& layout) {
  SplitInfo split;
  split.traces = count<int64_t>(json, "traces");
  split.states = count<int64_t>(json, "states");
  split.bytes = count<int64_t>(json, "bytes");
  split.duplicates = count<int64_t>(json, "duplicates");
  int64_t traces = 0, states = 0, bytes = 0;
  split.shards = shards_from_json(list(json, "shards"), layout);
  for (const auto& shard : split.shards) {
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

ordered_json to_json(const std::vector<ShardInfo>& shards) {
  auto json = ordered_json::array();
  for (const auto& shard : shards) {
    json.push_back({{"file", shard.file},
                    {"traces", shard.traces},
                    {"states", shard.states},
                    {"bytes", shard.bytes},
                    {"checksum", shard.checksum}});
  }
  return json;
}

ordered_json to_json(const EngineVersions& engines) {
  return {{"unicorn", engines.unicorn}, {"capstone", engines.capstone}};
}

EngineVersions engines_from_json(const ordered_json& json) {
  return {text(json, "unicorn"), text(json, "capstone")};
}

// `what`: the file is, as in "the manifest of a bytecpu dataset".
void check_format(const ordered_json& json, std::string_view format, int newest, std::string_view what) {
  if (text(json, "format") != format) throw Error("not {}", what);
  const int version = count<int>(json, "version");
  if (version < 1) throw Error("there is no format version {}", version);
  if (version > newest) {
    throw Error("written in format version {}, this program reads up to {}; update bytecpu", version, newest);
  }
}

// What manifests and parts say of the whole dataset.
template <typename File>
void read_configuration(const ordered_json& json, File& file) {
  file.layout = layout_from_json(member(json, "layout"));
  refuse_outdated(file.layout, "make the dataset anew: " + how_to_generate(file.layout));
  file.generator = member(json, "generator");
  if (!file.generator.is_object()) throw Error("\"generator\" is not an object");
  if (json.contains("engines")) file.engines = engines_from_json(json["engines"]);
}

// Calls `read` with the file's JSON; errors name the file.
template <typename Read>
void read_json(const fs::path& path, Read read) {
  const auto contents = read_file(path);
  try {
    read(ordered_json::parse(contents));
  } catch (const ordered_json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  } catch (const Error& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
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
  for (const LayoutRegion& r : layout.regions) {
    json["regions"].push_back(
        {{"name", r.name}, {"offset", r.offset}, {"bytes", r.bytes}, {"address", r.address}});
  }
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
  if (json.contains("regions")) {
    for (const auto& item : list(json, "regions")) {
      layout.regions.push_back({text(item, "name"), count<int>(item, "offset"), count<int>(item, "bytes"),
                                count<uint64_t>(item, "address")});
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

std::string outdated(const Layout& layout, std::string_view mend) {
  return fmt::format(
      "its records of {} are of version 1, which is no longer read: they are of version {} now; {}",
      layout.machine, newest_record_version, mend);
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
  if (manifest.engines) json["engines"] = to_json(*manifest.engines);
  for (const Split s : splits) {
    const auto& split = manifest[s];
    json["splits"][to_string(s)] = {{"traces", split.traces},
                                    {"states", split.states},
                                    {"bytes", split.bytes},
                                    {"duplicates", split.duplicates},
                                    {"shards", to_json(split.shards)}};
  }
  return json;
}

Manifest read_manifest(const fs::path& path) {
  Manifest manifest;
  read_json(path, [&](const ordered_json& json) {
    check_format(json, Manifest::format, Manifest::version, "the manifest of a bytecpu dataset");
    if (json.contains("kind"))
      throw Error("a dataset of {}, where one of a machine's traces is wanted", text(json, "kind"));
    read_configuration(json, manifest);
    manifest.overlap = count<int64_t>(json, "overlap");
    const auto& by_split = member(json, "splits");
    for (const Split s : splits)
      manifest[s] = split_from_json(member(by_split, to_string(s).data()), manifest.layout);
  });
  return manifest;
}

ordered_json to_json(const PartFile& file) {
  ordered_json json = {{"format", PartFile::format},     {"version", PartFile::version},
                       {"part", file.part.index},        {"parts", file.part.count},
                       {"layout", to_json(file.layout)}, {"generator", file.generator}};
  if (file.engines) json["engines"] = to_json(*file.engines);
  if (file.shards) json["shards"] = to_json(*file.shards);
  return json;
}

PartFile read_part(const fs::path& path) {
  PartFile file;
  read_json(path, [&](const ordered_json& json) {
    check_format(json, PartFile::format, PartFile::version, "a part of a bytecpu dataset");
    file.part = {count<int>(json, "part"), count<int>(json, "parts")};
    if (part_of_file(path.filename().string()) != file.part) {
      throw Error("it says that it is part {} of {}: it has another's name", file.part.index,
                  file.part.count);
    }
    read_configuration(json, file);
    if (json.contains("shards")) file.shards = shards_from_json(list(json, "shards"), file.layout);
  });
  return file;
}

}  // namespace bytecpu
