// What a process that makes one part of a dataset leaves beside the shards, where a whole dataset has its
// manifest: part-2-of-4.json.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/output_folder.hpp"
#include "datagen/io/part.hpp"

namespace bytecpu {

struct PartFile {
  static constexpr std::string_view format = "bytecpu-dataset-part";
  static constexpr int version = 1;

  Part part;
  Layout layout;
  nlohmann::ordered_json generator;  // of the whole dataset, as in its manifest
  // None until it is finished: what ran its programs, and its shards, in the plan's order.
  std::optional<EngineVersions> engines = {};
  std::optional<std::vector<ShardInfo>> shards = {};
};

// "part-2-of-4.json"
std::string part_file_name(const Part& part);
// The part whose file has this name; nothing where it is none's.
std::optional<Part> part_of_file(std::string_view name);

nlohmann::ordered_json to_json(const PartFile& file);
// Throws Error naming `path`: no such file, not a part's, a later version, a missing or wrong member, another
// part than the name says.
PartFile read_part(const std::filesystem::path& path);

// Says which part of which configuration is made in a folder, where other parts of it may be made at the same
// time.
class PartWriter {
 public:
  // Throws Error: a process makes this part, or other parts in the folder are of another configuration or
  // number.
  PartWriter(const OutputFolder& folder, PartFile file);
  // All shards are there. `engines`: of this process; `wrote`: whether it made any of them, and did not find
  // all.
  void finish(std::vector<ShardInfo> shards, const EngineVersions& engines, bool wrote);

 private:
  // Throws Error where the folder holds parts that cannot be of one dataset with this one.
  void check_others() const;

  const OutputFolder& folder_;
  PartFile file_;
  std::filesystem::path path_;
  std::optional<PartLock> lock_;
  std::optional<EngineVersions> engines_before_;  // of a part that was finished before
};

}  // namespace bytecpu
