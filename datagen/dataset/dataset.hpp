// A dataset on disk: a folder with manifest.json and safetensors shards, memory-mapped for reading.
// Format: datagen/README.md. Reading needs no Unicorn.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/safetensors.hpp"
#include "datagen/io/shard_checks.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/engine_versions.hpp"
#include "emulator/layout.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

struct ShardInfo {
  std::string file;  // relative to the dataset's folder
  int64_t traces = 0, states = 0, bytes = 0;
  std::string checksum;  // XXH3-128 of the whole file
};

struct SplitInfo {
  int64_t traces = 0;
  int64_t states = 0;  // state 0 included
  int64_t bytes = 0;
  int64_t duplicates = 0;  // traces whose program an earlier trace of the split has
  std::vector<ShardInfo> shards;
};

struct Manifest {
  static constexpr std::string_view format = "bytecpu-dataset";
  static constexpr int version = 1;

  Layout layout;
  nlohmann::ordered_json generator;  // how it was made: kind, seed, ranges; enough to make it again
  // Libraries that ran its programs, where it says so. Not the generator's: other releases are expected to make
  // the same bytes.
  std::optional<EngineVersions> engines = {};
  std::array<SplitInfo, 2> split;  // by Split
  int64_t overlap = 0;             // test traces whose program is in train too; 0 for native datasets

  SplitInfo& operator[](Split s) { return split[static_cast<size_t>(s)]; }
  const SplitInfo& operator[](Split s) const { return split[static_cast<size_t>(s)]; }
};

nlohmann::ordered_json to_json(const Manifest& manifest);
// Throws Error naming `path`: not a manifest, a later version, records of an earlier one, a missing or wrong
// member.
Manifest read_manifest(const std::filesystem::path& path);
nlohmann::ordered_json to_json(const Layout& layout);
// Throws Error: a later record version, a missing or wrong member.
Layout layout_from_json(const nlohmann::ordered_json& json);
// Throws Error, with what to do about it, where the layout is one that native machines had before record
// version 2.
void refuse_outdated(const Layout& layout, std::string_view mend);
// The message of that.
std::string outdated(const Layout& layout, std::string_view mend);
// How to make a machine's dataset: a command, for messages.
std::string how_to_generate(const Layout& layout);

// One shard, mapped: tensors `offsets` I64 [traces + 1] and `bytes` U8 [total], and, unless every trace
// halted, `stops` U8 [traces], a StopReason each. Of layouts with regions, whose memories may be large, every
// memory image is there once: `images` U8 [images, memory_bytes], `image_of` I64 [traces] says which one a trace has, and
// `offsets` and `bytes` are of the records alone; opening puts them together. Opening checks all of the structure, not the checksum;
// throws Error. The metadata's `contents` is a checksum of all the rest, so that a shard can be checked where no
// manifest lists it yet.
class Shard {
 public:
  static constexpr std::string_view format = "bytecpu-shard";
  static constexpr int version = 1;

  Shard(const std::filesystem::path& path, const Layout& layout);

  const std::filesystem::path& path() const { return file_.path(); }
  const safetensors::Metadata& metadata() const { return file_.metadata(); }
  std::span<const uint8_t> file_bytes() const { return file_.file_bytes(); }
  const ShardInfo& info() const { return info_; }  // without the checksum
  // Whether it holds what was written; nothing where it does not say, as of an earlier version.
  std::optional<bool> intact() const;
  size_t size() const { return traces_.size(); }
  // Borrowed from the mapped file.
  const Trace& operator[](size_t i) const { return traces_[i]; }

 private:
  std::vector<int64_t> read_offsets() const;
  void join_images(const Layout& layout, const std::vector<int64_t>& offsets);

  safetensors::File file_;
  std::vector<uint8_t> joined_;  // traces, where the file holds images apart
  std::vector<Trace> traces_;
  ShardInfo info_;
};

// "train-00000.safetensors"
std::string shard_name(Split split, size_t index);
// Writes the file whole or not at all; `more` joins the metadata.
void write_shard(const std::filesystem::path& path, const Layout& layout, const TraceBatch& traces,
                 const safetensors::Metadata& more);

class Dataset {
 public:
  // Maps the shards and checks their structure against the manifest (lengths, offsets, layout); their checksums
  // only when they are read. Throws Error.
  explicit Dataset(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }
  const Layout& layout() const { return manifest_.layout; }
  size_t size(Split split) const { return split_[static_cast<size_t>(split)].traces.size(); }
  // Valid while the dataset lives. The first one of a shard checks the shard's checksum: throws Error, naming
  // it, where it is not the manifest's. From any thread.
  const Trace& trace(Split split, size_t index) const;

 private:
  struct SplitTraces {
    size_t first_shard = 0;
    std::vector<size_t> shard_ends;  // of each shard, the index after its last trace
    std::vector<Trace> traces;
  };

  Manifest manifest_;
  std::vector<Shard> shards_;
  std::array<SplitTraces, 2> split_;
  ShardChecks checks_;
};

}  // namespace bytecpu
