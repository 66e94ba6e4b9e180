// A folder that one process at a time writes to.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu {

// Made if it is not there (its parent must be), locked while this lives; one that was made and stayed empty is
// removed again. Throws Error: no such parent, no permission, another process writes to it.
class OutputFolder {
 public:
  explicit OutputFolder(std::filesystem::path path);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  const std::filesystem::path& path() const { return path_; }
  // Names of what is in it, temporaries aside, sorted.
  std::vector<std::string> contents() const;
  // Throws Error naming what is in it.
  void require_empty() const;
  // Throws Error where it was removed, or replaced by another, since it was locked.
  void require_there() const;
  // Removes what write_file() in a killed process left in it and in the folders of it that are named.
  void remove_temporaries(std::initializer_list<std::string_view> folders = {}) const;

 private:
  bool is_at_its_path() const;
  [[noreturn]] void fail(std::string_view why) const;

  std::filesystem::path path_;
  bool made_ = false;
  int lock_ = -1;
};

}  // namespace bytecpu
