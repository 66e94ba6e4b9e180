#include "emulator/native/link/linker.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "emulator/error.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/link/archive.hpp"
#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/link/executable.hpp"
#include "emulator/native/link/find_function.hpp"
#include "emulator/native/link/placement.hpp"
#include "emulator/native/link/relocation.hpp"

namespace bytecpu::native {
namespace {

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
  static constexpr size_t nowhere = Placement::nowhere;
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

  Linked link(const SymbolPlace& entry) {
    definitions_ = definitions();
    placed_.emplace(name_, objects_, places_, image_);
    placed_->add_stand_ins(undefined(), machine_);
    add_table();
    for_relocations([&](size_t o, size_t s, const ElfRelocation& r) { relocate(o, s, r); });
    std::ranges::sort(linked_.references, {}, &Linked::Reference::at);
    list_functions();
    const ElfSymbol& symbol = objects_[entry.object].symbols[entry.symbol];
    const size_t section =
        symbol.section < SHN_LORESERVE ? placed_->section(entry.object, symbol.section) : nowhere;
    if (section == nowhere || symbol.value >= objects_[entry.object].sections[symbol.section].bytes)
      fail("{} does not lie in code that is loaded", symbol.name);
    linked_.entry = section + symbol.value;
    linked_.function = symbol.name;
    linked_.parts = std::move(*placed_).parts();
    return std::move(linked_);
  }

  void list_functions() {
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (const ElfSymbol& s : objects_[o].symbols) {
        if (!s.is_function() || s.section >= SHN_LORESERVE || placed_->section(o, s.section) == nowhere)
          continue;
        const size_t begin = placed_->section(o, s.section) + s.value;
        if (s.value < places_.memory_bytes && s.bytes < places_.memory_bytes)
          linked_.functions.emplace_back(begin, begin + s.bytes);
      }
    }
    std::ranges::sort(linked_.functions);
  }

  // Names from outside.
  std::set<std::string_view> undefined() const {
    std::set<std::string_view> names;
    for (const ElfObject& object : objects_) {
      for (const ElfSymbol& s : object.symbols) {
        if (s.section == SHN_UNDEF && !s.name.empty() && !definitions_.contains(s.name)) names.insert(s.name);
      }
    }
    return names;
  }

  // Calls `use` of every relocation of what is loaded, with its object and section.
  template <typename Use>
  void for_relocations(Use use) const {
    for (size_t o = 0; o < objects_.size(); ++o) {
      for (size_t s = 0; s < objects_[o].sections.size(); ++s) {
        if (placed_->section(o, s) == nowhere) continue;
        for (const ElfRelocation& r : objects_[o].sections[s].relocations) use(o, s, r);
      }
    }
  }

  // Places that hold addresses, for code that goes by them.
  void add_table() {
    std::set<std::pair<std::string, size_t>> entries;
    for_relocations([&](size_t o, size_t, const ElfRelocation& r) {
      const auto kind = relocation_kind(machine_, r.type);
      if (kind && kind->by_table) entries.insert(key_of(o, r.symbol));
    });
    if (!entries.empty()) table_end_ = placed_->add_table(entries.size());
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
      if (const auto offset = placed_->stand_in(symbol.name))
        return {.offset = *offset, .name = std::string(symbol.name)};
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
      target.offset = placed_->common(entry.object, entry.symbol);
    } else if (symbol.section >= SHN_LORESERVE) {
      target.outside = true;
    } else {
      const ElfSection& section = objects_[entry.object].sections[symbol.section];
      const size_t offset = placed_->section(entry.object, symbol.section);
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
    const size_t at = placed_->section(o, s) + r.offset;
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
  std::optional<Placement> placed_;
  std::map<std::string_view, SymbolPlace> definitions_;
  std::map<std::pair<std::string, size_t>, size_t> table_;  // of addresses
  size_t table_end_ = 0;                                    // of its entries so far, in the image
  Linked linked_{};
};

}  // namespace

Linked link(std::string_view contents, std::string_view name, std::string_view function, uint16_t machine,
            const LinkPlaces& places, std::span<uint8_t> image) {
  Linker linker(name, machine, places, image);
  return is_archive(contents) ? linker.archive(contents, function) : linker.object(contents, function);
}

}  // namespace bytecpu::native
