// The first reading of the files that are packed.
#include <algorithm>
#include <mutex>

#include "datagen/files/names.hpp"
#include "datagen/files/pack_plan.hpp"
#include "datagen/files/walk.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/parallel.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using Longer = PackOptions::Longer;

constexpr size_t buffer_bytes = 1 << 20, batch_items = 32;

// For people.
std::string shown(Split source, std::string_view name) {
  return source == Split::train ? std::string(name) : fmt::format("{} (in the test folder)", name);
}

// What became of an item's reading; by file of a pair.
struct Fate {
  std::array<bool, 2> unreadable{};
  bool longer = false;
};

class Reader {
 public:
  Reader(const PackOptions& options, PackListings& listings)
      : options_(options), listings_(listings), pairs_(pair_extensions(options)) {}

  void collect(Split source) {
    const auto found = walk(source_folder(options_, source));
    for (const auto& [names, listing] :
         {std::pair{&found.links, &listings_.links}, std::pair{&found.special, &listings_.special},
          std::pair{&found.unreadable, &listings_.unreadable}}) {
      for (const auto& name : *names) listing->add(shown(source, name));
    }
    for (const auto& name : found.files) {
      if (pairs_) {
        add_pair(source, name, found.files);
      } else {
        add(source, {name, ""});
      }
    }
  }

  std::vector<PackItem> read() {
    std::vector<Fate> fates(items_.size());
    std::vector<std::vector<uint8_t>> buffers(static_cast<size_t>(options_.threads));
    cli::Progress progress("read", pairs_ ? "pairs" : "files", static_cast<double>(items_.size()));
    std::mutex mutex;
    size_t done = 0;
    parallel_for(
        options_.threads, (items_.size() + batch_items - 1) / batch_items, [&](int thread, size_t batch) {
          auto& buffer = buffers[static_cast<size_t>(thread)];
          buffer.resize(buffer_bytes);
          const size_t first = batch * batch_items, last = std::min(items_.size(), first + batch_items);
          for (size_t i = first; i < last; ++i) fates[i] = read_item(items_[i], buffer);
          const std::lock_guard lock(mutex);
          progress.update(static_cast<double>(done += last - first));
        });
    std::vector<PackItem> kept;
    for (size_t i = 0; i < items_.size(); ++i) {
      if (keep(items_[i], fates[i])) kept.push_back(std::move(items_[i]));
    }
    if (options_.longer == Longer::refuse && listings_.longer.count() > 0) {
      throw Error("{}: {}; choose --longer {}, or a larger --max-bytes", options_.folder.string(),
                  *listing_line(listings_.longer.json()), pairs_ ? "skip" : "skip, head or windows");
    }
    return kept;
  }

 private:
  void add(Split source, std::array<std::string, 2> names) {
    auto& item = items_.emplace_back();
    item.source = item.split = source;
    item.names = std::move(names);
  }

  void add_pair(Split source, const std::string& name, const std::vector<std::string>& files) {
    const auto& [a, b] = *pairs_;
    const auto extension = whole_extension(name);
    const bool is_a = extension == a, is_b = extension == b;
    const auto partner = fmt::format("{}.{}", stem_of(name), is_a ? b : a);
    if ((!is_a && !is_b) || !std::binary_search(files.begin(), files.end(), partner)) {
      listings_.unpaired.add(shown(source, name));
    } else if (is_a) {
      add(source, {name, partner});
    }
  }

  Fate read_item(PackItem& item, std::span<uint8_t> buffer) const {
    Fate fate;
    int64_t left = options_.max_bytes;
    for (size_t f = 0; f < (pairs_ ? 2 : 1); ++f) {
      SourceFile file(source_folder(options_, item.source) / item.names[f]);
      fate.unreadable[f] =
          !file || !(options_.longer == Longer::windows ? read_windows(file, item, fate, buffer)
                                                        : read_once(file, item, fate, left, buffer));
    }
    return fate;
  }

  // Both return whether it can be read.
  bool read_windows(SourceFile& file, PackItem& item, Fate& fate, std::span<uint8_t> buffer) const {
    while (true) {
      const auto piece = file.piece(options_.max_bytes, buffer);
      if (!piece) return false;
      // Where the file ends with a window, that was the last one.
      if (piece->bytes > 0 || item.pieces.empty()) item.pieces.push_back(*piece);
      fate.longer = item.pieces.size() > 1;
      if (piece->bytes < options_.max_bytes) return true;
    }
  }
  bool read_once(SourceFile& file, PackItem& item, Fate& fate, int64_t& left,
                 std::span<uint8_t> buffer) const {
    const bool head = options_.longer == Longer::head;
    if (!head && (fate.longer || file.size() > left)) return fate.longer = true;
    const auto piece = file.piece(left, buffer);
    std::array<uint8_t, 1> one;
    const auto more = file.read(one);
    if (!piece || !more) return false;
    item.pieces.push_back(*piece);
    left -= piece->bytes;
    if (*more > 0) item.head = fate.longer = true;
    return true;
  }

  bool keep(const PackItem& item, const Fate& fate) {
    const auto& [a, b] = fate.unreadable;
    if (a) listings_.unreadable.add(shown(item.source, item.names[0]));
    if (b) listings_.unreadable.add(shown(item.source, item.names[1]));
    if (pairs_ && a != b) listings_.unpaired.add(shown(item.source, item.names[a ? 1 : 0]));
    if (a || b) return false;
    if (fate.longer) listings_.longer.add(shown(item.source, item.names[0]));
    return !fate.longer || options_.longer == Longer::head || options_.longer == Longer::windows;
  }

  const PackOptions& options_;
  PackListings& listings_;
  PairExtensions pairs_;
  std::vector<PackItem> items_;
};

}  // namespace

fs::path source_folder(const PackOptions& options, Split source) {
  return source == Split::train ? options.folder : fs::path(options.test);
}

std::vector<PackItem> read_sources(const PackOptions& options, PackListings& listings) {
  Reader reader(options, listings);
  reader.collect(Split::train);
  if (!test_share(options)) reader.collect(Split::test);
  return reader.read();
}

}  // namespace bytecpu
