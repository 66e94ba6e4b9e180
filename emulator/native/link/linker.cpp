#include "emulator/native/link/linker.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "emulator/error.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/link/archive.hpp"
#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/link/relocation.hpp"
#include "emulator/native/link/stand_ins.hpp"

namespace bytecpu::native {
namespace {

constexpr size_t address_bytes = 8;

size_t align(size_t offset, size_t alignment) {
  return alignment < 2 ? offset : (offset + alignment - 1) / alignment * alignment;
}

// Names for a message: not all of very many.
std::string listed(std::vector<std::string> names) {
  constexpr size_t most = 20;
  const bool more = names.size() > most;
  names.resize(std::min(names.size(), most));
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", …" : "");
}

class Linker {
 public:
  Linker(std::string_view name, uint16_t machine, const LinkPlaces& places, std::span<uint8_t> image)
      : name_(name), machine_(machine), places_(places), image_(image) {}

  Linked object(std::string_view contents, std::string_view function) {
    objects_.push_back(read_elf(contents, name_, machine_));
    if (!objects_[0].is_relocatable()) return executable(objects_[0], function);
    const Entry entry = find_function(function);
    return link(entry);
  }

  Linked archive(std::string_view contents, std::string_view function) {
    std::vector<std::string> skipped;
    for (const ArchiveMember& member : archive_members(contents, name_)) {
      if (!is_elf(member.contents)) {
        skipped.push_back(member.name);
        continue;
      }
      auto read = read_elf(member.contents, fmt::format("{}({})", name_, member.name), machine_);
      if (read.is_relocatable()) members_.push_back(std::move(read));
    }
    if (members_.empty()) {
      fail("an archive without object files{}", skipped.empty() ? "" : ": it holds " + listed(skipped));
    }
    for (ElfObject& member : members_) objects_.push_back(std::move(member));
    const Entry entry = find_function(function);
    keep_needed(entry.object);
    return link({0, entry.symbol});
  }

 private:
  struct Entry {
    size_t object, symbol;
  };
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

  // The one that is named, or the only one.
  Entry find_function(std::string_view wanted) const {
    std::vector<std::string> names;
    std::vector<Entry> found;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].symbols.size(); ++s) {
        const ElfSymbol& symbol = objects_[o].symbols[s];
        // Assembly seldom says what is a function.
        const bool label = symbol.type == STT_NOTYPE && symbol.section > SHN_UNDEF &&
                           symbol.section < SHN_LORESERVE && !symbol.name.empty() && !wanted.empty() &&
                           objects_[o].sections[symbol.section].runs();
        if (!symbol.is_function() && !label) continue;
        if (symbol.is_function()) names.emplace_back(symbol.name);
        if (wanted.empty() ? symbol.is_function() : symbol.name == wanted) found.push_back({o, s});
      }
    }
    if (found.size() == 1) return found[0];
    if (found.size() > 1 && !wanted.empty()) {
      const auto global = [&](const Entry& e) { return !objects_[e.object].symbols[e.symbol].is_local(); };
      if (const auto first = std::ranges::find_if(found, global); first != found.end()) return *first;
    }
    if (names.empty()) fail("it names no function");
    fail("{} function {}; there are: {}", found.empty() ? "no" : "more than one",
         wanted.empty() ? "is named: give --function" : wanted, listed(names));
  }

  static bool defines(const ElfSymbol& s) {
    return !s.is_local() && s.section != SHN_UNDEF && !s.name.empty();
  }

  // Of an archive's members: the one of the function, and those that define what is missing.
  void keep_needed(size_t first) {
    std::map<std::string_view, size_t> definitions;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (const ElfSymbol& s : objects_[o].symbols) {
        if (defines(s)) definitions.emplace(s.name, o);
      }
    }
    std::vector<size_t> needed = {first};
    std::set<size_t> seen = {first};
    for (size_t i = 0; i < needed.size(); ++i) {
      for (const ElfSymbol& s : objects_[needed[i]].symbols) {
        const auto found = definitions.find(s.name);
        if (s.section != SHN_UNDEF || s.is_weak() || found == definitions.end()) continue;
        if (seen.insert(found->second).second) needed.push_back(found->second);
      }
    }
    std::deque<ElfObject> kept;
    for (const size_t o : needed) kept.push_back(std::move(objects_[o]));
    objects_ = std::move(kept);
  }

  static bool is_left_out(const ElfSection& s) {
    constexpr uint32_t unwinding = 0x70000001;  // of x86-64
    return !s.loaded() || s.type == SHT_NOTE || s.type == unwinding || s.name == ".eh_frame" ||
           (s.flags & SHF_TLS);
  }

  Linked link(const Entry& entry) {
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
        if (s.section == SHN_UNDEF && !s.name.empty() && !find_global(s.name)) wanted.insert(s.name);
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

  std::optional<Entry> find_global(std::string_view name) const {
    std::optional<Entry> weak;
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].symbols.size(); ++s) {
        const ElfSymbol& symbol = objects_[o].symbols[s];
        if (!defines(symbol) || symbol.name != name) continue;
        if (!symbol.is_weak()) return Entry{o, s};
        if (!weak) weak = Entry{o, s};
      }
    }
    return weak;
  }

  Target target_of(size_t o, uint32_t index) {
    const ElfSymbol& symbol = objects_[o].symbols[index];
    if (index == 0) return {.name = "an absolute address"};
    if (!symbol.is_local() && !symbol.name.empty()) {
      auto [known, fresh] = globals_.try_emplace(symbol.name);
      if (fresh) known->second = find_global(symbol.name);
      if (known->second) return place_of(*known->second);
      if (const auto found = stand_ins_.find(std::string(symbol.name)); found != stand_ins_.end())
        return {.offset = found->second, .name = found->first};
      if (symbol.is_weak()) return {.name = std::string(symbol.name)};
      return {.outside = true, .name = std::string(symbol.name)};
    }
    return place_of({o, index});
  }

  Target place_of(const Entry& entry) const {
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

  // At the addresses that it was linked for.
  Linked executable(const ElfObject& object, std::string_view function) {
    const uint64_t moved = object.type == ET_DYN ? places_.code : 0;
    for (const ElfSection& section : object.sections) {
      if (!section.loaded() || section.bytes == 0 || section.type == SHT_NOTE ||
          section.name == ".eh_frame" || section.name == ".interp" ||
          (section.flags & SHF_TLS && section.type == SHT_NOBITS)) {
        continue;
      }
      const size_t offset = place_of_linked(object, section, section.address + moved);
      std::ranges::copy(section.contents, image_.begin() + static_cast<std::ptrdiff_t>(offset));
      add_part(object, section.name, offset, section.bytes);
    }
    for (const ElfRelocation& r : object.dynamic_relocations) apply_dynamic(object, r, moved);
    uint64_t address = object.entry + moved;
    linked_.function = "its entry";
    if (!function.empty()) {
      const Entry entry = find_function(function);
      address = object.symbols[entry.symbol].value + moved;
      linked_.function = function;
    } else if (object.entry == 0) {
      fail("it has no entry: give --function");
    }
    linked_.entry = places_.offset_of(address);
    if (linked_.entry >= places_.code_bytes) fail("{} is not in the code", linked_.function);
    return std::move(linked_);
  }

  // Of what is written some is written by the loader alone.
  static bool is_written(const ElfSection& section) {
    constexpr std::string_view by_loader[] = {".dynamic",     ".got",        ".got.plt",
                                              ".data.rel.ro", ".init_array", ".fini_array"};
    return section.written() && std::ranges::find(by_loader, section.name) == std::end(by_loader);
  }

  size_t place_of_linked(const ElfObject& object, const ElfSection& section, uint64_t address) const {
    const size_t offset = places_.offset_of(address);
    const bool data = section.written() && offset >= places_.fixed_bytes;
    const bool behind_code = !section.runs() && offset >= places_.read_only;
    const size_t end = data                  ? places_.fixed_bytes + places_.data_bytes
                       : is_written(section) ? 0
                       : behind_code         ? places_.fixed_bytes
                                             : places_.code_bytes;
    if (offset < end && section.bytes <= end - offset) return offset;
    if (const size_t memory = memory_of_linked(object)) {
      fail("{} of {} bytes at {:#x} is not in the {} of {} bytes of memory: use --memory {}", section.name,
           section.bytes, address, data || section.written() ? "data" : "code", places_.memory_bytes, memory);
    }
    fail(
        "{} of {} bytes at {:#x} is not in the {} of {} bytes of memory: give the object file, or link with "
        "-Wl,-z,max-page-size=4096,-Ttext-segment={:#x},-Tdata={:#x}",
        section.name, section.bytes, address, section.written() ? "data" : "code", places_.memory_bytes,
        places_.code, places_.data);
  }

  // A length with which every section lies in its region; 0: there is none.
  size_t memory_of_linked(const ElfObject& object) const {
    const uint64_t moved = object.type == ET_DYN ? places_.code : 0;
    constexpr size_t step = 8192, most = 16 << 20;
    for (size_t memory = step; memory <= most; memory += step) {
      const auto fits = [&](const ElfSection& s) {
        if (!s.loaded() || s.bytes == 0) return true;
        const uint64_t begin = s.address + moved - places_.code, end = begin + s.bytes;
        const bool in_data = begin >= memory / 2 && end <= memory / 8 * 7;
        if (is_written(s)) return in_data;
        const size_t code = memory / 8 * 3;
        const bool in_code = end <= code - 8, read_only = !s.runs() && begin >= code && end <= memory / 2;
        return in_code || read_only || (s.written() && in_data);
      };
      if (std::ranges::all_of(object.sections, fits)) return memory;
    }
    return 0;
  }

  // What a loader does. Only addresses within the file.
  void apply_dynamic(const ElfObject& object, const ElfRelocation& r, uint64_t moved) {
    const bool x86 = machine_ == EM_X86_64;
    const bool relative = r.type == (x86 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE);
    const bool symbolic = r.type == (x86 ? R_X86_64_64 : R_AARCH64_ABS64) ||
                          r.type == (x86 ? R_X86_64_GLOB_DAT : R_AARCH64_GLOB_DAT) ||
                          r.type == (x86 ? R_X86_64_JUMP_SLOT : R_AARCH64_JUMP_SLOT);
    if (r.type == 0) return;
    if (!relative && !symbolic) {
      fail("it needs a loader that knows relocation {}: link with -static -nostdlib, or give the object file",
           r.type);
    }
    uint64_t value = moved + static_cast<uint64_t>(r.addend);
    if (symbolic) {
      if (r.symbol >= object.dynamic_symbols.size()) fail("a symbol that is not in its table");
      const ElfSymbol& symbol = object.dynamic_symbols[r.symbol];
      if (symbol.section == SHN_UNDEF && !symbol.is_weak()) {
        fail("it needs {}, which is not in it: link with -static -nostdlib, or give the object file",
             symbol.name);
      }
      value = symbol.section == SHN_UNDEF ? 0 : value + symbol.value;
    }
    const size_t at = places_.offset_of(r.offset + moved);
    if (at + address_bytes > places_.memory_bytes) fail("a relocation outside of what is loaded");
    std::memcpy(image_.data() + at, &value, address_bytes);
  }

  const std::string name_;
  const uint16_t machine_;
  const LinkPlaces& places_;
  const std::span<uint8_t> image_;
  std::deque<ElfObject> objects_;
  std::vector<ElfObject> members_;
  std::vector<std::vector<size_t>> offsets_;  // of objects' sections, in the image
  std::map<std::pair<size_t, size_t>, size_t> commons_;
  std::map<std::string, size_t> stand_ins_;
  std::map<std::string_view, std::optional<Entry>> globals_;
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
