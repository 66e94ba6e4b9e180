// Checks that a dataset of files is what it says it is: structure, checksums, and that no content is in both
// splits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datagen/files/file_dataset.hpp"

namespace bytecpu {

struct FileProblem {
  std::string file;  // relative to the dataset's folder; empty: the dataset as a whole
  std::string problem;
};

struct FileReport {
  int64_t documents = 0, files = 0, bytes = 0;  // as the manifest counts them
  int64_t shared = 0;                           // test contents that are in train
  double seconds = 0;
  std::vector<FileProblem> problems;  // in the order of the shards
};

// Throws Error if the manifest cannot be read; whatever else is wrong is in the report.
FileReport check_files(const std::filesystem::path& folder, int threads);

}  // namespace bytecpu
