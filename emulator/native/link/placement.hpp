// Where what is linked lies in the memory image: sections, common symbols, stand-ins, the table of addresses.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"
#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/link/linker.hpp"

namespace bytecpu::native {

class Placement {
 public:
  static constexpr size_t nowhere = ~size_t{0};

  // Copies all sections that are loaded into `image`. `name`: of the file, in messages. All must outlive it. Throws
  // Error: more than the memory holds.
  Placement(std::string_view name, const std::vector<ElfObject>& objects, const LinkPlaces& places,
            std::span<uint8_t> image);

  // Of those that are wanted, functions that there is code for, behind the rest of the code.
  void add_stand_ins(const std::set<std::string_view>& wanted, uint16_t machine);
  // Room for so many addresses; returns its offset.
  size_t add_table(size_t addresses);

  // Offsets in the image. A section that is not loaded is nowhere.
  size_t section(size_t object, size_t section) const { return offsets_[object][section]; }
  size_t common(size_t object, size_t symbol) const { return commons_.at({object, symbol}); }
  std::optional<size_t> stand_in(std::string_view name) const;
  std::vector<Program::Part> parts() && { return std::move(parts_); }

 private:
  using SectionPlace = std::pair<size_t, size_t>;  // object, section
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename Wanted>
  std::vector<SectionPlace> sections_that(Wanted wanted) const;
  const ElfSection& at(const SectionPlace& place) const {
    return objects_[place.first].sections[place.second];
  }
  void add_part(const ElfObject& object, std::string_view section, size_t offset, size_t bytes);
  void put_section(const SectionPlace& place, size_t offset);
  void take_code(size_t offset, size_t bytes);
  size_t take_read_only(size_t bytes, size_t alignment);
  void place_data();

  const std::string_view name_;
  const std::vector<ElfObject>& objects_;
  const LinkPlaces& places_;
  const std::span<uint8_t> image_;
  std::vector<std::vector<size_t>> offsets_;  // of objects' sections
  std::map<std::pair<size_t, size_t>, size_t> commons_;
  std::map<std::string, size_t, std::less<>> stand_ins_;
  std::vector<Program::Part> parts_;
  size_t code_end_ = 0, read_only_end_ = 0;
};

}  // namespace bytecpu::native
