#include "datagen/files/source_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "emulator/error.hpp"

namespace bytecpu {

SourceFile::SourceFile(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {
  struct stat status {};
  if (fd_ >= 0 && ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) {
    size_ = status.st_size;
  } else if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

SourceFile::SourceFile(SourceFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

SourceFile::~SourceFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool SourceFile::skip(int64_t bytes) { return ::lseek(fd_, bytes, SEEK_CUR) >= 0; }

std::optional<size_t> SourceFile::read(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd_, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

std::optional<Piece> SourceFile::piece(int64_t most, std::span<uint8_t> buffer) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  BYTECPU_CHECK(state);
  XXH3_128bits_reset(state.get());
  Piece piece;
  while (piece.bytes < most) {
    const auto wanted = std::min<uint64_t>(buffer.size(), static_cast<uint64_t>(most - piece.bytes));
    const auto count = read(buffer.first(wanted));
    if (!count) return std::nullopt;
    XXH3_128bits_update(state.get(), buffer.data(), *count);
    piece.bytes += static_cast<int64_t>(*count);
    if (*count < wanted) break;
  }
  const auto hash = XXH3_128bits_digest(state.get());
  piece.digest = {hash.high64, hash.low64};
  return piece;
}

}  // namespace bytecpu
