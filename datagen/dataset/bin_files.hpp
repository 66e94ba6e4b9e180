// The format of the published generator: one folder for each split, one .bin file for each trace, named by the
// MD5 of its program.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "datagen/dataset/dataset.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

// MD5 of the program's text with its instructions run together ("INC AHLT"), 32 hex digits, and ".bin".
std::string bin_file_name(const Machine& machine, std::span<const uint8_t> image);

// The .bin files of a folder by split, sorted by name: those in train/ and test/, or, where neither is there,
// those in the folder itself as `flat`. Throws Error if there is no such folder or no such file.
std::array<std::vector<std::filesystem::path>, 2> list_bin_files(const std::filesystem::path& folder,
                                                                 Split flat);

// Throws Error, naming the file, unless it is a memory image and at least one whole record.
void check_trace_length(const std::filesystem::path& path, uint64_t bytes, const Layout& layout);

// Throws Error where the folder's generator.json, if it has one, tells of another layout or other files.
void check_description(const std::filesystem::path& folder, const Layout& layout,
                       const std::array<std::vector<std::filesystem::path>, 2>& files);

struct ImportResult {
  Manifest manifest;
  // Traces that are not what the machine makes of their start, and the files of the first few.
  int64_t wrong = 0;
  std::vector<std::filesystem::path> first_wrong;
};

// Folder of .bin files → new dataset; the machine is run again to know why each trace ended. What a killed import
// left in `out` is replaced. Throws Error, and leaves nothing, at the first bad file, where the folder's
// generator.json says that files are missing, and where no trace is what the machine makes of its start.
ImportResult import_bin_files(const std::filesystem::path& folder, const Machine& machine, Split flat,
                              int64_t shard_traces, int threads, const std::filesystem::path& out);

struct ExportResult {
  std::array<int64_t, 2> traces{};       // by Split
  std::array<int64_t, 2> overwritten{};  // of these, traces that a later one of the same name replaced
};

// Dataset → folder of .bin files, named by program, with a generator.json (files_writer.hpp); of several with
// one name the last stands. What an export of the same dataset left in `out` is written again.
ExportResult export_bin_files(const std::filesystem::path& dataset, const std::filesystem::path& out);

}  // namespace bytecpu
