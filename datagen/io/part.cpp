#include "datagen/io/part.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace bytecpu {

std::string to_string(const Part& part) { return fmt::format("{}/{}", part.index, part.count); }

std::optional<Part> parse_part(std::string_view text) {
  Part part;
  const char* end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, part.index);
  if (index.ec != std::errc() || index.ptr == end || *index.ptr != '/') return std::nullopt;
  const auto count = std::from_chars(index.ptr + 1, end, part.count);
  if (count.ec != std::errc() || count.ptr != end) return std::nullopt;
  if (part.index < 1 || part.index > part.count || part.count > Part::most) return std::nullopt;
  return part;
}

std::string missing_parts(int count, const std::vector<int>& missing) {
  constexpr std::ptrdiff_t most_named = 10;
  const auto named = std::min(std::ssize(missing), most_named);
  return fmt::format("of {} parts {} missing: {}{}", count,
                     missing.size() == 1 ? "one is" : fmt::format("{} are", missing.size()),
                     fmt::join(missing.begin(), missing.begin() + named, ", "),
                     named < std::ssize(missing) ? " …" : "");
}

FieldAccess access(std::optional<Part>& value, const PartText&) {
  FieldAccess field;
  field.read = [&value](const std::string& given) {
    const auto part = parse_part(given);
    if (!part) return fmt::format("use K/N, K from 1 to N, N at most {}", Part::most);
    value = part;
    return std::string();
  };
  field.texts = [&value] { return value ? std::vector{to_string(*value)} : std::vector<std::string>(); };
  field.argument = "K/N";
  return field;
}

}  // namespace bytecpu
