#include "datagen/io/part.hpp"

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
