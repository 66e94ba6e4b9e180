// One share of a job that several processes do: part K of N.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/options.hpp"

namespace bytecpu {

struct Part {
  static constexpr int most = 65536;
  int index = 1, count = 1;  // part `index`, from 1 on, of `count`

  // Whether piece `i` of the job, from 0 on, is this part's.
  bool has(size_t i) const { return i % static_cast<size_t>(count) == static_cast<size_t>(index) - 1; }
  bool operator==(const Part&) const = default;
};

std::string to_string(const Part& part);  // "2/4", as parse_part() reads it
// Nothing where the text is not K/N, K from 1 to N, N at most Part::most.
std::optional<Part> parse_part(std::string_view text);

// Which parts of `count` are missing, at least one: "of 3 parts one is missing: 2".
std::string missing_parts(int count, const std::vector<int>& missing);

// What the option --part may be.
struct PartText {};
FieldAccess access(std::optional<Part>& value, const PartText& part);

}  // namespace bytecpu
