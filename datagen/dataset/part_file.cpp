#include "datagen/dataset/part_file.hpp"

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

std::string part_file_name(const Part& part) {
  return fmt::format("part-{}-of-{}.json", part.index, part.count);
}

std::optional<Part> part_of_file(std::string_view name) {
  constexpr std::string_view start = "part-", middle = "-of-", end = ".json";
  if (!name.starts_with(start) || !name.ends_with(end)) return std::nullopt;
  const auto numbers = name.substr(start.size(), name.size() - start.size() - end.size());
  const auto at = numbers.find(middle);
  if (at == numbers.npos) return std::nullopt;
  const auto part =
      parse_part(fmt::format("{}/{}", numbers.substr(0, at), numbers.substr(at + middle.size())));
  return part && part_file_name(*part) == name ? part : std::nullopt;
}

PartWriter::PartWriter(const OutputFolder& folder, PartFile file)
    : folder_(folder), file_(std::move(file)), path_(folder.path() / part_file_name(file_.part)) {
  check_others();
  lock_.emplace(folder, file_.part);
  if (fs::exists(path_)) {
    const auto before = read_part(path_);
    if (before.shards) engines_before_ = before.engines;
    return;
  }
  // First told, then looked again: of two that begin at the same time, at least one sees the other.
  write_file(path_, to_json(file_).dump(1) + "\n");
  try {
    check_others();
  } catch (...) {
    fs::remove(path_);
    throw;
  }
}

void PartWriter::finish(std::vector<ShardInfo> shards, const EngineVersions& engines, bool wrote) {
  file_.engines = engines_before_ && !wrote ? *engines_before_ : engines;
  file_.shards = std::move(shards);
  write_file(path_, to_json(file_).dump(1) + "\n");
}

void PartWriter::check_others() const {
  for (const auto& name : folder_.contents()) {
    const auto part = part_of_file(name);
    if (!part) continue;
    const auto path = folder_.path() / name;
    if (part->count != file_.part.count) {
      throw Error("{} holds parts of {}: give --part K/{}, or choose another folder", folder_.path().string(),
                  part->count, part->count);
    }
    const auto other = read_part(path);
    if (other.generator != file_.generator || other.layout != file_.layout) {
      throw Error("{} holds {} of another configuration; choose another folder", folder_.path().string(),
                  name);
    }
  }
}

}  // namespace bytecpu
