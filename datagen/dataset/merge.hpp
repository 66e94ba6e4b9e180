// The parts of a dataset become the dataset that one process would have made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "datagen/dataset/dataset.hpp"

namespace bytecpu {

struct MergeOptions {
  std::vector<std::filesystem::path> folders;  // that parts were made in
  std::filesystem::path out;                   // may be one of them
  int threads = 1;
};

struct MergeResult {
  Manifest manifest;
  int parts = 0;
  // Shards: given another name in `out`, copied to it, there already.
  int64_t linked = 0, copied = 0, there = 0;
  bool was_merged = false;  // `out` was whole already, and nothing was done
  bool several_engines =
      false;  // parts were made with different releases; the manifest names the last part's
  double seconds = 0;
};

// Leaves the bytes that generate() without a part leaves. Reads every shard and checks it before it writes
// anything; when `out` has its manifest, part files in it are removed. Other folders stay as they are. After an
// interrupted call the same call completes it. Throws Error, and leaves all as it was: a part that is missing,
// not finished or there twice with different contents; parts of different configurations; a shard that is missing
// or was altered; an `out` that holds something else.
MergeResult merge_parts(const MergeOptions& options);

}  // namespace bytecpu
