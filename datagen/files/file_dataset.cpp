#include "datagen/files/file_dataset.hpp"

#include <algorithm>

#include "datagen/files/file_shard.hpp"
#include "datagen/files/names.hpp"
#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

FileDataset::FileDataset(const fs::path& folder) : manifest_(read_file_manifest(folder / "manifest.json")) {
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    first_shard_[i] = shards_.size();
    size_t documents = 0;
    for (const auto& listed : manifest_[s].shards) {
      const auto& shard = shards_.emplace_back(folder / listed.file, manifest_);
      const auto found = shard.info();
      if (found.documents != listed.documents || found.bytes != listed.bytes) {
        throw Error("{}: {} documents, {} bytes; the manifest says {}, {}", shard.path().string(),
                    found.documents, found.bytes, listed.documents, listed.bytes);
      }
      document_ends_[i].push_back(documents += shard.documents());
    }
    check_names(s, folder);
  }
  checks_ = ShardChecks(shards_.size());
}

FileDataset::FileDataset(FileDataset&&) noexcept = default;
FileDataset::~FileDataset() = default;

// Files are sorted by name, none is there twice, and windows of one file follow one another.
void FileDataset::check_names(Split split, const fs::path& folder) const {
  const auto first = first_shard_[static_cast<size_t>(split)];
  int64_t files = 0;
  std::string_view last;
  bool cut = false;
  for (size_t s = first; s < first + manifest_[split].shards.size(); ++s) {
    const auto& shard = shards_[s];
    for (size_t i = 0; i < shard.entries(); ++i) {
      const auto name = shard.name(i, 0);
      if (name < last || (name == last && !cut)) {
        throw Error("{}: entry {}: \"{}\" stands after \"{}\": names are not sorted", shard.path().string(),
                    i, escaped(name), escaped(last));
      }
      if (name != last) files += static_cast<int64_t>(shard.files_per_entry());
      last = name;
      cut = !shard.complete(i);
    }
  }
  if (files != manifest_[split].files) {
    throw Error("{}: the {} shards hold {} files; the manifest says {}", folder.string(), to_string(split),
                files, manifest_[split].files);
  }
}

size_t FileDataset::size(Split split) const {
  const auto& ends = document_ends_[static_cast<size_t>(split)];
  return ends.empty() ? 0 : ends.back();
}

Document FileDataset::document(Split split, size_t index) const {
  const auto [shard, entry, reversed] = place(split, index);
  const auto file = [&, &in = shard, at = entry](size_t f) {
    const auto& extension = manifest_.extensions[static_cast<size_t>(in.extension(at, f))];
    return std::pair(std::string_view(extension), in.bytes(at, f));
  };
  const size_t target = manifest_.pairs && !reversed ? 1 : 0;
  const auto [extension, bytes] = file(target);
  const auto document = Document::file(extension, bytes, shard.complete(entry));
  if (!manifest_.pairs) return document;
  const auto [context_extension, context] = file(1 - target);
  return document.from(context_extension, context);
}

std::string_view FileDataset::name(Split split, size_t index) const {
  const auto [shard, entry, reversed] = place(split, index);
  return shard.name(entry, manifest_.pairs && !reversed ? 1 : 0);
}

int FileDataset::label(Split split, size_t index) const {
  const auto at = place(split, index);
  return at.shard.label(at.entry);
}

FileDataset::Place FileDataset::place(Split split, size_t index) const {
  const auto& ends = document_ends_[static_cast<size_t>(split)];
  BYTECPU_CHECK(index < size(split));
  const auto in_split = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), index) - ends.begin());
  const size_t number = first_shard_[static_cast<size_t>(split)] + in_split;
  const auto& shard = shards_[number];
  checks_.require(number, shard.file_bytes(), manifest_[split].shards[in_split].checksum, shard.path());
  const size_t in_shard = index - (in_split == 0 ? 0 : ends[in_split - 1]);
  const size_t per_entry = shard.files_per_entry();
  return {shard, in_shard / per_entry, in_shard % per_entry == 1};
}

}  // namespace bytecpu
