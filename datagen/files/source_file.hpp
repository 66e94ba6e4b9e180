// Reading files that are packed: never at once, and not mapped, as others may write to them meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "datagen/files/digest.hpp"

namespace bytecpu {

// A document's worth of a file: all of it, its head or a window.
struct Piece {
  Digest digest;
  int64_t bytes = 0;
};

class SourceFile {
 public:
  // Not a link, nor anything but a regular file.
  explicit SourceFile(const std::filesystem::path& path);
  SourceFile(SourceFile&& other) noexcept;
  SourceFile& operator=(SourceFile&& other) = delete;
  ~SourceFile();

  explicit operator bool() const { return fd_ >= 0; }
  // As the file system says; a file that grows has more.
  int64_t size() const { return size_; }
  // Goes on `bytes` further. Whether it could.
  bool skip(int64_t bytes);
  // Reads on until `out` is full or the file ends; how much. Nothing where it cannot be read.
  std::optional<size_t> read(std::span<uint8_t> out);
  // The digest of the next `most` bytes, fewer at the file's end. Nothing where it cannot be read.
  std::optional<Piece> piece(int64_t most, std::span<uint8_t> buffer);

 private:
  int fd_ = -1;
  int64_t size_ = 0;
};

}  // namespace bytecpu
