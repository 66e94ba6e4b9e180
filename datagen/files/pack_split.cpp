// Which contents are for training and which for testing, and which are there twice.
#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "datagen/files/pack_plan.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// Items that belong together, by union and find.
class Groups {
 public:
  explicit Groups(size_t items) : parents_(items) { std::iota(parents_.begin(), parents_.end(), 0); }

  uint32_t of(uint32_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  void join(uint32_t a, uint32_t b) { parents_[of(a)] = of(b); }

 private:
  std::vector<uint32_t> parents_;
};

using Contents = std::vector<std::pair<Digest, uint32_t>>;  // of an item

Contents sorted_contents(const std::vector<PackItem>& items) {
  if (items.size() > std::numeric_limits<uint32_t>::max()) throw Error("more than 2^32 - 1 files to pack");
  Contents contents;
  for (size_t i = 0; i < items.size(); ++i) {
    for (const auto& piece : items[i].pieces) contents.emplace_back(piece.digest, static_cast<uint32_t>(i));
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

bool is_test(const Digest& digest, double share, uint64_t seed) {
  constexpr double one_in = 1.0 / (uint64_t{1} << 53);
  return static_cast<double>(XXH3_64bits_withSeed(&digest, sizeof digest, seed) >> 11) * one_in < share;
}

Digest digest_of_all(const PackItem& item) {
  std::vector<uint64_t> numbers = {
      static_cast<uint64_t>(item.split), item.head, static_cast<uint64_t>(item.extensions[0]),
      static_cast<uint64_t>(item.extensions[1]), static_cast<uint64_t>(item.label)};
  for (const auto& piece : item.pieces) {
    numbers.insert(numbers.end(), {piece.digest.high, piece.digest.low, static_cast<uint64_t>(piece.bytes)});
  }
  return digest({reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * sizeof numbers[0]});
}

}  // namespace

int64_t split_by_content(std::vector<PackItem>& items, double share, uint64_t seed) {
  const auto contents = sorted_contents(items);
  Groups groups(items.size());
  for (size_t i = 1; i < contents.size(); ++i) {
    if (contents[i].first == contents[i - 1].first) groups.join(contents[i].second, contents[i - 1].second);
  }
  // The least digest of a group decides: the order of the items does not matter.
  std::vector<bool> decided(items.size());
  std::vector<Split> split(items.size());
  for (const auto& [its_digest, item] : contents) {
    const auto group = groups.of(item);
    if (decided[group]) continue;
    decided[group] = true;
    split[group] = is_test(its_digest, share, seed) ? Split::test : Split::train;
  }
  std::vector<int64_t> sizes(items.size());
  int64_t largest = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto group = groups.of(static_cast<uint32_t>(i));
    items[i].split = split[group];
    largest = std::max(largest, ++sizes[group]);
  }
  return largest;
}

void leave_out_of_train(std::vector<PackItem>& items, PackListings& listings) {
  std::vector<Digest> tested;
  for (const auto& item : items) {
    if (item.split != Split::test) continue;
    for (const auto& piece : item.pieces) tested.push_back(piece.digest);
  }
  std::sort(tested.begin(), tested.end());
  std::erase_if(items, [&](const PackItem& item) {
    if (item.split != Split::train) return false;
    const bool shared = std::ranges::any_of(item.pieces, [&](const Piece& piece) {
      return std::binary_search(tested.begin(), tested.end(), piece.digest);
    });
    if (shared) listings.in_test.add(item.names[0]);
    return shared;
  });
}

void find_duplicates(std::vector<PackItem>& items, bool keep, PackListings& listings) {
  std::vector<std::pair<Digest, size_t>> all;
  for (size_t i = 0; i < items.size(); ++i) all.emplace_back(digest_of_all(items[i]), i);
  std::sort(all.begin(), all.end());
  std::vector<bool> again(items.size());
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i].first == all[i - 1].first) again[all[i].second] = true;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (again[i]) listings.duplicates.add(items[i].names[0]);
  }
  if (keep) return;
  size_t i = 0;
  std::erase_if(items, [&](const PackItem&) { return again[i++]; });
}

}  // namespace bytecpu
