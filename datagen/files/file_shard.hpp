// One shard of a dataset of files, mapped for reading, and the writing of one.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/files/file_dataset.hpp"
#include "datagen/io/safetensors.hpp"

namespace bytecpu {

// Little-endian numbers in a mapped file, which need not be aligned.
template <typename Number>
class MappedNumbers {
 public:
  MappedNumbers() = default;
  explicit MappedNumbers(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t size() const { return bytes_.size() / sizeof(Number); }
  Number operator[](size_t i) const {
    Number number;
    std::memcpy(&number, bytes_.data() + i * sizeof number, sizeof number);
    return number;
  }

 private:
  std::span<const uint8_t> bytes_;
};

// An entry is a file, a window of one, or a pair of files. Tensors, with 1 file an entry, or 2 of pairs:
//   offsets      I64 [entries + 1]  entry i is bytes[offsets[i]:offsets[i + 1]], of a pair a ‖ b
//   contexts     I64 [entries]      of pairs only: how many of these bytes are a's
//   name_offsets I64 [files + 1]    file f's name is names[name_offsets[f]:name_offsets[f + 1]]; of pairs a, b,
//                                   a, b …
//   extensions   I32 [files]        numbers in the manifest's table
//   labels       I32 [entries]      of labelled datasets only: numbers in the manifest's table, -1: none
//   complete     U8 [entries]       where one is 0: it was cut after these bytes; the next entry may be the
//                                   next window
//   names, bytes U8
// Opening checks all of the structure, not the checksum; throws Error that names the path.
class FileShard {
 public:
  static constexpr std::string_view format = "bytecpu-shard";
  static constexpr int version = 1;

  // `manifest`: for its tables.
  FileShard(const std::filesystem::path& path, const FileManifest& manifest);

  const std::filesystem::path& path() const { return file_.path(); }
  const safetensors::Metadata& metadata() const { return file_.metadata(); }
  std::span<const uint8_t> file_bytes() const { return file_.file_bytes(); }
  FileShardInfo info() const;  // without the checksum
  // Whether it holds what was written; nothing where it does not say.
  std::optional<bool> intact() const { return safetensors::intact(file_); }

  size_t entries() const { return offsets_.size() - 1; }
  // Files of an entry; of a pair 0 is a, 1 is b.
  size_t files_per_entry() const { return contexts_ ? 2 : 1; }
  size_t documents() const { return entries() * files_per_entry(); }

  // Borrowed from the mapped file.
  std::span<const uint8_t> bytes(size_t entry, size_t file) const;
  std::string_view name(size_t entry, size_t file) const;
  int extension(size_t entry, size_t file) const { return extensions_[entry * files_per_entry() + file]; }
  int label(size_t entry) const { return labels_ ? (*labels_)[entry] : -1; }
  bool complete(size_t entry) const { return !complete_ || (*complete_)[entry] == 1; }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> why, Args&&... args) const;
  void check_metadata() const;
  void check_offsets(const MappedNumbers<int64_t>& offsets, size_t total, const char* what) const;
  void check_file(size_t entry, size_t file, const FileManifest& manifest) const;
  void check_entry(size_t entry, const FileManifest& manifest) const;

  safetensors::File file_;
  std::span<const uint8_t> bytes_, names_;
  MappedNumbers<int64_t> offsets_, name_offsets_;
  MappedNumbers<int32_t> extensions_;
  std::optional<MappedNumbers<int64_t>> contexts_;
  std::optional<MappedNumbers<int32_t>> labels_;
  std::optional<MappedNumbers<uint8_t>> complete_;
};

// What goes into a shard, in the order of the entries.
struct FileBatch {
  std::vector<int64_t> offsets = {0}, contexts, name_offsets = {0};
  std::vector<int32_t> extensions, labels;
  std::vector<uint8_t> complete, bytes;
  std::string names;
};
// Writes the file whole or not at all; `more` joins the metadata.
void write_shard(const std::filesystem::path& path, const FileManifest& manifest, const FileBatch& batch,
                 const safetensors::Metadata& more);

}  // namespace bytecpu
