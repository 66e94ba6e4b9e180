#include "emulator/native/link/placement.hpp"

#include <algorithm>

#include "emulator/native/link/stand_ins.hpp"

namespace bytecpu::native {
namespace {

size_t align(size_t offset, size_t alignment) {
  return alignment < 2 ? offset : (offset + alignment - 1) / alignment * alignment;
}

bool is_left_out(const ElfSection& s) {
  constexpr uint32_t unwinding = 0x70000001;  // of x86-64
  return !s.loaded() || s.type == SHT_NOTE || s.type == unwinding || s.name == ".eh_frame" ||
         (s.flags & SHF_TLS);
}

// How much --memory makes the regions so long that `bytes` fit `eighths` of it.
size_t memory_for(size_t bytes, size_t eighths) {
  constexpr size_t step = 8192, reserve = 64;
  return align((bytes + reserve) * 8 / eighths, step);
}

}  // namespace

void Placement::add_part(const ElfObject& object, std::string_view section, size_t offset, size_t bytes) {
  const auto file = objects_.size() > 1 ? object.name + ":" : std::string();
  parts_.push_back({file + std::string(section), static_cast<int>(offset), static_cast<int>(bytes)});
}

void Placement::put_section(const SectionPlace& place, size_t offset) {
  const ElfSection& section = at(place);
  offsets_[place.first][place.second] = offset;
  std::ranges::copy(section.contents, image_.begin() + static_cast<std::ptrdiff_t>(offset));
  if (!section.runs() && section.contents.size() < section.bytes) {
    std::ranges::fill(
        image_.subspan(offset + section.contents.size(), section.bytes - section.contents.size()), 0);
  }
  if (section.bytes > 0) add_part(objects_[place.first], section.name, offset, section.bytes);
}

template <typename Wanted>
std::vector<Placement::SectionPlace> Placement::sections_that(Wanted wanted) const {
  std::vector<SectionPlace> result;
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

Placement::Placement(std::string_view name, const std::vector<ElfObject>& objects, const LinkPlaces& places,
                     std::span<uint8_t> image)
    : name_(name), objects_(objects), places_(places), image_(image), read_only_end_(places.read_only) {
  for (const ElfObject& o : objects_) offsets_.emplace_back(o.sections.size(), nowhere);
  for (const auto& place : sections_that([](const ElfSection& s) { return s.runs() && !s.written(); })) {
    const size_t offset = align(code_end_, at(place).alignment);
    take_code(offset, at(place).bytes);
    put_section(place, offset);
  }
  for (const auto& place : sections_that([](const ElfSection& s) { return !s.runs() && !s.written(); })) {
    put_section(place, take_read_only(at(place).bytes, at(place).alignment));
  }
  place_data();
}

void Placement::take_code(size_t offset, size_t bytes) {
  if (offset + bytes > places_.code_bytes) {
    fail("its code takes {} bytes, and {} bytes of memory have room for {}: use --memory {}", offset + bytes,
         places_.memory_bytes, places_.code_bytes, memory_for(offset + bytes, 3));
  }
  code_end_ = offset + bytes;
}

// In its region, or behind the code.
size_t Placement::take_read_only(size_t bytes, size_t alignment) {
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
void Placement::place_data() {
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
  for (size_t i = 0; i < sections.size(); ++i) put_section(sections[i], base + offsets[i]);
  for (size_t i = 0; i < commons.size(); ++i) {
    const auto& [o, s] = commons[i];
    const size_t offset = base + offsets[sections.size() + i];
    commons_[{o, s}] = offset;
    add_part(objects_[o], objects_[o].symbols[s].name, offset, objects_[o].symbols[s].bytes);
  }
}

// Aligned as compilers align functions.
void Placement::add_stand_ins(const std::set<std::string_view>& wanted, uint16_t machine) {
  constexpr size_t alignment = 16;
  for (const std::string_view name : wanted) {
    const auto code = native::stand_in(name, machine);
    if (code.empty()) continue;
    const size_t offset = align(code_end_, alignment);
    take_code(offset, code.size());
    std::ranges::copy(code, image_.begin() + static_cast<std::ptrdiff_t>(offset));
    stand_ins_[std::string(name)] = offset;
    parts_.push_back(
        {fmt::format("{} (stand-in)", name), static_cast<int>(offset), static_cast<int>(code.size())});
  }
}

size_t Placement::add_table(size_t addresses) {
  const size_t bytes = addresses * address_bytes, offset = take_read_only(bytes, address_bytes);
  parts_.push_back({"addresses (GOT)", static_cast<int>(offset), static_cast<int>(bytes)});
  return offset;
}

std::optional<size_t> Placement::stand_in(std::string_view name) const {
  const auto found = stand_ins_.find(name);
  return found == stand_ins_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace bytecpu::native
