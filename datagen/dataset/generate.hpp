// Random programs → run → dataset.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/part.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

struct GenerateOptions {
  // native: programs of a split by split_of(), each shard drawn on its own from (seed, split, index).
  // python: CPython's stream from the seed, as published: train, then test, whatever split_of() says.
  enum class Rng { native, python };
  // shards: a dataset. files: the reference's folders of .bin files and generator.json; of several traces of
  // one program the last drawn stands.
  enum class Format { shards, files };

  std::string machine = "toy8";
  int memory_bytes = 1024;
  ProgramOptions programs;
  bool keep_faults = true;          // else programs that end in a fault are drawn again, --rng native only
  std::array<int64_t, 2> traces{};  // by Split
  uint64_t seed = 0;
  Rng rng = Rng::native;
  Format format = Format::shards;
  int64_t shard_traces = 0;  // 0: default_shard_traces()
  // Only this share of the shards; merge_parts() makes a dataset of all shares. Of the shards i of the plan,
  // those of train and then those of test, part K of N has those with i mod N = K - 1.
  std::optional<Part> part = {};
  int threads = 1;  // changes nothing but the speed
  std::filesystem::path out;
};

// Shards of about 30 MB for the reference's machine and programs.
int64_t default_shard_traces(const Layout& layout);

struct GenerateResult {
  std::array<int64_t, 2> traces{}, states{}, bytes{};  // by Split
  // Of a whole dataset: those of a part are not counted.
  std::array<int64_t, 2> duplicates{};
  int64_t overlap = 0;
  int64_t resumed_shards = 0;            // found complete
  std::set<std::string> damaged_shards;  // found damaged, and made again
  int64_t run_states = 0;                // of the traces that were run
  double seconds = 0;
};

// Goes on where an earlier call with the same options stopped or was killed; what it leaves in the end is the
// same, byte for byte. Of a part it leaves shards and a PartFile; processes that make other parts of the same
// dataset may write to the folder at the same time. Throws UsageError for options out of range, Error if the
// folder holds anything else or cannot be written.
GenerateResult generate(const GenerateOptions& options);

}  // namespace bytecpu
