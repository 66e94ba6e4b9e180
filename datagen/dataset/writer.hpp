// Writes a dataset: its shards, in any order and from any thread, then the manifest.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/output_folder.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

// Identifies a configuration: checksum of the generator's description and the layout.
std::string configuration_hash(const nlohmann::ordered_json& generator, const Layout& layout);

// The configuration that a shard says it is of; nothing if it is not a whole shard or does not say.
std::optional<std::string> shard_configuration(const std::filesystem::path& path);

// What a shard's metadata say of its place.
safetensors::Metadata shard_metadata(const std::string& configuration, Split split, size_t index);
// Whether they do.
bool is_of_place(const safetensors::Metadata& metadata, const std::string& configuration, Split split,
                 size_t index);

// Counts a dataset's shards, in any order and from any thread.
class ShardCounter {
 public:
  // `shard` with its checksum.
  void add(Split split, size_t index, const Shard& shard, const std::string& checksum);
  // Of all that were added: train's, then test's.
  std::vector<ShardInfo> shards() const;
  // Fills in the splits and the overlap. Shards of a split must be 0 … n - 1. Duplicates and overlap are counted
  // by 64-bit hashes of the programs: among 10^7 of them a false one is to be expected once in 400,000 datasets.
  void count(Manifest& manifest);

 private:
  std::mutex mutex_;
  std::array<std::map<size_t, ShardInfo>, 2> shards_;
  std::array<std::vector<uint64_t>, 2> programs_;  // hash of every trace's image
};

// Shards carry the configuration's hash, their split and index. Threads may write and adopt different shards
// at the same time.
class DatasetWriter {
 public:
  DatasetWriter(std::filesystem::path folder, Layout layout, nlohmann::ordered_json generator);

  void write(Split split, size_t index, const TraceBatch& traces);
  enum class Found { nothing, adopted, damaged };
  // Takes a shard as it is on disk, if it is there, of this configuration and of `traces` traces, and with the
  // checksum that it was written with: its own or, in a finished dataset, the manifest's. Else it is damaged.
  Found adopt(Split split, size_t index, int64_t traces);
  // Writes the manifest. Shards of a split must be 0 … n - 1.
  Manifest finish();

  // Of what was written and adopted so far: train's, then test's.
  std::vector<ShardInfo> shards() const { return counter_.shards(); }
  bool wrote() const { return wrote_; }

 private:
  void add(Split split, size_t index, const Shard& shard);
  bool is_as_written(Split split, size_t index, const Shard& shard) const;

  std::filesystem::path folder_;
  Manifest manifest_;
  std::optional<Manifest> finished_;  // that of a dataset that was finished before
  std::atomic<bool> wrote_ = false;   // a shard
  std::string configuration_;
  ShardCounter counter_;
};

struct ProgramCounts {
  std::array<int64_t, 2> duplicates{};  // traces less distinct programs
  int64_t overlap = 0;                  // test traces whose program is in train
};
// From the hash of every trace's program; sorts them.
ProgramCounts count_programs(std::array<std::vector<uint64_t>, 2>& hashes);

}  // namespace bytecpu
