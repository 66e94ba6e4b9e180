// The bytes of an ELF file, read with checks.
#pragma once

#include <elf.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/error.hpp"

namespace bytecpu::native {

class ElfBytes {
 public:
  // `name` is for messages. Both must outlive it.
  ElfBytes(std::string_view contents, std::string_view name) : contents_(contents), name_(name) {}

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }
  // Both throw Error where the file does not hold it.
  std::string_view part(uint64_t offset, uint64_t bytes) const {
    if (offset > contents_.size() || bytes > contents_.size() - offset) fail("the file is cut short");
    return contents_.substr(offset, bytes);
  }
  template <typename T>
  T read(uint64_t offset) const {
    T value;
    std::memcpy(&value, part(offset, sizeof value).data(), sizeof value);
    return value;
  }

  // All whole rows of a section.
  template <typename T>
  std::vector<T> table(const Elf64_Shdr& section) const {
    const auto bytes = part(section.sh_offset, section.sh_size / sizeof(T) * sizeof(T));
    std::vector<T> rows(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(rows.data(), bytes.data(), bytes.size());
    return rows;
  }
  // What begins there in a table of names, to its zero.
  std::string_view text(std::string_view strings, uint64_t at) const {
    if (at >= strings.size()) fail("a name is past its table");
    const auto rest = strings.substr(at);
    return rest.substr(0, rest.find('\0'));
  }

 private:
  std::string_view contents_, name_;
};

}  // namespace bytecpu::native
