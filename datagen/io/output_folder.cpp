#include "datagen/io/output_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

OutputFolder::OutputFolder(fs::path path) : path_(std::move(path)) {
  made_ = ::mkdir(path_.c_str(), 0777) == 0;
  if (!made_ && errno != EEXIST) {
    fail(errno == ENOENT ? "its parent folder does not exist" : std::strerror(errno));
  }
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) fail(std::strerror(errno));
  int error = ::flock(lock_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  // Removed by the process that held the lock before.
  if (error == 0 && !is_at_its_path()) error = EWOULDBLOCK;
  if (error == 0) return;
  ::close(lock_);
  fail(error == EWOULDBLOCK ? "another process is writing to it" : std::strerror(error));
}

OutputFolder::~OutputFolder() {
  // Fails where something is in it.
  if (made_ && is_at_its_path()) ::rmdir(path_.c_str());
  ::close(lock_);
}

std::vector<std::string> OutputFolder::contents() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (!is_temporary(entry.path())) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void OutputFolder::require_empty() const {
  const auto names = contents();
  if (!names.empty()) {
    throw Error("{} is not empty, it holds {}; choose another folder", path_.string(), names.front());
  }
}

void OutputFolder::require_there() const {
  if (!is_at_its_path()) fail("it was removed while this program used it");
}

void OutputFolder::remove_temporaries(std::initializer_list<std::string_view> folders) const {
  std::vector<fs::path> all = {path_};
  for (const auto name : folders) all.push_back(path_ / name);
  for (const auto& folder : all) {
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (is_temporary(entry.path())) fs::remove(entry.path());
    }
  }
}

bool OutputFolder::is_at_its_path() const {
  struct stat mine {
  }, there{};
  return ::fstat(lock_, &mine) == 0 && ::stat(path_.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

void OutputFolder::fail(std::string_view why) const {
  throw Error("cannot write to {}: {}", path_.string(), why);
}

}  // namespace bytecpu
