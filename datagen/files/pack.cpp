#include "datagen/files/pack.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "datagen/dataset/dataset.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/files/file_shard.hpp"
#include "datagen/files/pack_plan.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "datagen/io/parallel.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using Found = DatasetWriter::Found;

// Writes the shards of a plan; threads may write different ones at the same time.
class Packer {
 public:
  Packer(const PackOptions& options, PackPlan plan) : options_(options), plan_(std::move(plan)) {}

  // Before anything is touched: all that is in the folder must be of this configuration. Broken shards will
  // be made again.
  void check_folder(const OutputFolder& folder) const {
    const auto refuse = [&](std::string_view why) {
      throw Error("{} {}; choose another folder", options_.out.string(), why);
    };
    constexpr auto other = "holds a dataset of another configuration, or of other files";
    std::set<std::string> shards;
    for (const auto& shard : plan_.shards) shards.insert(shard_name(shard.split, shard.index));
    for (const auto& name : folder.contents()) {
      const auto path = options_.out / name;
      if (name == "manifest.json") {
        if (options_.part) refuse("holds the whole dataset already");
        if (!holds_files(options_.out) || read_file_manifest(path).generator != plan_.manifest.generator)
          refuse(other);
      } else if (shards.contains(name)) {
        const auto found = shard_configuration(path);
        if (found && *found != plan_.configuration && safetensors::intact(safetensors::File(path)) != false)
          refuse(other);
      } else if (name != PartLock::file_name) {
        refuse(name.ends_with(".safetensors") ? other : fmt::format("is not empty: it holds {}", name));
      }
    }
  }

  size_t shards() const { return plan_.shards.size(); }
  // Those of the part, or all.
  std::vector<size_t> wanted() const {
    std::vector<size_t> wanted;
    for (size_t i = 0; i < shards(); ++i) {
      if (options_.part.value_or(Part()).has(i)) wanted.push_back(i);
    }
    return wanted;
  }

  // Takes a shard as it is on disk, if it is whole and of this plan.
  Found adopt(size_t i) {
    const auto path = path_of(i);
    if (!fs::exists(path)) return Found::nothing;
    try {
      const FileShard shard(path, plan_.manifest);
      const auto& its = plan_.shards[i];
      const bool same = is_of_place(shard.metadata(), plan_.configuration, its.split, its.index);
      if (!same || shard.intact() != true) return Found::damaged;
      add(i, shard);
      return Found::adopted;
    } catch (const Error&) {
      return Found::damaged;
    }
  }

  void write(size_t i) {
    const auto& shard = plan_.shards[i];
    const auto path = path_of(i);
    write_shard(path, plan_.manifest, read(shard),
                shard_metadata(plan_.configuration, shard.split, shard.index));
    add(i, FileShard(path, plan_.manifest));
  }

  FileManifest finish() {
    for (size_t i = 0; i < plan_.shards.size(); ++i)
      plan_.manifest[plan_.shards[i].split].shards.push_back(infos_.at(i));
    write_file(options_.out / "manifest.json", to_json(plan_.manifest).dump(1) + "\n");
    fs::remove(options_.out / PartLock::file_name);
    return std::move(plan_.manifest);
  }

  int64_t bytes(size_t i) const { return plan_.shards[i].bytes; }
  std::string name(size_t i) const { return shard_name(plan_.shards[i].split, plan_.shards[i].index); }

 private:
  fs::path path_of(size_t i) const { return options_.out / name(i); }

  void add(size_t i, const FileShard& shard) {
    auto info = shard.info();
    info.checksum = checksum(shard.file_bytes());
    const std::lock_guard lock(mutex_);
    infos_[i] = std::move(info);
  }

  FileBatch read(const PackShard& shard) const {
    FileBatch batch;
    batch.bytes.reserve(static_cast<size_t>(shard.bytes));
    size_t item = shard.item, piece = shard.piece;
    int64_t entries = 0;
    while (entries < shard.entries) {
      const auto& its = plan_.items[item];
      const size_t per_entry = plan_.manifest.pairs ? 2 : 1;
      const size_t left = static_cast<size_t>(shard.entries - entries);
      const size_t last = std::min(its.pieces.size(), piece + left * per_entry);
      if (plan_.manifest.pairs) {
        add_pair(its, batch);
      } else {
        add_pieces(its, piece, last, batch);
      }
      entries += static_cast<int64_t>((last - piece) / per_entry);
      ++item;
      piece = 0;
    }
    return batch;
  }

  void add_pair(const PackItem& item, FileBatch& batch) const {
    for (size_t f = 0; f < 2; ++f) {
      SourceFile file = open(item, f);
      add_piece(file, item, f, item.pieces[f], batch);
    }
    batch.contexts.push_back(item.pieces[0].bytes);
    batch.offsets.push_back(std::ssize(batch.bytes));
  }

  // The pieces first … last - 1 of a file.
  void add_pieces(const PackItem& item, size_t first, size_t last, FileBatch& batch) const {
    SourceFile file = open(item, 0);
    if (first > 0 && !file.skip(static_cast<int64_t>(first) * options_.max_bytes)) changed(item, 0);
    for (size_t p = first; p < last; ++p) {
      add_piece(file, item, 0, item.pieces[p], batch);
      batch.offsets.push_back(std::ssize(batch.bytes));
      batch.labels.push_back(item.label);
      batch.complete.push_back(!item.head && p + 1 == item.pieces.size());
    }
  }

  void add_piece(SourceFile& file, const PackItem& item, size_t f, const Piece& piece,
                 FileBatch& batch) const {
    const size_t begin = batch.bytes.size();
    batch.bytes.resize(begin + static_cast<size_t>(piece.bytes));
    const auto bytes = std::span(batch.bytes).subspan(begin);
    if (file.read(bytes) != bytes.size() || digest(bytes) != piece.digest) changed(item, f);
    batch.names += item.names[f];
    batch.name_offsets.push_back(std::ssize(batch.names));
    batch.extensions.push_back(item.extensions[f]);
  }

  fs::path source_of(const PackItem& item, size_t f) const {
    return source_folder(options_, item.source) / item.names[f];
  }
  SourceFile open(const PackItem& item, size_t f) const {
    SourceFile file(source_of(item, f));
    if (!file) changed(item, f);
    return file;
  }
  [[noreturn]] void changed(const PackItem& item, size_t f) const {
    throw Error("{}: it changed while it was packed; pack again, into an empty folder",
                source_of(item, f).string());
  }

  const PackOptions& options_;
  PackPlan plan_;
  std::mutex mutex_;
  std::map<size_t, FileShardInfo> infos_;  // by number in the plan
};

void check(const PackOptions& options) {
  constexpr int64_t most_bytes = 1 << 30;
  if (options.max_bytes < 1 || options.max_bytes > most_bytes)
    throw UsageError("--max-bytes {}: not in 1 … 2^30", options.max_bytes);
  if (options.shard_bytes < 1 || options.shard_bytes > most_bytes)
    throw UsageError("--shard-bytes {}: not in 1 … 2^30", options.shard_bytes);
  if (options.threads < 1 || options.threads > 1024)
    throw UsageError("--threads {}: not in 1 … 1024", options.threads);
}

}  // namespace

PackResult pack(const PackOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  check(options);
  check_folders(options);
  const OutputFolder folder(options.out, options.part ? OutputFolder::Use::shared : OutputFolder::Use::alone);
  Packer packer(options, plan_packing(options));
  packer.check_folder(folder);
  std::optional<PartLock> part_lock;
  if (options.part) part_lock.emplace(folder, *options.part);
  const auto wanted = packer.wanted();
  std::set<std::string, std::less<>> names;
  for (const size_t i : wanted) names.insert(packer.name(i));
  folder.remove_temporaries([&](std::string_view name) { return !options.part || names.contains(name); });

  PackResult result;
  result.shards = std::ssize(wanted);
  result.all_shards = static_cast<int64_t>(packer.shards());
  int64_t done = 0, total = 0;
  for (const size_t i : wanted) total += packer.bytes(i);
  cli::Progress progress("pack", "bytes", static_cast<double>(total));
  std::mutex mutex;
  parallel_for(options.threads, wanted.size(), [&](int, size_t w) {
    const size_t i = wanted[w];
    const auto found = packer.adopt(i);
    if (found != Found::adopted) packer.write(i);
    const std::lock_guard lock(mutex);
    result.resumed_shards += found == Found::adopted;
    if (found == Found::damaged) result.damaged_shards.insert(packer.name(i));
    progress.update(static_cast<double>(done += packer.bytes(i)));
  });
  folder.require_there();
  if (!options.part) result.manifest = packer.finish();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace bytecpu
