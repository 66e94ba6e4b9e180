// Datasets of real code: blocks and functions out of ELF files, each run from a start that is drawn.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "datagen/dataset/dataset.hpp"

namespace bytecpu {

struct HarvestOptions {
  std::vector<std::filesystem::path> files;  // and folders, of which all files are taken
  std::string machine = "x86_64-full";
  int memory_bytes = 4096;
  uint64_t seed = 0;
  int64_t most = 0;  // pieces of code; 0: all
  int starts = 1;    // traces of each, from different starts
  bool blocks = true, functions = true;
  bool keep_faults = false;
  uint64_t most_steps = 1000;
  std::filesystem::path out;
};

struct HarvestResult {
  Manifest manifest;
  int64_t files = 0, other_files = 0;             // harvested; not of the machine
  int64_t pieces = 0, blocks = 0, functions = 0;  // distinct ones that are in the dataset
  int64_t duplicates = 0;                         // pieces whose code an earlier one has
  std::map<std::string, int64_t> faults;          // pieces that only fault, by the reason
  std::map<std::string, int64_t> mnemonics;       // instructions of pieces in the dataset
  std::map<std::string, int64_t> left_out;        // instructions that end a piece, as of Harvest
  double seconds = 0;
};

// Distinct by code, and split by code: one piece in 8 is test. Where a piece faults other starts are drawn, a few
// times. The same files and options make the same bytes. Throws Error: a file that cannot be read, a folder that is not
// empty, no pieces at all; UsageError for options that do not fit.
HarvestResult harvest(const HarvestOptions& options);

}  // namespace bytecpu
