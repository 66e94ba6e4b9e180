#include <algorithm>

#include "datagen/files/file_dataset.hpp"
#include "datagen/files/names.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/json_members.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using members::count;
using members::list;
using members::member;
using members::text;
using nlohmann::ordered_json;

// Calls read(json) with the file's JSON; what is wrong names the file.
template <typename Read>
auto with_json(const fs::path& path, Read read) {
  const auto contents = read_file(path);
  try {
    const auto json = ordered_json::parse(contents);
    if (text(json, "format") != FileManifest::format) throw Error("not the manifest of a bytecpu dataset");
    return read(json);
  } catch (const ordered_json::exception& e) {
    throw Error("{}: not valid JSON: {}", path.string(), e.what());
  } catch (const Error& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

bool is_of_files(const ordered_json& json) {
  return json.contains("kind") && text(json, "kind") == FileManifest::kind;
}

std::vector<std::string> sorted_names(const ordered_json& json, const char* name) {
  std::vector<std::string> names;
  for (const auto& item : list(json, name)) {
    if (!item.is_string()) throw Error("\"{}\" holds something that is no string", name);
    names.push_back(unescaped(item.get<std::string>()));
    if (names.size() > 1 && names[names.size() - 2] >= names.back())
      throw Error("\"{}\" is not sorted", name);
  }
  if (std::ssize(names) > std::numeric_limits<int32_t>::max()) throw Error("\"{}\" is too long", name);
  return names;
}

std::vector<std::string> extensions_from_json(const ordered_json& json) {
  auto extensions = sorted_names(json, "extensions");
  for (const auto& extension : extensions) {
    if (extension.size() > most_extension_bytes ||
        extension.find_first_of(std::string_view("./\0", 3)) != extension.npos)
      throw Error("\"{}\" is no extension of at most {} bytes", escaped(extension), most_extension_bytes);
  }
  return extensions;
}

std::optional<std::array<std::string, 2>> pairs_from_json(const ordered_json& json,
                                                          const std::vector<std::string>& extensions) {
  if (!json.contains("pairs")) return std::nullopt;
  const auto& both = list(json, "pairs");
  if (both.size() != 2 || !both[0].is_string() || !both[1].is_string() || both[0] == both[1])
    throw Error("\"pairs\" are not two extensions");
  std::array pairs = {unescaped(both[0].get<std::string>()), unescaped(both[1].get<std::string>())};
  for (const auto& extension : pairs) {
    if (extension.empty() || !std::ranges::binary_search(extensions, extension))
      throw Error("\"{}\" of the pairs is not among the extensions", escaped(extension));
  }
  return pairs;
}

FileSplitInfo split_from_json(const ordered_json& json, int64_t files_per_entry) {
  FileSplitInfo split = {.documents = count<int64_t>(json, "documents"),
                         .files = count<int64_t>(json, "files"),
                         .bytes = count<int64_t>(json, "bytes"),
                         .shards = {}};
  int64_t documents = 0, bytes = 0;
  for (const auto& item : list(json, "shards")) {
    const auto& shard =
        split.shards.emplace_back(FileShardInfo{.file = members::file(item, "file"),
                                                .documents = count<int64_t>(item, "documents"),
                                                .bytes = count<int64_t>(item, "bytes"),
                                                .checksum = text(item, "checksum")});
    if (shard.documents % files_per_entry != 0)
      throw Error("shard \"{}\": {} documents are no pairs", shard.file, shard.documents);
    if (__builtin_add_overflow(documents, shard.documents, &documents) ||
        __builtin_add_overflow(bytes, shard.bytes, &bytes)) {
      throw Error("the shards' counts are too large");
    }
  }
  if (documents != split.documents || bytes != split.bytes)
    throw Error("the shards' counts do not add up to the split's");
  return split;
}

const ordered_json& object(const ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_object()) throw Error("\"{}\" is not an object", name);
  return value;
}

FileManifest manifest_from_json(const ordered_json& json) {
  const int version = count<int>(json, "version");
  if (version < 1) throw Error("there is no format version {}", version);
  if (version > FileManifest::version) {
    throw Error("written in format version {}, this program reads up to {}; update bytecpu", version,
                FileManifest::version);
  }
  if (!is_of_files(json)) throw Error("a dataset of a machine's traces, where one of files is wanted");
  FileManifest manifest;
  manifest.generator = object(json, "generator");
  manifest.found = object(json, "found");
  manifest.extensions = extensions_from_json(json);
  if (json.contains("labels")) manifest.labels = sorted_names(json, "labels");
  manifest.pairs = pairs_from_json(json, manifest.extensions);
  const auto& by_split = member(json, "splits");
  for (const Split s : splits)
    manifest[s] = split_from_json(member(by_split, to_string(s).data()), manifest.pairs ? 2 : 1);
  return manifest;
}

ordered_json to_json(const FileSplitInfo& split) {
  auto shards = ordered_json::array();
  for (const auto& shard : split.shards) {
    shards.push_back({{"file", shard.file},
                      {"documents", shard.documents},
                      {"bytes", shard.bytes},
                      {"checksum", shard.checksum}});
  }
  return {{"documents", split.documents}, {"files", split.files}, {"bytes", split.bytes}, {"shards", shards}};
}

}  // namespace

bool holds_files(const fs::path& folder) { return with_json(folder / "manifest.json", is_of_files); }

FileManifest read_file_manifest(const fs::path& path) { return with_json(path, manifest_from_json); }

ordered_json to_json(const FileManifest& manifest) {
  const auto names = [](const auto& list) {
    auto json = ordered_json::array();
    for (const auto& name : list) json.push_back(escaped(name));
    return json;
  };
  ordered_json json = {{"format", FileManifest::format}, {"version", FileManifest::version},
                       {"kind", FileManifest::kind},     {"generator", manifest.generator},
                       {"found", manifest.found},        {"extensions", names(manifest.extensions)}};
  if (!manifest.labels.empty()) json["labels"] = names(manifest.labels);
  if (manifest.pairs) json["pairs"] = names(*manifest.pairs);
  for (const Split s : splits) json["splits"][to_string(s)] = to_json(manifest[s]);
  return json;
}

}  // namespace bytecpu
