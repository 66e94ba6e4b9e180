#include "datagen/files/file_shard.hpp"

#include <algorithm>

#include "datagen/files/names.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using safetensors::Dtype;

FileShard::FileShard(const fs::path& path, const FileManifest& manifest) : file_(path) {
  check_metadata();
  const auto tensor = [&](const char* name, Dtype dtype) { return file_.require(name, dtype, 1).bytes; };
  bytes_ = tensor("bytes", Dtype::U8);
  names_ = tensor("names", Dtype::U8);
  offsets_ = MappedNumbers<int64_t>(tensor("offsets", Dtype::I64));
  name_offsets_ = MappedNumbers<int64_t>(tensor("name_offsets", Dtype::I64));
  extensions_ = MappedNumbers<int32_t>(tensor("extensions", Dtype::I32));
  if (manifest.pairs) contexts_.emplace(tensor("contexts", Dtype::I64));
  if (!manifest.labels.empty()) labels_.emplace(tensor("labels", Dtype::I32));
  if (file_.find("complete")) complete_.emplace(tensor("complete", Dtype::U8));
  for (const auto& [name, wanted] :
       {std::pair{"contexts", contexts_.has_value()}, std::pair{"labels", labels_.has_value()}}) {
    if (!wanted && file_.find(name)) fail("there are {}, of which the manifest does not know", name);
  }
  if (contexts_ && complete_) fail("pairs cannot be cut");

  check_offsets(offsets_, bytes_.size(), "offsets");
  check_offsets(name_offsets_, names_.size(), "name_offsets");
  if (extensions_.size() != documents() || name_offsets_.size() != documents() + 1)
    fail("names and extensions are not one a file");
  if ((contexts_ && contexts_->size() != entries()) || (labels_ && labels_->size() != entries()) ||
      (complete_ && complete_->size() != entries())) {
    fail("contexts, labels or complete are not one an entry");
  }
  for (size_t i = 0; i < entries(); ++i) check_entry(i, manifest);
}

template <typename... Args>
void FileShard::fail(fmt::format_string<Args...> why, Args&&... args) const {
  throw Error("{}: {}", path().string(), fmt::format(why, std::forward<Args>(args)...));
}

void FileShard::check_metadata() const {
  for (const auto& [key, value] :
       {std::pair{"format", std::string(format)}, std::pair{"version", std::to_string(version)},
        std::pair{"kind", std::string(FileManifest::kind)}}) {
    const auto found = metadata().find(key);
    if (found == metadata().end() || found->second != value) {
      fail("{} is {}, expected {}", key, found == metadata().end() ? "missing" : found->second, value);
    }
  }
}

void FileShard::check_offsets(const MappedNumbers<int64_t>& offsets, size_t total, const char* what) const {
  if (offsets.size() == 0) fail("{} are empty", what);
  if (offsets[0] != 0 || offsets[offsets.size() - 1] != static_cast<int64_t>(total))
    fail("{} do not span the {} bytes", what, total);
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] < offsets[i]) fail("{} go back after {}", what, i);
  }
}

void FileShard::check_file(size_t entry, size_t file, const FileManifest& manifest) const {
  const auto its_name = name(entry, file);
  const auto problem = name_problem(its_name);
  if (!problem.empty())
    fail("entry {}: \"{}\" cannot be a file's name: {}", entry, escaped(its_name), problem);
  const auto number = extension(entry, file);
  if (number < 0 || number >= std::ssize(manifest.extensions) ||
      manifest.extensions[static_cast<size_t>(number)] != extension_of(its_name)) {
    fail("entry {}: {} is not the number of the extension of \"{}\"", entry, number, escaped(its_name));
  }
  if (manifest.pairs && whole_extension(its_name) != (*manifest.pairs)[file])
    fail("entry {}: \"{}\" is not of the pairs' extension", entry, escaped(its_name));
}

void FileShard::check_entry(size_t entry, const FileManifest& manifest) const {
  const int64_t length = offsets_[entry + 1] - offsets_[entry];
  if (contexts_ && ((*contexts_)[entry] < 0 || (*contexts_)[entry] > length))
    fail("entry {}: {} of {} bytes cannot be a's", entry, (*contexts_)[entry], length);
  if (label(entry) < -1 || label(entry) >= std::ssize(manifest.labels))
    fail("entry {}: {} is the number of no label", entry, label(entry));
  if (complete_ && (*complete_)[entry] > 1) fail("entry {}: complete is {}", entry, (*complete_)[entry]);
  if (!complete(entry) && (length == 0 || length % frame_of_files().step_bytes != 0))
    fail("entry {}: it is cut, and not after a whole step", entry);
  for (size_t f = 0; f < files_per_entry(); ++f) check_file(entry, f, manifest);
  if (contexts_ && stem_of(name(entry, 0)) != stem_of(name(entry, 1)))
    fail("entry {}: \"{}\" and \"{}\" are no pair", entry, escaped(name(entry, 0)), escaped(name(entry, 1)));
}

FileShardInfo FileShard::info() const {
  return {.file = path().filename().string(),
          .documents = static_cast<int64_t>(documents()),
          .bytes = std::ssize(bytes_),
          .checksum = {}};
}

std::span<const uint8_t> FileShard::bytes(size_t entry, size_t file) const {
  const auto begin = static_cast<size_t>(offsets_[entry]), end = static_cast<size_t>(offsets_[entry + 1]);
  const auto whole = bytes_.subspan(begin, end - begin);
  if (!contexts_) return whole;
  const auto a = static_cast<size_t>((*contexts_)[entry]);
  return file == 0 ? whole.first(a) : whole.subspan(a);
}

std::string_view FileShard::name(size_t entry, size_t file) const {
  const size_t f = entry * files_per_entry() + file;
  const auto begin = static_cast<size_t>(name_offsets_[f]), end = static_cast<size_t>(name_offsets_[f + 1]);
  return {reinterpret_cast<const char*>(names_.data()) + begin, end - begin};
}

void write_shard(const fs::path& path, const FileManifest& manifest, const FileBatch& batch,
                 const safetensors::Metadata& more) {
  safetensors::Metadata metadata = {{"format", std::string(FileShard::format)},
                                    {"version", std::to_string(FileShard::version)},
                                    {"kind", std::string(FileManifest::kind)}};
  metadata.insert(more.begin(), more.end());
  std::vector<safetensors::Tensor> tensors;
  const auto add = [&](const char* name, Dtype dtype, const auto& values) {
    tensors.push_back({name,
                       dtype,
                       {std::ssize(values)},
                       {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(values[0])}});
  };
  add("offsets", Dtype::I64, batch.offsets);
  if (manifest.pairs) add("contexts", Dtype::I64, batch.contexts);
  add("name_offsets", Dtype::I64, batch.name_offsets);
  add("extensions", Dtype::I32, batch.extensions);
  if (!manifest.labels.empty()) add("labels", Dtype::I32, batch.labels);
  const bool all_complete =
      std::ranges::all_of(batch.complete, [](uint8_t complete) { return complete == 1; });
  if (!all_complete) add("complete", Dtype::U8, batch.complete);
  add("names", Dtype::U8, batch.names);
  add("bytes", Dtype::U8, batch.bytes);
  safetensors::add_contents(tensors, metadata);
  safetensors::write(path, tensors, metadata);
}

}  // namespace bytecpu
