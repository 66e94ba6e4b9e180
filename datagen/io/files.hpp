// Files that are either complete or not there: written under a temporary name, synced, then renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu {

// Many small files sync later, all at once, with sync_file_system().
enum class Sync { now, later };

// Writes `parts`, one after the other, to `path`: temporary name, fsync, rename, fsync of the folder.
// Throws Error (full disk, no such folder, no permission) and leaves neither a torn file nor the temporary
// one. A device, a pipe or a link that is there is written to as it is.
void write_file(const std::filesystem::path& path, std::span<const std::span<const uint8_t>> parts,
                Sync sync = Sync::now);
void write_file(const std::filesystem::path& path, std::string_view contents);

// Whether the name is one that write_file() uses until it renames: what is left of a killed process.
bool is_temporary(const std::filesystem::path& path);
// The name of the file that such a one was to become; nothing where it is not one.
std::optional<std::string> file_of_temporary(const std::filesystem::path& path);

// Makes `to`, which must not be there, another name of the file `from`, or a copy where the file system gives it
// none. Whether it is another name. Throws Error.
bool link_or_copy(const std::filesystem::path& from, const std::filesystem::path& to);

// Renames a folder and syncs the folder that it lies in, so that after a crash it has either name. Throws Error.
void rename_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// Syncs everything written so far to the file system that holds `folder`. Throws Error.
void sync_file_system(const std::filesystem::path& folder);

// Throws Error naming the file.
std::string read_file(const std::filesystem::path& path);

// A file mapped for reading; movable. Throws Error naming the file. Where it is cut short while it is mapped, or
// its disk fails, reading it ends the program with one line that names it, and exit code 1.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// XXH3-128 of the bytes, 32 hex digits.
std::string checksum(std::span<const uint8_t> bytes);

}  // namespace bytecpu
