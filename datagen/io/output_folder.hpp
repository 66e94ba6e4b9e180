// A folder that one process at a time writes to, or several that make parts of one dataset.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/part.hpp"

namespace bytecpu {

// Made if it is not there (its parent must be), locked while this lives; one that was made and stayed empty is
// removed again. Throws Error: no such parent, no permission, another process writes to it.
class OutputFolder {
 public:
  // alone: no other process may write to it. shared: others may that share it, too.
  enum class Use { alone, shared };
  explicit OutputFolder(std::filesystem::path path, Use use = Use::alone);
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
  // In the folder itself, only those of files whose name is `mine`: others may be at work.
  void remove_temporaries(const std::function<bool(std::string_view name)>& mine) const;

 private:
  bool is_at_its_path() const;
  [[noreturn]] void fail(std::string_view why) const;

  std::filesystem::path path_;
  Use use_;
  bool made_ = false;
  int lock_ = -1;
};

// Of the processes that share a folder one may make a part, while this lives. It locks the part's byte of a
// file that stays, as whoever removed it might remove another's.
class PartLock {
 public:
  static constexpr std::string_view file_name = ".parts.lock";
  // Throws Error: another process makes this part, or the file cannot be made.
  PartLock(const OutputFolder& folder, const Part& part);
  PartLock(const PartLock&) = delete;
  PartLock& operator=(const PartLock&) = delete;
  ~PartLock();

 private:
  int file_;
};

}  // namespace bytecpu
