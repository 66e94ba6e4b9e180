#include "emulator/native/link/archive.hpp"

#include <ar.h>

#include <charconv>
#include <cstring>
#include <optional>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr std::string_view thin = "!<thin>\n";

std::optional<uint64_t> number(std::string_view text) {
  text = text.substr(0, text.find(' '));
  uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

// "name/", "/offset" in the table of long names, or "#1/length" of a name that stands before the contents.
std::string name_of(std::string_view field, std::string_view long_names, std::string_view& contents) {
  if (field.starts_with("#1/")) {
    const auto length = number(field.substr(3));
    if (!length || *length > contents.size()) return "?";
    const auto text = contents.substr(0, *length);
    contents.remove_prefix(*length);
    return std::string(text.substr(0, text.find('\0')));
  }
  if (field.starts_with('/')) {
    const auto offset = number(field.substr(1));
    if (!offset || *offset >= long_names.size()) return "?";
    const auto text = long_names.substr(*offset);
    return std::string(text.substr(0, text.find_first_of("/\n")));
  }
  return std::string(field.substr(0, field.find_first_of("/ ")));
}

}  // namespace

bool is_archive(std::string_view contents) {
  return contents.starts_with(std::string_view(ARMAG, SARMAG)) || contents.starts_with(thin);
}

std::vector<ArchiveMember> archive_members(std::string_view contents, std::string_view name) {
  if (contents.starts_with(thin)) {
    throw Error("{}: a thin archive, which does not hold its members; make it without T", name);
  }
  std::vector<ArchiveMember> members;
  std::string_view long_names;
  for (size_t at = SARMAG; at < contents.size();) {
    ar_hdr header;
    if (contents.size() - at < sizeof header) throw Error("{}: the archive is cut short", name);
    std::memcpy(&header, contents.data() + at, sizeof header);
    at += sizeof header;
    const auto size = number({header.ar_size, sizeof header.ar_size});
    if (!size || *size > contents.size() - at ||
        std::memcmp(header.ar_fmag, ARFMAG, sizeof header.ar_fmag) != 0) {
      throw Error("{}: the archive is cut short, or damaged", name);
    }
    const std::string_view field(header.ar_name, sizeof header.ar_name);
    auto body = contents.substr(at, *size);
    at += *size + *size % 2;
    if (field.starts_with("// ")) {
      long_names = body;
    } else if (!field.starts_with("/ ") && !field.starts_with("/SYM64/")) {
      auto member = name_of(field, long_names, body);
      members.push_back({std::move(member), body});
    }
  }
  return members;
}

}  // namespace bytecpu::native
