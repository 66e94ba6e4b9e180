// Traces as the reference keeps them, a .bin file each, and a generator.json that tells what they are and, once
// all are there, how many.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "datagen/dataset/writer.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

// Writes each program's last trace to train/ or test/, whatever order the traces come in. From any thread.
class FilesWriter {
 public:
  static constexpr std::string_view format = "bytecpu-files";
  static constexpr int version = 1;

  // The folder must be empty or hold files of the same generator and layout, all or some: they are written
  // again. Else throws Error and leaves it as it is.
  FilesWriter(const OutputFolder& folder, const Layout& layout, const nlohmann::ordered_json& generator);

  // `sequence`: of two traces of one program the one with the larger stands.
  void write(Split split, int64_t sequence, const Trace& trace, const Machine& machine);
  // Files of a split so far, traces without those that another replaced.
  int64_t files(Split split) const { return static_cast<int64_t>(last_[static_cast<size_t>(split)].size()); }
  // All are there: syncs them, and then says so in generator.json.
  ProgramCounts finish();

 private:
  void check_folder(const OutputFolder& folder) const;
  std::filesystem::path description_path() const;

  std::filesystem::path out_;
  nlohmann::ordered_json description_;
  std::mutex mutex_;
  std::array<SplitInfo, 2> written_;
  struct Last {
    int64_t sequence;
    std::string checksum;
  };
  // Of each name the latest trace that was written to it.
  std::array<std::unordered_map<std::string, Last>, 2> last_;
  std::array<std::vector<uint64_t>, 2> programs_;  // hash of every trace's image
};

// Of the names and checksums of files, in the order of the names.
class FilesChecksum {
 public:
  void add(std::string_view name, std::string_view checksum) {
    text_ += fmt::format("{} {}\n", name, checksum);
  }
  std::string value() const;

 private:
  std::string text_;
};

// A split's files, as a folder's generator.json counts them.
struct SplitFiles {
  int64_t count = 0;
  std::string checksum;  // FilesChecksum; empty: it was made before there was one
};

// What a folder's generator.json says.
struct FilesDescription {
  std::string machine;
  int memory_bytes = 0;
  // By split; none: not all files were written.
  std::optional<std::array<SplitFiles, 2>> files;
};
// None where the folder has no generator.json, as files from elsewhere. Throws Error naming it.
std::optional<FilesDescription> describe_files(const std::filesystem::path& folder);

}  // namespace bytecpu
