#include "datagen/files/names.hpp"

#include <algorithm>
#include <cstdint>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

bool is_continuation(std::string_view bytes, size_t at) {
  return at < bytes.size() && (static_cast<uint8_t>(bytes[at]) & 0xC0) == 0x80;
}

// Bytes of the character of UTF-8 that begins the text; 0: none does. Unicode 15, table 3-7.
size_t character(std::string_view bytes) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  const uint8_t second = bytes.size() > 1 ? static_cast<uint8_t>(bytes[1]) : 0;
  if (first < 0x80) return 1;
  if (!is_continuation(bytes, 1) || first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return 2;
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if (!is_continuation(bytes, 2)) return 0;
  if (first < 0xF0) return 3;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return is_continuation(bytes, 3) ? 4 : 0;
}

// U+0000 … U+001F, U+007F … U+009F.
bool is_control(std::string_view one) {
  const auto first = static_cast<uint8_t>(one[0]);
  if (one.size() == 1) return first < 0x20 || first == 0x7F;
  return one.size() == 2 && first == 0xC2 && static_cast<uint8_t>(one[1]) < 0xA0;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string escaped(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t length = character(bytes);
    const auto one = bytes.substr(0, std::max<size_t>(length, 1));
    bytes.remove_prefix(one.size());
    if (length > 0 && !is_control(one) && one != "\\") {
      text += one;
      continue;
    }
    for (const char c : one) text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  }
  return text;
}

std::string unescaped(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const bool whole = i + 3 < text.size() && text[i + 1] == 'x';
    const int high = whole ? hex_digit(text[i + 2]) : -1, low = whole ? hex_digit(text[i + 3]) : -1;
    if (high < 0 || low < 0) throw Error("\"{}\": a backslash that is not of \\xNN", text);
    bytes += static_cast<char>(high * 16 + low);
    i += 3;
  }
  return bytes;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = character(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string_view base_name(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

std::string_view folder_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == name.npos ? std::string_view() : name.substr(0, slash);
}

std::string_view whole_extension(std::string_view name) {
  const auto base = base_name(name);
  const auto dot = base.rfind('.');
  return dot == base.npos ? std::string_view() : base.substr(dot + 1);
}

std::string_view extension_of(std::string_view name) {
  return whole_extension(name).substr(0, most_extension_bytes);
}

std::string_view stem_of(std::string_view name) {
  const auto dot = base_name(name).rfind('.');
  if (dot == name.npos) return name;
  return name.substr(0, name.size() - base_name(name).size() + dot);
}

std::string name_problem(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.front() == '/') return "it is absolute";
  if (name.find('\0') != name.npos) return "it holds a byte 0";
  while (true) {
    const auto slash = name.find('/');
    const auto part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return fmt::format("it has a part \"{}\", which would lead elsewhere", part);
    }
    if (slash == name.npos) return {};
    name.remove_prefix(slash + 1);
  }
}

}  // namespace bytecpu
