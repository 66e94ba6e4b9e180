#include "datagen/dataset/merge.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "datagen/dataset/part_file.hpp"
#include "datagen/dataset/plan.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/parallel.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct FoundPart {
  fs::path path;  // of the part's file
  PartFile file;

  fs::path folder() const { return path.parent_path(); }
};

bool is_among(const fs::path& folder, const std::vector<fs::path>& folders) {
  return std::any_of(folders.begin(), folders.end(), [&](const fs::path& other) {
    return fs::exists(folder) && fs::equivalent(folder, other);
  });
}

std::vector<FoundPart> find_parts(const std::vector<fs::path>& folders) {
  std::vector<FoundPart> parts;
  for (const auto& folder : folders) {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (part_of_file(entry.path().filename().string())) paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) parts.push_back({path, read_part(path)});
  }
  return parts;
}

// "seed is 1 in A and 2 in B"
std::string difference(const FoundPart& a, const FoundPart& b) {
  const auto value = [](const ordered_json& json, const std::string& key) {
    return json.contains(key) ? json_text(json[key]) : "not set";
  };
  for (const auto* part : {&a, &b}) {
    for (const auto& [key, unused] : part->file.generator.items()) {
      const auto in_a = value(a.file.generator, key), in_b = value(b.file.generator, key);
      if (in_a != in_b) {
        return fmt::format("{} is {} in {} and {} in {}", key, in_a, a.path.string(), in_b, b.path.string());
      }
    }
  }
  return fmt::format("{} and {} are of different machines", a.path.string(), b.path.string());
}

void require_one_configuration(const std::vector<FoundPart>& parts) {
  const auto& first = parts.front();
  for (const auto& part : parts) {
    if (part.file.generator != first.file.generator || part.file.layout != first.file.layout) {
      throw Error("these are parts of two datasets: {}", difference(first, part));
    }
    if (part.file.part.count != first.file.part.count) {
      throw Error("{} is one of {} parts, and {} is one of {}: merge those of one number",
                  first.path.string(), first.file.part.count, part.path.string(), part.file.part.count);
    }
  }
}

bool same_shards(const PartFile& a, const PartFile& b) {
  return std::equal(
      a.shards->begin(), a.shards->end(), b.shards->begin(), b.shards->end(),
      [](const ShardInfo& x, const ShardInfo& y) { return x.file == y.file && x.checksum == y.checksum; });
}

// The finished part of every index. A part may be there twice, as a copy or unfinished.
std::vector<FoundPart> choose_parts(const std::vector<FoundPart>& found) {
  std::map<int, FoundPart> finished, begun;
  for (const auto& part : found) {
    auto& parts = part.file.shards ? finished : begun;
    const auto [other, fresh] = parts.emplace(part.file.part.index, part);
    if (!fresh && part.file.shards && !same_shards(other->second.file, part.file)) {
      throw Error("part {} is there twice, with different contents: {} and {}", to_string(part.file.part),
                  other->second.path.string(), part.path.string());
    }
  }
  const int count = found.front().file.part.count;
  std::vector<int> missing;
  for (int index = 1; index <= count; ++index) {
    if (finished.contains(index)) continue;
    if (begun.contains(index)) {
      throw Error("{}: the part is not finished: generate --part {}/{} goes on with it",
                  begun.at(index).path.string(), index, count);
    }
    missing.push_back(index);
  }
  if (!missing.empty()) {
    throw Error("{}; generate --part {}/{} makes {}", missing_parts(count, missing), missing.front(), count,
                missing.size() == 1 ? "it" : "the first");
  }
  std::vector<FoundPart> chosen;
  for (auto& [index, part] : finished) chosen.push_back(std::move(part));
  return chosen;
}

ShardPlan plan_of(const FoundPart& part) {
  const auto number = [&](const char* key, int64_t least, int64_t most) {
    const auto& generator = part.file.generator;
    const auto found = generator.find(key);
    const bool good = found != generator.end() && found->is_number_integer() &&
                      found->get<int64_t>() >= least && found->get<int64_t>() <= most;
    if (!good) throw Error("{}: its generator has no {} that can be", part.path.string(), key);
    return found->get<int64_t>();
  };
  constexpr int64_t most_traces = (int64_t{1} << 32) - 1;
  return {{number("train", 0, most_traces), number("test", 0, most_traces)},
          number("shard_traces", 1, 1 << 20)};
}

// One shard of the dataset and where it comes from.
struct Piece {
  ShardJob job;
  const FoundPart* part;
  const ShardInfo* listed;

  fs::path source() const { return part->folder() / listed->file; }
};

// All shards, in the plan's order; every part must list its share of them, no more and no less.
std::vector<Piece> pieces_of(const std::vector<FoundPart>& parts, const ShardPlan& plan) {
  size_t listed = 0;
  for (const auto& part : parts) listed += part.file.shards->size();
  for (const auto& part : parts) {
    const auto& index = part.file.part;
    size_t job = static_cast<size_t>(index.index) - 1;
    bool good = listed == plan.size();
    for (const auto& shard : *part.file.shards) {
      good = good && plan.find(shard.file) == job && shard.traces == plan[job].traces;
      job += static_cast<size_t>(index.count);
    }
    if (!good)
      throw Error("{}: the shards that it lists are not those of part {}", part.path.string(),
                  to_string(index));
  }
  std::vector<Piece> pieces;
  for (size_t job = 0; job < plan.size(); ++job) {
    const auto& part = parts[job % parts.size()];
    pieces.push_back({plan[job], &part, &(*part.file.shards)[job / parts.size()]});
  }
  return pieces;
}

// Throws Error where the shard is not as its part lists it.
void check_piece(const Piece& piece, const std::string& configuration, ShardCounter& counter) {
  const auto& file = piece.part->file;
  try {
    const Shard shard(piece.source(), file.layout);
    const auto sum = checksum(shard.file_bytes());
    const auto& info = shard.info();
    if (sum != piece.listed->checksum || info.states != piece.listed->states ||
        info.bytes != piece.listed->bytes || info.traces != piece.listed->traces ||
        !is_of_place(shard.metadata(), configuration, piece.job.split, piece.job.index)) {
      throw Error("{}: it is not the shard that {} lists: it was altered", piece.source().string(),
                  piece.part->path.filename().string());
    }
    counter.add(piece.job.split, piece.job.index, shard, sum);
  } catch (const Error& e) {
    throw Error("{}; generate --part {} makes it again", e.what(), to_string(file.part));
  }
}

// What is in the output folder must be of the same dataset. Whether each shard is there.
std::vector<bool> check_output(const OutputFolder& folder, const std::vector<Piece>& pieces,
                               const ShardPlan& plan, const PartFile& part, bool is_source) {
  std::vector<bool> there(pieces.size());
  const auto& out = folder.path();
  for (const auto& name : folder.contents()) {
    const auto job = plan.find(name);
    const bool of_parts = name == PartLock::file_name || part_of_file(name);
    if (name == "manifest.json") {
      const auto manifest = read_manifest(out / name);
      if (manifest.generator == part.generator && manifest.layout == part.layout) continue;
      throw Error("{} holds a dataset of another configuration; choose another folder", out.string());
    }
    if (!job && !(of_parts && is_source)) {
      throw Error("{} is not empty, it holds {}; choose another folder", out.string(), name);
    }
    if (!job) continue;
    const auto& piece = pieces[*job];
    there[*job] = true;
    if (fs::equivalent(out / name, piece.source())) continue;
    if (checksum(MappedFile(out / name).bytes()) == piece.listed->checksum) continue;
    throw Error("{} is there, and it is not the shard that {} lists; choose another folder",
                (out / name).string(), piece.part->path.string());
  }
  return there;
}

// The manifest is there and tells all that the parts told.
void remove_part_files(const OutputFolder& folder) {
  for (const auto& name : folder.contents()) {
    if (name == PartLock::file_name || part_of_file(name)) fs::remove(folder.path() / name);
  }
}

// One call of merge_parts().
class Merge {
 public:
  explicit Merge(const MergeOptions& options);
  MergeResult run();

 private:
  bool was_merged();
  void check_shards();
  void place_shards(const std::vector<bool>& there);
  void write_manifest();

  const MergeOptions& options_;
  bool in_place_;  // the output folder is one of the sources
  OutputFolder folder_;
  std::vector<FoundPart> parts_;
  std::vector<Piece> pieces_;
  ShardCounter counter_;
  MergeResult result_;
};

Merge::Merge(const MergeOptions& options)
    : options_(options), in_place_(is_among(options.out, options.folders)), folder_(options.out) {
  parts_ = find_parts(options.folders);
}

MergeResult Merge::run() {
  if (was_merged()) return result_;
  if (parts_.empty()) {
    throw Error("{}: no part of a dataset is in it; generate --part K/N makes some",
                options_.folders.front().string());
  }
  require_one_configuration(parts_);
  parts_ = choose_parts(parts_);
  const auto plan = plan_of(parts_.front());
  pieces_ = pieces_of(parts_, plan);
  check_shards();
  const auto there = check_output(folder_, pieces_, plan, parts_.front().file, in_place_);
  folder_.remove_temporaries();
  place_shards(there);
  write_manifest();
  if (in_place_) remove_part_files(folder_);
  return result_;
}

// An earlier call may have been ended between the manifest and the removal of the last part file.
bool Merge::was_merged() {
  const auto path = options_.out / "manifest.json";
  if (!in_place_ || !fs::exists(path)) return false;
  result_.manifest = read_manifest(path);
  for (const auto& part : parts_) {
    if (part.file.generator == result_.manifest.generator && part.file.layout == result_.manifest.layout)
      continue;
    throw Error("{} holds a whole dataset already, and {} is of another configuration", options_.out.string(),
                part.path.string());
  }
  remove_part_files(folder_);
  return result_.was_merged = true;
}

void Merge::check_shards() {
  const auto& first = parts_.front().file;
  const auto configuration = configuration_hash(first.generator, first.layout);
  cli::Progress progress("merge", "shards", static_cast<double>(pieces_.size()));
  std::mutex mutex;
  double done = 0;
  parallel_for(options_.threads, pieces_.size(), [&](int, size_t i) {
    check_piece(pieces_[i], configuration, counter_);
    const std::lock_guard lock(mutex);
    progress.update(++done);
  });
}

void Merge::place_shards(const std::vector<bool>& there) {
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (there[i]) {
      result_.there += 1;
    } else {
      const bool linked = link_or_copy(pieces_[i].source(), options_.out / pieces_[i].listed->file);
      ++(linked ? result_.linked : result_.copied);
    }
  }
}

void Merge::write_manifest() {
  const auto& last = parts_.back().file;
  auto& manifest = result_.manifest;
  manifest.layout = last.layout;
  manifest.generator = last.generator;
  manifest.engines = last.engines;
  result_.parts = last.part.count;
  result_.several_engines = std::any_of(
      parts_.begin(), parts_.end(), [&](const FoundPart& part) { return part.file.engines != last.engines; });
  counter_.count(manifest);
  write_file(options_.out / "manifest.json", to_json(manifest).dump(1) + "\n");
}

}  // namespace

MergeResult merge_parts(const MergeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  for (const auto& folder : options.folders) {
    if (!fs::is_directory(folder)) throw Error("{}: there is no such folder", folder.string());
  }
  auto result = Merge(options).run();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace bytecpu
