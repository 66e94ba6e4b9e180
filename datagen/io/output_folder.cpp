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

OutputFolder::OutputFolder(fs::path path, Use use) : path_(std::move(path)), use_(use) {
  made_ = ::mkdir(path_.c_str(), 0777) == 0;
  if (!made_ && errno != EEXIST) {
    fail(errno == ENOENT ? "its parent folder does not exist" : std::strerror(errno));
  }
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) fail(std::strerror(errno));
  const int kind = use_ == Use::alone ? LOCK_EX : LOCK_SH;
  int error = ::flock(lock_, kind | LOCK_NB) == 0 ? 0 : errno;
  // Removed by the process that held the lock before.
  if (error == 0 && !is_at_its_path()) error = EWOULDBLOCK;
  if (error == 0) return;
  ::close(lock_);
  fail(error == EWOULDBLOCK ? "another process is writing to it" : std::strerror(error));
}

OutputFolder::~OutputFolder() {
  // Not from under another process that has only just begun to share it. Fails where something is in it.
  const bool alone = use_ == Use::alone || ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
  if (made_ && alone && is_at_its_path()) ::rmdir(path_.c_str());
  ::close(lock_);
}

std::vector<std::string> OutputFolder::contents() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const auto name = entry.path().filename().string();
    // NFS calls a file so that was removed while it was open.
    if (!is_temporary(name) && !name.starts_with(".nfs")) names.push_back(name);
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

void OutputFolder::remove_temporaries(const std::function<bool(std::string_view name)>& mine) const {
  for (const auto& entry : fs::directory_iterator(path_)) {
    const auto file = file_of_temporary(entry.path());
    if (file && mine(*file)) fs::remove(entry.path());
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

PartLock::PartLock(const OutputFolder& folder, const Part& part) {
  const auto path = folder.path() / file_name;
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) throw Error("cannot write {}: {}", path.string(), std::strerror(errno));
  struct flock byte {};
  byte.l_type = F_WRLCK;
  byte.l_whence = SEEK_SET;
  byte.l_start = part.index - 1;
  byte.l_len = 1;
  if (::fcntl(file_, F_OFD_SETLK, &byte) == 0) return;
  const int error = errno;
  ::close(file_);
  if (error != EAGAIN && error != EACCES)
    throw Error("cannot lock {}: {}", path.string(), std::strerror(error));
  throw Error("cannot write to {}: another process makes part {} of {}", folder.path().string(), part.index,
              part.count);
}

PartLock::~PartLock() { ::close(file_); }

}  // namespace bytecpu
