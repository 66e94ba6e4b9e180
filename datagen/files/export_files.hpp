// A dataset of files → the files.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>

#include "datagen/programs/split.hpp"

namespace bytecpu {

struct FileExport {
  std::array<int64_t, 2> files{}, bytes{};  // by Split
  int64_t heads = 0;                        // files of which only the head was packed
};

// Writes the files to out/train and out/test, byte for byte and under their names, windows joined again. Empty
// folders, permissions and times are not in a dataset. Throws Error: a broken dataset, `out` holds something or
// cannot be written.
FileExport export_files(const std::filesystem::path& dataset, const std::filesystem::path& out);

}  // namespace bytecpu
