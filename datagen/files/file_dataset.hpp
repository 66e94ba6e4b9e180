// A dataset of files of any kind: a folder with manifest.json and safetensors shards, memory-mapped for
// reading. Format: datagen/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/corpus/document.hpp"
#include "datagen/io/shard_checks.hpp"
#include "datagen/programs/split.hpp"

namespace bytecpu {

// Whether the dataset in a folder is one of files: its manifest says so. Throws Error if there is no dataset.
bool holds_files(const std::filesystem::path& folder);

struct FileShardInfo {
  std::string file;  // relative to the dataset's folder
  int64_t documents = 0, bytes = 0;
  std::string checksum;  // XXH3-128 of the whole file

  bool operator==(const FileShardInfo&) const = default;
};

struct FileSplitInfo {
  int64_t documents = 0;
  int64_t files = 0;
  int64_t bytes = 0;  // of the files: of a pair each counts once
  std::vector<FileShardInfo> shards;

  bool operator==(const FileSplitInfo&) const = default;
};

struct FileManifest {
  static constexpr std::string_view format = "bytecpu-dataset", kind = "files";
  static constexpr int version = 1;

  nlohmann::ordered_json
      generator;                 // how it was packed: options, and what of the folder; enough to do it again
  nlohmann::ordered_json found;  // what was seen in the folder, and what of it was left out or cut
  // Of all files, sorted by bytes; without the dot, at most 16 bytes. In memory as they are, in the file
  // escaped.
  std::vector<std::string> extensions;
  // Names, sorted by bytes, the same for both splits; none: it is not labelled.
  std::vector<std::string> labels;
  // Of a dataset of pairs: the extensions of a and b.
  std::optional<std::array<std::string, 2>> pairs = {};
  std::array<FileSplitInfo, 2> split;  // by Split

  FileSplitInfo& operator[](Split s) { return split[static_cast<size_t>(s)]; }
  const FileSplitInfo& operator[](Split s) const { return split[static_cast<size_t>(s)]; }
};

nlohmann::ordered_json to_json(const FileManifest& manifest);
// Throws Error naming `path`: not a manifest, not of files, a later version, a missing or wrong member.
FileManifest read_file_manifest(const std::filesystem::path& path);

class FileShard;

class FileDataset {
 public:
  // Maps the shards and checks their structure against the manifest; their checksums only when they are read.
  // Throws Error.
  explicit FileDataset(const std::filesystem::path& folder);
  FileDataset(FileDataset&&) noexcept;
  ~FileDataset();

  const FileManifest& manifest() const { return manifest_; }
  // Documents. Of a pair one for each direction: 2i is a -> b, 2i + 1 is b -> a.
  size_t size(Split split) const;

  // What follows is borrowed: valid while the dataset lives. The first use of a shard checks its checksum and
  // throws Error, naming it, where it is not the manifest's. From any thread.
  Document document(Split split, size_t index) const;
  // Path, relative to the packed folder, of the file that the steps are. Any bytes but 0: names need not be
  // UTF-8.
  std::string_view name(Split split, size_t index) const;
  // Number in manifest().labels, or -1.
  int label(Split split, size_t index) const;

 private:
  struct Place {
    const FileShard& shard;
    size_t entry;
    bool reversed;  // of a pair: b -> a
  };
  Place place(Split split, size_t index) const;
  void check_names(Split split, const std::filesystem::path& folder) const;

  FileManifest manifest_;
  std::vector<FileShard> shards_;
  std::array<size_t, 2> first_shard_{};               // by Split
  std::array<std::vector<size_t>, 2> document_ends_;  // of each shard, the index after its last document
  ShardChecks checks_;
};

}  // namespace bytecpu
