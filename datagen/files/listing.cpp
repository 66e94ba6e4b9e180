#include "datagen/files/listing.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "datagen/files/names.hpp"

namespace bytecpu {

using nlohmann::ordered_json;

void Listing::add(std::string_view name) {
  ++count_;
  if (names_.size() < most_names) names_.push_back(escaped(name));
}

ordered_json Listing::json() const { return {{"what", what_}, {"count", count_}, {"names", names_}}; }

std::optional<std::string> listing_line(const ordered_json& listing) {
  constexpr size_t most_shown = 3;
  if (!listing.is_object()) return std::nullopt;
  std::vector<std::string> names;
  const auto what = listing.find("what"), all = listing.find("names"), counted = listing.find("count");
  if (what == listing.end() || all == listing.end() || counted == listing.end()) return std::nullopt;
  if (!what->is_string() || !all->is_array() || !counted->is_number_integer()) return std::nullopt;
  for (const auto& name : *all) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  names.resize(std::min(names.size(), most_shown));
  const auto count = counted->get<int64_t>();
  return fmt::format("{}: {}: {}{}", what->get<std::string>(), count, fmt::join(names, ", "),
                     count > std::ssize(names) ? ", …" : "");
}

ordered_json PackListings::json() const {
  auto all = ordered_json::object();
  for (const auto* listing : {&links, &special, &unreadable, &unpaired, &longer, &in_test, &duplicates,
                              &empty, &unlabelled, &cut_extensions, &not_utf8}) {
    if (listing->count() > 0) all[listing->key()] = listing->json();
  }
  return all;
}

}  // namespace bytecpu
