// What a packing makes of which files: decided before anything is written.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datagen/files/file_dataset.hpp"
#include "datagen/files/listing.hpp"
#include "datagen/files/pack.hpp"
#include "datagen/files/source_file.hpp"

namespace bytecpu {

// A file, or a pair of them.
struct PackItem {
  Split source = Split::train;       // whose folder it lies in
  std::array<std::string, 2> names;  // relative to that folder; [1] of pairs only
  std::vector<Piece> pieces;         // a file's windows, one where it is whole; or the two files of a pair
  bool head = false;                 // the piece is not all of the file
  std::array<int, 2> extensions = {-1, -1};
  int label = -1;
  Split split = Split::train;
};

// The entries of a shard: pieces of items from one on.
struct PackShard {
  Split split;
  size_t index;        // within its split
  size_t item, piece;  // of the first entry
  int64_t entries = 0, bytes = 0;
};

struct PackPlan {
  std::vector<PackItem> items;  // by split, then by name
  FileManifest manifest;        // all but the shards
  std::vector<PackShard> shards;
  std::string configuration;  // identifies options and files
};

using PairExtensions = std::optional<std::array<std::string, 2>>;

// What an option's text says. Throw UsageError.
std::optional<double> test_share(const PackOptions& options);  // nothing: it is a folder
PairExtensions pair_extensions(const PackOptions& options);
// Throws UsageError where one of the folders lies in another.
void check_folders(const PackOptions& options);

std::filesystem::path source_folder(const PackOptions& options, Split source);

// Finds and reads all files, and leaves out what cannot be packed. Throws Error.
std::vector<PackItem> read_sources(const PackOptions& options, PackListings& listings);

// Puts items that share a content, directly or through others, into one split; of the contents `share` are
// test. Returns how many items the largest such group has.
int64_t split_by_content(std::vector<PackItem>& items, double share, uint64_t seed);
// Removes the train items that share a content with a test item.
void leave_out_of_train(std::vector<PackItem>& items, PackListings& listings);
// Lists the items that are in everything but their names what an earlier one is, and removes them if so
// wanted.
void find_duplicates(std::vector<PackItem>& items, bool keep, PackListings& listings);

// All of it. Throws UsageError, Error.
PackPlan plan_packing(const PackOptions& options);

}  // namespace bytecpu
