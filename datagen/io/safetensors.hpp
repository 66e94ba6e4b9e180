// The safetensors format: 8-byte little-endian header length, JSON header, tensor data.
// Source: the format section of the safetensors README. The reader checks everything before it uses it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/files.hpp"

namespace bytecpu::safetensors {

enum class Dtype { BOOL, U8, I16, I32, I64, BF16, F16, F32, F64 };
std::string_view to_string(Dtype dtype);
size_t bytes_per_element(Dtype dtype);

struct Tensor {
  std::string name;
  Dtype dtype = Dtype::U8;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;  // little-endian, row-major, borrowed
};

using Metadata = std::map<std::string, std::string>;

// Writes the file whole or not at all. Tensors are laid out in the order given; data starts 8-byte aligned,
// so put tensors of wide elements first.
void write(const std::filesystem::path& path, std::span<const Tensor> tensors, const Metadata& metadata);

// A mapped file. Opening checks the header in full: its length (at most 100 MB and 200,000 JSON values, which
// keeps a hostile one from filling the memory), JSON, duplicate names, types, shapes, and that the offsets
// tile the data without gap, overlap or excess; throws Error naming file and tensor.
class File {
 public:
  explicit File(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const Tensor* find(std::string_view name) const;  // null if there is none
  // Throws Error, naming file and tensor, if it is missing or of another type or number of dimensions.
  const Tensor& require(std::string_view name, Dtype dtype, size_t dimensions) const;
  std::span<const uint8_t> file_bytes() const { return map_.bytes(); }

 private:
  std::filesystem::path path_;
  MappedFile map_;
  Metadata metadata_;
  std::vector<Tensor> tensors_;
};

// Adds a checksum of all that a file will hold to its metadata, as "contents". By it a file can be checked
// where nothing else lists it.
void add_contents(std::span<const Tensor> tensors, Metadata& metadata);
// Whether a file holds what its "contents" says; nothing where it does not say.
std::optional<bool> intact(const File& file);

}  // namespace bytecpu::safetensors
