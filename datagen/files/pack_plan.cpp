#include "datagen/files/pack_plan.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "datagen/files/names.hpp"
#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Longer = PackOptions::Longer;
using Labels = PackOptions::Labels;

constexpr int64_t most_entries = 1 << 16;  // of a shard

PackListings make_listings(const PackOptions& options) {
  const auto longer = [&]() -> std::string_view {
    switch (options.longer) {
      case Longer::skip:
        return ", left out";
      case Longer::head:
        return ", cut there";
      case Longer::windows:
        return ", in pieces of that length";
      case Longer::refuse:
        break;
    }
    return "";
  };
  return {.longer = {"longer", fmt::format("{}longer than {} bytes{}", options.pairs.empty() ? "" : "pairs ",
                                           options.max_bytes, longer())},
          .duplicates = {"duplicates", fmt::format("the same as an earlier one, {}",
                                                   options.keep_duplicates ? "kept" : "left out")}};
}

std::optional<std::string_view> label_of(const PackItem& item, Labels labels) {
  if (labels == Labels::none) return std::nullopt;
  const bool by_name = labels == Labels::name;
  const std::string_view text = by_name ? base_name(item.names[0]) : item.names[0];
  const auto end = text.find(by_name ? '_' : '/');
  if (end == text.npos) return std::nullopt;
  return text.substr(0, end);
}

class Planner {
 public:
  explicit Planner(const PackOptions& options)
      : options_(options), share_(test_share(options)), listings_(make_listings(options)) {}

  PackPlan plan() {
    auto& items = plan_.items;
    plan_.manifest.pairs = pair_extensions(options_);
    items = read_sources(options_, listings_);
    if (share_) {
      const auto largest = split_by_content(items, *share_, options_.seed);
      if (*share_ > 0 && *share_ < 1) largest_group_ = largest;
    } else {
      leave_out_of_train(items, listings_);
    }
    std::sort(items.begin(), items.end(), [](const PackItem& a, const PackItem& b) {
      return std::tie(a.split, a.names[0]) < std::tie(b.split, b.names[0]);
    });
    if (items.empty()) throw Error("{}: there is nothing to pack{}", options_.folder.string(), reasons());
    number_extensions();
    number_labels();
    find_duplicates(items, options_.keep_duplicates, listings_);
    for (const auto& item : items) count(item);
    cut_into_shards();
    describe();
    return std::move(plan_);
  }

 private:
  size_t files_per_item() const { return plan_.manifest.pairs ? 2 : 1; }
  // Pieces that stand in one entry.
  size_t pieces_per_entry() const { return files_per_item(); }

  std::string reasons() const {
    std::string text;
    const auto found = listings_.json();
    for (const auto& [key, listing] : found.items()) text += fmt::format("; {}", *listing_line(listing));
    return text;
  }

  static int number_in(const std::vector<std::string>& table, std::string_view name) {
    return static_cast<int>(std::lower_bound(table.begin(), table.end(), name) - table.begin());
  }

  void number_extensions() {
    std::set<std::string, std::less<>> all;
    const auto each = [&](auto use) {
      for (auto& item : plan_.items) {
        for (size_t f = 0; f < files_per_item(); ++f) use(extension_of(item.names[f]), item.extensions[f]);
      }
    };
    each([&](std::string_view extension, int&) {
      if (!all.contains(extension)) all.emplace(extension);
    });
    auto& table = plan_.manifest.extensions;
    table.assign(all.begin(), all.end());
    each([&](std::string_view extension, int& number) { number = number_in(table, extension); });
  }

  void number_labels() {
    if (options_.labels == Labels::none) return;
    std::set<std::string, std::less<>> all;
    for (const auto& item : plan_.items) {
      const auto label = label_of(item, options_.labels);
      if (label && !all.contains(*label)) all.emplace(*label);
    }
    if (all.empty()) {
      throw Error(
          "{}: no file has a label: {}", options_.folder.string(),
          options_.labels == Labels::name ? "no name holds a \"_\"" : "none lies in a folder below it");
    }
    auto& table = plan_.manifest.labels;
    table.assign(all.begin(), all.end());
    for (auto& item : plan_.items) {
      const auto label = label_of(item, options_.labels);
      item.label = label ? number_in(table, *label) : -1;
    }
  }

  // Into the manifest's sums and the listings.
  void count(const PackItem& item) {
    auto& split = plan_.manifest[item.split];
    split.files += static_cast<int64_t>(files_per_item());
    split.documents += std::ssize(item.pieces);
    for (size_t p = 0; p < item.pieces.size(); ++p) {
      split.bytes += item.pieces[p].bytes;
      if (item.pieces[p].bytes == 0) listings_.empty.add(item.names[plan_.manifest.pairs ? p : 0]);
    }
    if (options_.labels != Labels::none && item.label < 0) listings_.unlabelled.add(item.names[0]);
    for (size_t f = 0; f < files_per_item(); ++f) {
      const auto& name = item.names[f];
      if (whole_extension(name).size() > most_extension_bytes) listings_.cut_extensions.add(name);
      if (!is_utf8(name)) listings_.not_utf8.add(name);
    }
  }

  void cut_into_shards() {
    auto& shards = plan_.shards;
    std::array<size_t, 2> next{};
    for (size_t i = 0; i < plan_.items.size(); ++i) {
      const auto& item = plan_.items[i];
      for (size_t p = 0; p < item.pieces.size(); p += pieces_per_entry()) {
        int64_t bytes = item.pieces[p].bytes;
        if (pieces_per_entry() == 2) bytes += item.pieces[p + 1].bytes;
        if (shards.empty() || shards.back().split != item.split || shards.back().entries == most_entries ||
            shards.back().bytes + bytes > options_.shard_bytes) {
          shards.push_back({item.split, next[static_cast<size_t>(item.split)]++, i, p});
        }
        shards.back().entries += 1;
        shards.back().bytes += bytes;
      }
    }
  }

  // Of all that shards are made from, in order.
  std::string files_checksum() const {
    std::string sum;
    for (const auto& item : plan_.items) {
      sum += fmt::format("{}{}{}{}{}{}", to_string(item.split), to_string(item.source), item.names[0], '\0',
                         item.names[1], '\0');
      sum += fmt::format("{} {}", item.head, item.label);
      for (const auto& [its_digest, bytes] : item.pieces)
        sum += fmt::format(" {:016x}{:016x} {}", its_digest.high, its_digest.low, bytes);
      sum = checksum({reinterpret_cast<const uint8_t*>(sum.data()), sum.size()});
    }
    return sum;
  }

  void describe() {
    static constexpr std::array longer = {"refuse", "skip", "head", "windows"};
    static constexpr std::array labels = {"none", "name", "folder"};
    auto& generator = plan_.manifest.generator;
    generator = {{"kind", "packed files"},
                 {"bytecpu", BYTECPU_VERSION},
                 {"max_bytes", options_.max_bytes},
                 {"longer", longer[static_cast<size_t>(options_.longer)]},
                 {"duplicates", options_.keep_duplicates ? "keep" : "drop"},
                 {"labels", labels[static_cast<size_t>(options_.labels)]}};
    if (plan_.manifest.pairs) generator["pairs"] = options_.pairs;
    if (share_) {
      generator["test"] = *share_;
      generator["seed"] = options_.seed;
    } else {
      generator["test"] = "folder";
    }
    generator["shard_bytes"] = options_.shard_bytes;
    generator["files"] = files_checksum();
    const auto text = generator.dump();
    plan_.configuration = checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()});

    auto& found = plan_.manifest.found;
    found = {{"folder", escaped(options_.folder.native())}};
    if (!share_) found["test_folder"] = escaped(options_.test);
    if (largest_group_ > 1) found["largest_group"] = largest_group_;
    found.update(listings_.json());
  }

  const PackOptions& options_;
  std::optional<double> share_;
  PackListings listings_;
  int64_t largest_group_ = 0;
  PackPlan plan_;
};

bool lies_in(const fs::path& inner, const fs::path& outer) {
  const auto [end, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end();
}

}  // namespace

std::optional<double> test_share(const PackOptions& options) {
  double share = 0;
  const auto* end = options.test.data() + options.test.size();
  const auto [stopped, error] = std::from_chars(options.test.data(), end, share);
  if (error == std::errc() && stopped == end) {
    if (share >= 0 && share <= 1) return share;
  } else if (fs::is_directory(options.test)) {
    return std::nullopt;
  }
  throw UsageError("--test {}: use a share from 0 to 1, or a folder", options.test);
}

PairExtensions pair_extensions(const PackOptions& options) {
  if (options.pairs.empty()) return std::nullopt;
  const auto colon = options.pairs.find(':');
  std::array pairs = {options.pairs.substr(0, colon),
                      options.pairs.substr(std::min(colon, options.pairs.size() - 1) + 1)};
  const bool good =
      colon != options.pairs.npos && pairs[0] != pairs[1] && std::ranges::all_of(pairs, [](const auto& one) {
        return !one.empty() && one.size() <= most_extension_bytes && one.find_first_of("./:") == one.npos;
      });
  if (!good) {
    throw UsageError("--pairs {}: use two extensions without their dots, as in abc:mid, of at most {} bytes",
                     options.pairs, most_extension_bytes);
  }
  return pairs;
}

void check_folders(const PackOptions& options) {
  const auto folder = fs::weakly_canonical(options.folder), out = fs::weakly_canonical(options.out);
  if (lies_in(out, folder))
    throw UsageError("--out {}: it lies in the folder that is packed", options.out.string());
  if (test_share(options)) return;
  const auto test = fs::weakly_canonical(options.test);
  if (lies_in(out, test)) throw UsageError("--out {}: it lies in the test folder", options.out.string());
  if (lies_in(test, folder) || lies_in(folder, test))
    throw UsageError("--test {}: one of the folders lies in the other", options.test);
}

PackPlan plan_packing(const PackOptions& options) {
  const bool cuts = options.longer == Longer::head || options.longer == Longer::windows;
  if (pair_extensions(options)) {
    if (cuts) throw UsageError("--longer: half a pair is none; use refuse or skip");
    if (options.labels != Labels::none) throw UsageError("--labels: pairs have none");
  }
  if (cuts && options.max_bytes % frame_of_files().step_bytes != 0) {
    throw UsageError("--max-bytes {}: documents are cut after whole steps; use a multiple of {}",
                     options.max_bytes, frame_of_files().step_bytes);
  }
  return Planner(options).plan();
}

}  // namespace bytecpu
