#include "datagen/dataset/writer.hpp"

#include <algorithm>

#include "datagen/io/files.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

safetensors::Metadata shard_metadata(const std::string& configuration, Split split, size_t index) {
  return {{"configuration", configuration},
          {"split", std::string(to_string(split))},
          {"index", std::to_string(index)}};
}

bool is_of_place(const safetensors::Metadata& metadata, const std::string& configuration, Split split,
                 size_t index) {
  const auto wanted = shard_metadata(configuration, split, index);
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& item) {
    const auto found = metadata.find(item.first);
    return found != metadata.end() && found->second == item.second;
  });
}

std::string configuration_hash(const ordered_json& generator, const Layout& layout) {
  const auto text = generator.dump() + to_json(layout).dump();
  return checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::optional<std::string> shard_configuration(const fs::path& path) {
  try {
    const safetensors::File file(path);
    const auto found = file.metadata().find("configuration");
    if (found == file.metadata().end()) return std::nullopt;
    return found->second;
  } catch (const Error&) {
    return std::nullopt;
  }
}

DatasetWriter::DatasetWriter(fs::path folder, Layout layout, ordered_json generator)
    : folder_(std::move(folder)), configuration_(configuration_hash(generator, layout)) {
  manifest_.layout = std::move(layout);
  manifest_.generator = std::move(generator);
  if (fs::exists(folder_ / "manifest.json")) finished_ = read_manifest(folder_ / "manifest.json");
}

void DatasetWriter::write(Split split, size_t index, const TraceBatch& traces) {
  const auto path = folder_ / shard_name(split, index);
  write_shard(path, manifest_.layout, traces, shard_metadata(configuration_, split, index));
  wrote_ = true;
  add(split, index, Shard(path, manifest_.layout));
}

DatasetWriter::Found DatasetWriter::adopt(Split split, size_t index, int64_t traces) {
  const auto path = folder_ / shard_name(split, index);
  if (!fs::exists(path)) return Found::nothing;
  try {
    const Shard shard(path, manifest_.layout);
    if (!is_of_place(shard.metadata(), configuration_, split, index)) return Found::damaged;
    // Of an earlier release, which gave it no checksum: it is made again, not known to be damaged.
    if (!finished_ && !shard.intact()) return Found::nothing;
    if (shard.info().traces != traces || !is_as_written(split, index, shard)) return Found::damaged;
    add(split, index, shard);
    return Found::adopted;
  } catch (const Error&) {
    return Found::damaged;
  }
}

bool DatasetWriter::is_as_written(Split split, size_t index, const Shard& shard) const {
  if (!finished_) return *shard.intact();
  const auto& listed = (*finished_)[split].shards;
  return index < listed.size() && listed[index].checksum == checksum(shard.file_bytes());
}

void DatasetWriter::add(Split split, size_t index, const Shard& shard) {
  counter_.add(split, index, shard, checksum(shard.file_bytes()));
}

Manifest DatasetWriter::finish() {
  counter_.count(manifest_);
  manifest_.engines = finished_ && !wrote_ ? finished_->engines : engine_versions();
  write_file(folder_ / "manifest.json", to_json(manifest_).dump(1) + "\n");
  return manifest_;
}

void ShardCounter::add(Split split, size_t index, const Shard& shard, const std::string& checksum) {
  auto info = shard.info();
  info.checksum = checksum;
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i < shard.size(); ++i) hashes.push_back(program_hash(shard[i].image()));

  const std::lock_guard lock(mutex_);
  const bool fresh = shards_[static_cast<size_t>(split)].emplace(index, std::move(info)).second;
  BYTECPU_CHECK(fresh);
  auto& all = programs_[static_cast<size_t>(split)];
  all.insert(all.end(), hashes.begin(), hashes.end());
}

std::vector<ShardInfo> ShardCounter::shards() const {
  std::vector<ShardInfo> all;
  for (const auto& of_split : shards_) {
    for (const auto& [index, shard] : of_split) all.push_back(shard);
  }
  return all;
}

void ShardCounter::count(Manifest& manifest) {
  const auto counts = count_programs(programs_);
  manifest.overlap = counts.overlap;
  for (const Split s : splits) {
    auto& split = manifest[s];
    split.duplicates = counts.duplicates[static_cast<size_t>(s)];
    for (const auto& [index, shard] : shards_[static_cast<size_t>(s)]) {
      BYTECPU_CHECK(index == split.shards.size());
      split.traces += shard.traces;
      split.states += shard.states;
      split.bytes += shard.bytes;
      split.shards.push_back(shard);
    }
  }
}

ProgramCounts count_programs(std::array<std::vector<uint64_t>, 2>& hashes) {
  ProgramCounts counts;
  for (const Split s : splits) {
    auto& all = hashes[static_cast<size_t>(s)];
    std::sort(all.begin(), all.end());
    for (size_t i = 1; i < all.size(); ++i) counts.duplicates[static_cast<size_t>(s)] += all[i] == all[i - 1];
  }
  const auto& [train, test] = hashes;
  for (const uint64_t hash : test) counts.overlap += std::binary_search(train.begin(), train.end(), hash);
  return counts;
}

}  // namespace bytecpu
