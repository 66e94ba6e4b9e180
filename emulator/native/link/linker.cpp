#include "emulator/native/link/linker.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "emulator/error.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/link/archive.hpp"
#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/link/executable.hpp"
#include "emulator/native/link/find_function.hpp"
#include "emulator/native/link/relocation.hpp"
#include "emulator/native/link/stand_ins.hpp"

namespace bytecpu::native {
namespace {

size_t align(size_t offset, size_t alignment) {
  return alignment < 2 ? offset : (offset + alignment - 1) / alignment * alignment;
}

class Linker {
 public:
  Linker(std::string_view name, uint16_t machine, const LinkPlaces& places, std::span<uint8_t> image)
      : name_(name), machine_(machine), places_(places), image_(image) {}

  Linked object(std::string_view contents, std::string_view function) {
    objects_.push_back(read_elf(contents, name_, machine_));
    if (!objects_[0].is_relocatable()) {
      return load_executable(objects_[0], name_, function, machine_, places_, image_);
    }
    return link(find_function(objects_, name_, function));
  }

  Linked archive(std::string_view contents, std::string_view function) {
    std::vector<std::string> skipped;
    for (const ArchiveMember& member : archive_members(contents, name_)) {
      if (!is_elf(member.contents)) {
        skipped.push_back(member.name);
        continue;
      }
      auto read = read_elf(member.contents, fmt::format("{}({})", name_, member.name), machine_);
      if (read.is_relocatable()) objects_.push_back(std::move(read));
    }
    if (objects_.empty()) {
      fail("an archive without object files{}", skipped.empty() ? "" : ": it holds " + listed(skipped));
    }
    const SymbolPlace entry = find_function(objects_, name_, function);
    keep_needed(entry.object);
    return link({0, entry.symbol});
  }

 private:
  // Where a section, or something that the linker makes, is in the image.
  static constexpr size_t nowhere = ~size_t{0};
  struct Target {
    size_t offset = nowhere;  // in the image
    int64_t absolute = 0;     // where it lies in none of it
    bool outside = false;
    std::string name;
  };

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }

  static bool defines(const ElfSymbol& s) {
    return !s.is_local() && s.section != SHN_UNDEF && !s.name.empty();
  }

  // Of every name, where it is defined; a weak definition gives way to another.
  std::map<std::string_view, SymbolPlace> definitions() const {
    std::map<std::string_view, SymbolPlace> all;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].symbols.size(); ++s) {
        const ElfSymbol& symbol = objects_[o].symbols[s];
        if (!defines(symbol)) continue;
        const auto [known, fresh] = all.try_emplace(symbol.name, SymbolPlace{o, s});
        const SymbolPlace other = known->second;
        if (!fresh && !symbol.is_weak() && objects_[other.object].symbols[other.symbol].is_weak())
          known->second = {o, s};
      }
    }
    return all;
  }

  // Of an archive's members: the one of the function, and those that define what is missing.
  void keep_needed(size_t first) {
    const auto defined = definitions();
    std::vector<size_t> needed = {first};
    std::set<size_t> seen = {first};
    for (size_t i = 0; i < needed.size(); ++i) {
      for (const ElfSymbol& s : objects_[needed[i]].symbols) {
        const auto found = defined.find(s.name);
        if (s.section != SHN_UNDEF || s.is_weak() || found == defined.end()) continue;
        if (seen.insert(found->second.object).second) needed.push_back(found->second.object);
      }
    }
    std::vector<ElfObject> kept;
    for (const size_t o : needed) kept.push_back(std::move(objects_[o]));
    objects_ = std::move(kept);
  }

  static bool is_left_out(const ElfSection& s) {
    constexpr uint32_t unwinding = 0x70000001;  // of x86-64
    return !s.loaded() || s.type == SHT_NOTE || s.type == unwinding || s.name == ".eh_frame" ||
           (s.flags & SHF_TLS);
  }

  Linked link(const SymbolPlace& entry) {
    definitions_ = definitions();
    place_sections();
    place_stand_ins();
    place_tables();
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].sections.size(); ++s) {
        if (offsets_[o][s] == nowhere) continue;
        for (const ElfRelocation& r : objects_[o].sections[s].relocations) relocate(o, s, r);
      }
    }
    std::ranges::sort(linked_.references, {}, &Linked::Reference::at);
    list_functions();
    const ElfSymbol& symbol = objects_[entry.object].symbols[entry.symbol];
    const size_t section = symbol.section < SHN_LORESERVE ? offsets_[entry.object][symbol.section] : nowhere;
    if (section == nowhere || symbol.value >= objects_[entry.object].sections[symbol.section].bytes)
      fail("{} does not lie in code that is loaded", symbol.name);
    linked_.entry = section + symbol.value;
    linked_.function = symbol.name;
    return std::move(linked_);
  }

  void list_functions() {
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (const ElfSymbol& s : objects_[o].symbols) {
        if (!s.is_function() || s.section >= SHN_LORESERVE || offsets_[o][s.section] == nowhere) continue;
        const size_t begin = offsets_[o][s.section] + s.value;
        if (s.value < places_.memory_bytes && s.bytes < places_.memory_bytes)
          linked_.functions.emplace_back(begin, begin + s.bytes);
      }
    }
    std::ranges::sort(linked_.functions);
  }

  // How much --memory makes the regions so long that `bytes` fit `eighths` of it.
  static size_t memory_for(size_t bytes, size_t eighths) {
    constexpr size_t step = 8192, reserve = 64;
    return align((bytes + reserve) * 8 / eighths, step);
  }

  void add_part(const ElfObject& object, std::string_view section, size_t offset, size_t bytes) {
    const auto file = objects_.size() > 1 ? object.name + ":" : std::string();
    linked_.parts.push_back({file + std::string(section), static_cast<int>(offset), static_cast<int>(bytes)});
  }

  void put_section(size_t o, size_t s, size_t offset) {
    const ElfSection& section = objects_[o].sections[s];
    offsets_[o][s] = offset;
    std::ranges::copy(section.contents, image_.begin() + static_cast<std::ptrdiff_t>(offset));
    if (!section.runs() && section.contents.size() < section.bytes) {
      std::ranges::fill(
          image_.subspan(offset + section.contents.size(), section.bytes - section.contents.size()), 0);
    }
    if (section.bytes > 0) add_part(objects_[o], section.name, offset, section.bytes);
  }

  template <typename Wanted>
  std::vector<std::pair<size_t, size_t>> sections_that(Wanted wanted) const {
    std::vector<std::pair<size_t, size_t>> result;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].sections.size(); ++s) {
        const ElfSection& section = objects_[o].sections[s];
        if (is_left_out(section) || !wanted(section)) continue;
        if (section.bytes > places_.memory_bytes) {
          fail("{} has {} bytes, and the memory {}: use --memory {}", section.name, section.bytes,
               places_.memory_bytes, memory_for(section.bytes, section.written() ? 3 : 4));
        }
        if (section.alignment > places_.memory_bytes)
          fail("{} cannot be aligned to {} bytes", section.name, section.alignment);
        result.emplace_back(o, s);
      }
    }
    return result;
  }

  const ElfSection& at(const std::pair<size_t, size_t>& place) const {
    return objects_[place.first].sections[place.second];
  }

  void place_sections() {
    for (const ElfObject& o : objects_) offsets_.emplace_back(o.sections.size(), nowhere);
    for (const auto& place : sections_that([](const ElfSection& s) { return s.runs() && !s.written(); })) {
      const size_t offset = align(code_end_, at(place).alignment);
      take_code(offset, at(place).bytes);
      put_section(place.first, place.second, offset);
    }
    read_only_end_ = places_.read_only;
    for (const auto& place : sections_that([](const ElfSection& s) { return !s.runs() && !s.written(); })) {
      put_section(place.first, place.second, take_read_only(at(place).bytes, at(place).alignment));
    }
    place_data();
  }

  void take_code(size_t offset, size_t bytes) {
    if (offset + bytes > places_.code_bytes) {
      fail("its code takes {} bytes, and {} bytes of memory have room for {}: use --memory {}",
           offset + bytes, places_.memory_bytes, places_.code_bytes, memory_for(offset + bytes, 3));
    }
    code_end_ = offset + bytes;
  }

  // In its region, or behind the code.
  size_t take_read_only(size_t bytes, size_t alignment) {
    size_t offset = align(read_only_end_, alignment);
    if (offset + bytes <= places_.fixed_bytes) {
      read_only_end_ = offset + bytes;
      return offset;
    }
    offset = align(code_end_, alignment);
    if (offset + bytes > places_.code_bytes) {
      fail(
          "its code and what is only read take more than the {} bytes that {} bytes of memory have for them: use "
          "--memory {}",
          places_.fixed_bytes, places_.memory_bytes,
          memory_for(code_end_ + bytes + places_.fixed_bytes / 4, 4));
    }
    code_end_ = offset + bytes;
    return offset;
  }

  // At the end of the data, so that the user's are at their beginning.
  void place_data() {
    const auto sections = sections_that([](const ElfSection& s) { return s.written(); });
    size_t end = 0, most = 16;
    std::vector<size_t> offsets;
    const auto take = [&](size_t bytes, size_t alignment) {
      offsets.push_back(align(end, alignment));
      end = offsets.back() + bytes;
      most = std::max(most, alignment);
    };
    for (const auto& place : sections) take(at(place).bytes, at(place).alignment);
    std::vector<std::pair<size_t, size_t>> commons;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].symbols.size(); ++s) {
        const ElfSymbol& symbol = objects_[o].symbols[s];
        if (symbol.section != SHN_COMMON) continue;
        if (symbol.bytes > places_.data_bytes) end = places_.data_bytes;
        take(std::min<uint64_t>(symbol.bytes, places_.data_bytes),
             std::min<uint64_t>(symbol.value, places_.memory_bytes));
        commons.emplace_back(o, s);
      }
    }
    if (offsets.empty()) return;
    if (most > places_.memory_bytes || align(end, most) > places_.data_bytes) {
      fail("its data take {} bytes, and {} bytes of memory have room for {}: use --memory {}", end,
           places_.memory_bytes, places_.data_bytes,
           memory_for(align(end, std::min<size_t>(most, 1 << 20)), 3));
    }
    const size_t base = places_.fixed_bytes + (places_.data_bytes - align(end, most)) / most * most;
    for (size_t i = 0; i < sections.size(); ++i)
      put_section(sections[i].first, sections[i].second, base + offsets[i]);
    for (size_t i = 0; i < commons.size(); ++i) {
      const auto& [o, s] = commons[i];
      const size_t offset = base + offsets[sections.size() + i];
      commons_[{o, s}] = offset;
      add_part(objects_[o], objects_[o].symbols[s].name, offset, objects_[o].symbols[s].bytes);
    }
  }

  // Functions that are not in the file, and that there is code for.
  void place_stand_ins() {
    std::set<std::string_view> wanted;
    for (const ElfObject& object : objects_) {
      for (const ElfSymbol& s : object.symbols) {
        if (s.section == SHN_UNDEF && !s.name.empty() && !definitions_.contains(s.name))
          wanted.insert(s.name);
      }
    }
    for (const std::string_view name : wanted) {
      const auto code = stand_in(name, machine_);
      if (code.empty()) continue;
      constexpr size_t alignment = 16;
      const size_t offset = align(code_end_, alignment);
      take_code(offset, code.size());
      std::ranges::copy(code, image_.begin() + static_cast<std::ptrdiff_t>(offset));
      stand_ins_[std::string(name)] = offset;
      linked_.parts.push_back(
          {fmt::format("{} (stand-in)", name), static_cast<int>(offset), static_cast<int>(code.size())});
    }
  }

  // Places that hold addresses, for code that goes by them.
  void place_tables() {
    size_t count = 0;
    std::set<std::pair<std::string, size_t>> known;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].sections.size(); ++s) {
        if (offsets_[o][s] == nowhere) continue;
        for (const ElfRelocation& r : objects_[o].sections[s].relocations) {
          const auto kind = relocation_kind(machine_, r.type);
          if (kind && kind->by_table) count += known.insert(key_of(o, r.symbol)).second;
        }
      }
    }
    if (count == 0) return;
    const size_t offset = take_read_only(count * address_bytes, address_bytes);
    table_end_ = offset;
    linked_.parts.push_back(
        {"addresses (GOT)", static_cast<int>(offset), static_cast<int>(count * address_bytes)});
  }

  std::pair<std::string, size_t> key_of(size_t o, uint32_t symbol) const {
    const ElfSymbol& s = objects_[o].symbols[symbol];
    if (s.is_local() || s.name.empty()) return {"", o << 32 | symbol};
    return {std::string(s.name), 0};
  }

  Target target_of(size_t o, uint32_t index) {
    const ElfSymbol& symbol = objects_[o].symbols[index];
    if (index == 0) return {.name = "an absolute address"};
    if (!symbol.is_local() && !symbol.name.empty()) {
      if (const auto found = definitions_.find(symbol.name); found != definitions_.end())
        return place_of(found->second);
      if (const auto found = stand_ins_.find(std::string(symbol.name)); found != stand_ins_.end())
        return {.offset = found->second, .name = found->first};
      if (symbol.is_weak()) return {.name = std::string(symbol.name)};
      return {.outside = true, .name = std::string(symbol.name)};
    }
    return place_of({o, index});
  }

  Target place_of(const SymbolPlace& entry) const {
    const ElfSymbol& symbol = objects_[entry.object].symbols[entry.symbol];
    Target target{.name = std::string(symbol.name)};
    if (symbol.section == SHN_ABS) {
      target.absolute = static_cast<int64_t>(symbol.value);
    } else if (symbol.section == SHN_COMMON) {
      target.offset = commons_.at({entry.object, entry.symbol});
    } else if (symbol.section >= SHN_LORESERVE) {
      target.outside = true;
    } else {
      const ElfSection& section = objects_[entry.object].sections[symbol.section];
      const size_t offset = offsets_[entry.object][symbol.section];
      if (target.name.empty()) target.name = section.name;
      if (section.flags & SHF_TLS || symbol.type == STT_TLS) {
        target.name += " (thread-local)";
        target.outside = true;
      } else if (symbol.type == STT_GNU_IFUNC) {
        target.name += " (which is chosen when a program starts)";
        target.outside = true;
      } else if (offset == nowhere) {
        target.outside = true;
      } else {
        target.offset = offset + symbol.value;
      }
    }
    return target;
  }

  void relocate(size_t o, size_t s, const ElfRelocation& r) {
    const ElfSection& section = objects_[o].sections[s];
    if (r.type == 0) return;  // R_…_NONE
    const size_t at = offsets_[o][s] + r.offset;
    Target target = target_of(o, r.symbol);
    const auto kind = relocation_kind(machine_, r.type);
    if (!kind) {
      if (target.name.empty()) target.name = "an address";
      linked_.references.push_back({.at = at,
                                    .bytes = 4,
                                    .to = 0,
                                    .outside = fmt::format("{} by relocation {}", target.name, r.type)});
      return;
    }
    if (static_cast<uint64_t>(kind->bytes) > section.bytes - r.offset)
      fail("a relocation reaches past {}", section.name);
    Linked::Reference reference{.at = at, .bytes = static_cast<size_t>(kind->bytes), .to = target.offset};
    reference.relative = kind->relative && !kind->by_table;
    if (target.outside) reference.outside = target.name;
    uint64_t to =
        target.offset == nowhere ? static_cast<uint64_t>(target.absolute) : places_.address_of(target.offset);
    if (kind->by_table) {
      reference.to = table_entry(o, r.symbol, to);
      to = places_.address_of(reference.to);
      if (target.offset != nowhere)
        linked_.references.push_back({.at = reference.to, .bytes = address_bytes, .to = target.offset});
    } else if (target.offset != nowhere) {
      // The addend counts from the section, or from the end of the field.
      const auto there = static_cast<int64_t>(target.offset) + r.addend;
      reference.to =
          static_cast<size_t>(std::clamp<int64_t>(there, 0, static_cast<int64_t>(places_.memory_bytes) - 1));
    }
    const auto place = image_.subspan(at, reference.bytes);
    if (!apply_relocation(machine_, r.type, to + static_cast<uint64_t>(r.addend), places_.address_of(at),
                          place) &&
        !target.outside) {
      fail("{} at +{:#x} of {} does not fit its field (relocation {})", target.name, r.offset, section.name,
           r.type);
    }
    if (target.outside || reference.to != nowhere) linked_.references.push_back(std::move(reference));
  }

  size_t table_entry(size_t o, uint32_t symbol, uint64_t address) {
    auto [known, fresh] = table_.try_emplace(key_of(o, symbol), table_end_);
    if (fresh) {
      table_end_ += address_bytes;
      std::memcpy(image_.data() + known->second, &address, address_bytes);
    }
    return known->second;
  }

  const std::string name_;
  const uint16_t machine_;
  const LinkPlaces& places_;
  const std::span<uint8_t> image_;
  std::vector<ElfObject> objects_;
  std::vector<std::vector<size_t>> offsets_;  // of objects' sections, in the image
  std::map<std::pair<size_t, size_t>, size_t> commons_;
  std::map<std::string, size_t> stand_ins_;
  std::map<std::string_view, SymbolPlace> definitions_;
  std::map<std::pair<std::string, size_t>, size_t> table_;  // of addresses
  size_t code_end_ = 0, read_only_end_ = 0, table_end_ = 0;
  Linked linked_{};
};

}  // namespace

Linked link(std::string_view contents, std::string_view name, std::string_view function, uint16_t machine,
            const LinkPlaces& places, std::span<uint8_t> image) {
  Linker linker(name, machine, places, image);
  return is_archive(contents) ? linker.archive(contents, function) : linker.object(contents, function);
}

}  // namespace bytecpu::native
