#include "datagen/io/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "datagen/io/bus_error.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

std::string reason(int error = errno) { return std::strerror(error); }

bool write_all(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(n);
  }
  return true;
}

// Some file systems cannot sync a folder and say so with EINVAL.
bool sync_folder(const fs::path& folder) {
  const Descriptor fd(folder, O_RDONLY | O_DIRECTORY);
  return fd && (::fsync(fd.get()) == 0 || errno == EINVAL);
}

}  // namespace

bool is_temporary(const fs::path& path) {
  const auto name = path.filename().string();
  return name.starts_with('.') && name.ends_with(".tmp");
}

std::optional<std::string> file_of_temporary(const fs::path& path) {
  if (!is_temporary(path)) return std::nullopt;
  const auto name = path.filename().stem().string();  // ".NAME.PID"
  const auto dot = name.rfind('.');
  if (dot == 0) return std::nullopt;
  return name.substr(1, dot - 1);
}

bool link_or_copy(const fs::path& from, const fs::path& to) {
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  const MappedFile file(from);
  const auto bytes = file.bytes();
  write_file(to, std::span(&bytes, 1));
  return false;
}

void write_file(const fs::path& path, std::span<const std::span<const uint8_t>> parts, Sync sync) {
  const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  // Long names are cut, so that this one is not too long.
  constexpr size_t most_of_name = 200;
  const auto name = path.filename().string().substr(0, most_of_name);
  const auto temporary = folder / fmt::format(".{}.{}.tmp", name, ::getpid());
  const auto fail = [&](std::string why, bool created) {
    if (created) ::unlink(temporary.c_str());
    throw Error("cannot write {}: {}", path.string(), why);
  };

  struct stat status {};
  const bool there = ::lstat(path.c_str(), &status) == 0;
  if (there && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    // A device, a pipe or a link, such as /dev/stdout: written to, and not replaced.
    Descriptor fd(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (!fd) fail(reason(), false);
    for (const auto part : parts) {
      if (!write_all(fd.get(), part)) fail(reason(), false);
    }
    if (!fd.close()) fail(reason(), false);
    return;
  }

  Descriptor fd(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!fd) fail(errno == ENOENT ? fmt::format("there is no folder {}", folder.string()) : reason(), false);
  for (const auto part : parts) {
    if (!write_all(fd.get(), part)) fail(reason(), true);
  }
  if (sync == Sync::now && ::fsync(fd.get()) != 0) fail(reason(), true);
  if (!fd.close()) fail(reason(), true);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(reason(), true);
  if (sync == Sync::now && !sync_folder(folder)) fail(reason(), false);
}

void write_file(const fs::path& path, std::string_view contents) {
  const std::span part(reinterpret_cast<const uint8_t*>(contents.data()), contents.size());
  write_file(path, std::span(&part, 1));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  const auto parent = to.has_parent_path() ? to.parent_path() : fs::path(".");
  if (::rename(from.c_str(), to.c_str()) != 0 || !sync_folder(parent)) {
    throw Error("cannot write {}: {}", to.string(), reason());
  }
}

void sync_file_system(const fs::path& folder) {
  const Descriptor fd(folder, O_RDONLY | O_DIRECTORY);
  if (!fd || ::syncfs(fd.get()) != 0) throw Error("cannot write {}: {}", folder.string(), reason());
}

std::string read_file(const fs::path& path) {
  const Descriptor fd(path, O_RDONLY);
  if (!fd) throw Error("cannot read {}: {}", path.string(), reason());
  std::string contents;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error("cannot read {}: {}", path.string(), reason());
    if (n == 0) return contents;
    contents.append(buffer, n);
  }
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor fd(path, O_RDONLY | O_NONBLOCK);  // opening a pipe must not wait for its writer
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) throw Error("cannot read {}: {}", path.string(), reason());
  if (!S_ISREG(status.st_mode)) throw Error("cannot read {}: not a regular file", path.string());
  size_ = status.st_size;
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) throw Error("cannot map {}: {}", path.string(), reason());
  data_ = static_cast<const uint8_t*>(data);
  note_mapping(data_, size_, path);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!data_) return;
  forget_mapping(data_);
  ::munmap(const_cast<uint8_t*>(data_), size_);
}

std::string checksum(std::span<const uint8_t> bytes) {
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace bytecpu
