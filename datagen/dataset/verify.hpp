// Checks that a dataset is what it says it is: checksums, counts, disjoint splits, and every trace run again on
// Unicorn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datagen/dataset/dataset.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

struct VerifyOptions {
  int64_t sample = 0;  // traces to run again, evenly spread over the dataset; 0: all
  int threads = 1;
};

struct VerifyFailure {
  std::string file;    // relative to the folder; empty: the dataset as a whole
  int64_t trace = -1;  // within the file; -1: the file as a whole
  std::string problem;
};

struct VerifyReport {
  int64_t traces = 0, states = 0;  // run again and compared
  int64_t duplicates = 0;          // traces whose program an earlier trace of the split has
  int64_t overlap = 0;             // test traces whose program is in train
  double seconds = 0;
  std::vector<VerifyFailure> failures;  // sorted by file and trace
  std::vector<std::string> unchecked;   // what it does not say enough of itself to check
  // A line for the user where traces differ and other releases of the engines made the dataset; else empty.
  std::string other_engines;
};

// A folder with a manifest. Throws Error if the manifest cannot be read; whatever else is wrong is in the
// report.
VerifyReport verify_dataset(const std::filesystem::path& folder, const VerifyOptions& options);

// A folder of .bin files, as list_bin_files() finds them. A file named by an MD5 must have its program's
// name. Overlap is counted, not a failure: the published files have some.
VerifyReport verify_bin_files(const std::filesystem::path& folder, const std::string& machine,
                              int memory_bytes, const VerifyOptions& options);

}  // namespace bytecpu
