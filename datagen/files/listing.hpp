// What the user should hear of a folder that was packed: names by reason, all counted, the first ones kept.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu {

class Listing {
 public:
  static constexpr size_t most_names = 1000;

  // `key`: in JSON. `what`: for people, what they are and what became of them.
  Listing(std::string key, std::string what) : key_(std::move(key)), what_(std::move(what)) {}

  void add(std::string_view name);
  int64_t count() const { return count_; }
  const std::string& key() const { return key_; }
  // {"what", "count", "names"}; names are escaped.
  nlohmann::ordered_json json() const;

 private:
  std::string key_, what_;
  int64_t count_ = 0;
  std::vector<std::string> names_;
};

// One line of what Listing::json() made: "links, not followed: 4: a, b, c, …". Nothing of anything else.
std::optional<std::string> listing_line(const nlohmann::ordered_json& listing);

struct PackListings {
  Listing links{"links", "links, not followed"};
  Listing special{"special", "neither files nor folders, left out"};
  Listing unreadable{"unreadable", "cannot be read, left out"};
  Listing unpaired{"unpaired", "without a partner, left out"};
  Listing longer;
  Listing in_test{"in_test", "their content is in the test folder, left out of train"};
  Listing duplicates;
  Listing empty{"empty", "empty, kept"};
  Listing unlabelled{"unlabelled", "without a label, kept"};
  Listing cut_extensions{"cut_extensions", "extensions of more than 16 bytes, cut there"};
  Listing not_utf8{"not_utf8", "names that are not UTF-8, kept"};

  // All that have something.
  nlohmann::ordered_json json() const;
};

}  // namespace bytecpu
