// A folder of files → dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "datagen/files/file_dataset.hpp"
#include "datagen/io/part.hpp"

namespace bytecpu {

struct PackOptions {
  // What happens to files that are longer than max_bytes: the packing stops; they are left out; their first
  // max_bytes are a document; all consecutive pieces of max_bytes are documents.
  enum class Longer { refuse, skip, head, windows };
  // name: up to the first "_". folder: the first folder below the packed one.
  enum class Labels { none, name, folder };

  std::filesystem::path folder;
  // A share of the contents, in 0 … 1, or another folder.
  std::string test = "0.1";
  std::string pairs;  // "abc:mid": files of these extensions, of one folder and one stem; empty: no pairs
  Labels labels = Labels::none;
  Longer longer = Longer::refuse;
  int64_t max_bytes = 1 << 20;     // of a document; of a pair's two files together
  bool keep_duplicates = true;     // of contents that an earlier file with this extension and label has
  uint64_t seed = 0;               // of the draw of test contents
  int64_t shard_bytes = 32 << 20;  // most bytes of a shard, where no document alone has more
  int threads = 1;                 // changes nothing but the speed
  std::optional<Part> part;        // only these shards
  std::filesystem::path out;
};

struct PackResult {
  FileManifest manifest;
  int64_t shards = 0, all_shards = 0;    // those of the part, or all; all
  int64_t resumed_shards = 0;            // found complete
  std::set<std::string> damaged_shards;  // found damaged, and made again
  double seconds = 0;
};

// Equal contents are never in both splits: files, windows and pairs that share one stay together. Reads all
// files twice, and holds the names and digests of all but the bytes only of the shards that are being made. Goes
// on where an earlier call with the same options and files stopped or was killed; what it leaves in the end is
// the same, byte for byte. With a part it makes that part's shards and no manifest; parts may be made at once,
// in one folder, and when all are there a call without a part makes the dataset of them. Throws UsageError for
// bad options, Error if the folder cannot be read or has nothing to pack, a file changes while it is packed,
// `out` holds anything else or cannot be written.
PackResult pack(const PackOptions& options);

}  // namespace bytecpu
