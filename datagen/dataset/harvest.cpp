#include "datagen/dataset/harvest.hpp"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_set>

#include "datagen/dataset/generate.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "emulator/error.hpp"
#include "emulator/harvest.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int most_draws = 8;  // of starts, for one that does not fault
constexpr uint64_t one_test_in = 8;

struct Source {
  fs::path path;
  bool named;  // by the user, not found in a folder
};

// Files as they are given, and those of folders by name.
std::vector<Source> files_of(const std::vector<fs::path>& given) {
  std::vector<Source> files;
  for (const fs::path& path : given) {
    if (!fs::exists(path)) throw Error("{}: there is no such file or folder", path.string());
    if (!fs::is_directory(path)) {
      files.push_back({path, true});
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file() && !entry.is_symlink()) inside.push_back(entry.path());
    }
    std::ranges::sort(inside);
    for (const auto& file : inside) files.push_back({file, false});
  }
  return files;
}

class Harvesting {
 public:
  explicit Harvesting(const HarvestOptions& options)
      : options_(options),
        machine_(make_machine(options.machine, options.memory_bytes)),
        harvester_(make_harvester(options.machine, options.memory_bytes)),
        traces_{TraceBatch(machine_->layout()), TraceBatch(machine_->layout())} {}

  HarvestResult run() {
    const auto begin = std::chrono::steady_clock::now();
    const auto files = files_of(options_.files);
    OutputFolder folder(options_.out);
    folder.require_empty();
    cli::Progress progress("harvest", "files", static_cast<double>(files.size()));
    for (size_t i = 0; i < files.size() && !enough(); ++i) {
      take_file(files[i]);
      progress.update(static_cast<double>(i + 1));
    }
    if (result_.pieces == 0) throw Error("{}", nothing());
    write(folder);
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return std::move(result_);
  }

 private:
  bool enough() const { return options_.most > 0 && result_.pieces >= options_.most; }

  std::string nothing() const {
    if (result_.files == 0) return fmt::format("none of the files is an ELF file of {}", options_.machine);
    return "no piece of code is in these files that runs without a fault";
  }

  // What is in a folder may be anything.
  std::optional<Harvest> harvest_of(const Source& source, const std::string& contents) const {
    if (!harvester_->takes(contents)) return std::nullopt;
    try {
      return harvester_->harvest(contents, source.path.string());
    } catch (const Error&) {
      if (source.named) throw;
      return std::nullopt;
    }
  }

  void take_file(const Source& source) {
    const auto contents = read_file(source.path);
    const auto harvested = harvest_of(source, contents);
    if (!harvested) {
      ++result_.other_files;
      return;
    }
    const Harvest& found = *harvested;
    ++result_.files;
    for (const auto& [what, count] : found.left_out) result_.left_out[what] += count;
    for (const CodePiece& piece : found.pieces) {
      if (enough()) return;
      const bool function = piece.kind == CodePiece::Kind::function;
      if (!(function ? options_.functions : options_.blocks)) continue;
      const uint64_t hash = XXH3_64bits(piece.code.data(), piece.code.size());
      if (seen_.insert(hash).second) {
        take(piece, hash);
      } else {
        ++result_.duplicates;
      }
    }
  }

  // What a piece starts from depends on its code and the seed alone.
  void take(const CodePiece& piece, uint64_t hash) {
    NativeRandom random(options_.seed, hash);
    std::vector<uint8_t> start(static_cast<size_t>(machine_->layout().start_bytes()));
    const auto split = hash % one_test_in == 0 ? Split::test : Split::train;
    auto& into = traces_[static_cast<size_t>(split)];
    TraceBatch run(machine_->layout());
    std::vector<uint8_t> memory;  // of the first start that is taken
    int taken = 0;
    for (int draw = 0; draw < most_draws * options_.starts && taken < options_.starts; ++draw) {
      harvester_->draw_start(random, piece, start);
      // All starts of a piece have one memory, and so one image in the dataset.
      if (taken > 0) std::ranges::copy(memory, start.begin());
      run.clear();
      machine_->run(start, {.steps = options_.most_steps}, run);
      const bool faults = run.stops[0] > StopReason::time_limit;
      const bool last = draw + 1 == most_draws * options_.starts;
      if (faults && !(last && taken == 0 && options_.keep_faults)) continue;
      into.add(run[0]);
      if (taken++ == 0) memory.assign(start.begin(), start.begin() + machine_->layout().memory_bytes);
      if (faults) ++result_.faults[std::string(to_string(run.stops[0]))];
    }
    if (taken == 0) {
      ++result_.faults[std::string(to_string(run.stops[0]))];
      return;
    }
    ++result_.pieces;
    ++(piece.kind == CodePiece::Kind::function ? result_.functions : result_.blocks);
    for (const auto& mnemonic : piece.mnemonics) ++result_.mnemonics[mnemonic];
  }

  ordered_json description() const {
    ordered_json json = {{"kind", "harvested code"},
                         {"bytecpu", BYTECPU_VERSION},
                         {"seed", options_.seed},
                         {"starts", options_.starts},
                         {"most", options_.most},
                         {"kinds", !options_.functions ? "blocks"
                                   : options_.blocks   ? "both"
                                                       : "functions"},
                         {"max_steps", options_.most_steps},
                         {"faults", options_.keep_faults ? "keep" : "drop"},
                         {"files", result_.files},
                         {"blocks", result_.blocks},
                         {"functions", result_.functions},
                         {"same_code", result_.duplicates},
                         {"only_fault", ordered_json::object()},
                         {"mnemonics", ordered_json::object()},
                         {"left_out", ordered_json::object()}};
    const auto add = [&](const char* name, const std::map<std::string, int64_t>& counts) {
      std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
      std::ranges::stable_sort(sorted, std::ranges::greater(), [](const auto& item) { return item.second; });
      for (const auto& [what, count] : sorted) json[name][what] = count;
    };
    add("only_fault", result_.faults);
    add("mnemonics", result_.mnemonics);
    add("left_out", result_.left_out);
    return json;
  }

  void write(const OutputFolder& folder) {
    DatasetWriter writer(folder.path(), machine_->layout(), description());
    const auto each = static_cast<size_t>(default_shard_traces(machine_->layout()));
    for (const Split split : splits) {
      const TraceBatch& all = traces_[static_cast<size_t>(split)];
      for (size_t at = 0; at < all.size(); at += each) {
        TraceBatch shard(machine_->layout());
        for (size_t i = at; i < std::min(all.size(), at + each); ++i) shard.add(all[i]);
        writer.write(split, at / each, shard);
      }
    }
    result_.manifest = writer.finish();
  }

  const HarvestOptions& options_;
  const std::unique_ptr<Machine> machine_;
  const std::unique_ptr<Harvester> harvester_;
  std::array<TraceBatch, 2> traces_;  // by Split
  std::unordered_set<uint64_t> seen_;
  HarvestResult result_;
};

}  // namespace

HarvestResult harvest(const HarvestOptions& options) {
  if (!options.blocks && !options.functions) throw UsageError("neither blocks nor functions are wanted");
  return Harvesting(options).run();
}

}  // namespace bytecpu
