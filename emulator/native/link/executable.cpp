#include "emulator/native/link/executable.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"
#include "emulator/native/link/find_function.hpp"

namespace bytecpu::native {
namespace {

class Loader {
 public:
  Loader(const ElfObject& object, std::string_view name, uint16_t machine, const LinkPlaces& places,
         std::span<uint8_t> image)
      : object_(object),
        name_(name),
        machine_(machine),
        places_(places),
        image_(image),
        moved_(object.type == ET_DYN ? places.code : 0) {}

  Linked load(std::string_view function) {
    for (const ElfSection& section : object_.sections) {
      if (!section.loaded() || section.bytes == 0 || section.type == SHT_NOTE ||
          section.name == ".eh_frame" || section.name == ".interp" ||
          (section.flags & SHF_TLS && section.type == SHT_NOBITS)) {
        continue;
      }
      const size_t offset = place_of(section);
      std::ranges::copy(section.contents, image_.begin() + static_cast<std::ptrdiff_t>(offset));
      linked_.parts.push_back(
          {std::string(section.name), static_cast<int>(offset), static_cast<int>(section.bytes)});
    }
    for (const ElfRelocation& r : object_.dynamic_relocations) apply_dynamic(r);
    uint64_t address = object_.entry + moved_;
    linked_.function = "its entry";
    if (!function.empty()) {
      const SymbolPlace found = find_function({&object_, 1}, name_, function);
      address = object_.symbols[found.symbol].value + moved_;
      linked_.function = function;
    } else if (object_.entry == 0) {
      fail("it has no entry: give --function");
    }
    linked_.entry = places_.offset_of(address);
    if (linked_.entry >= places_.code_bytes) fail("{} is not in the code", linked_.function);
    return std::move(linked_);
  }

 private:
  // Of what is written some is written by the loader alone.
  static bool is_written(const ElfSection& section) {
    constexpr std::string_view by_loader[] = {".dynamic",     ".got",        ".got.plt",
                                              ".data.rel.ro", ".init_array", ".fini_array"};
    return section.written() && std::ranges::find(by_loader, section.name) == std::end(by_loader);
  }

  size_t place_of(const ElfSection& section) const {
    const uint64_t address = section.address + moved_;
    const size_t offset = places_.offset_of(address);
    const bool data = section.written() && offset >= places_.fixed_bytes;
    const bool behind_code = !section.runs() && offset >= places_.read_only;
    const size_t end = data                  ? places_.fixed_bytes + places_.data_bytes
                       : is_written(section) ? 0
                       : behind_code         ? places_.fixed_bytes
                                             : places_.code_bytes;
    if (offset < end && section.bytes <= end - offset) return offset;
    if (const size_t memory = memory_that_fits()) {
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
  size_t memory_that_fits() const {
    constexpr size_t step = 8192, most = 16 << 20;
    for (size_t memory = step; memory <= most; memory += step) {
      const auto fits = [&](const ElfSection& s) {
        if (!s.loaded() || s.bytes == 0) return true;
        const uint64_t begin = s.address + moved_ - places_.code, end = begin + s.bytes;
        const bool in_data = begin >= memory / 2 && end <= memory / 8 * 7;
        if (is_written(s)) return in_data;
        const size_t code = memory / 8 * 3;
        const bool in_code = end <= code - 8, read_only = !s.runs() && begin >= code && end <= memory / 2;
        return in_code || read_only || (s.written() && in_data);
      };
      if (std::ranges::all_of(object_.sections, fits)) return memory;
    }
    return 0;
  }

  // What a loader does. Only addresses within the file.
  void apply_dynamic(const ElfRelocation& r) {
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
    uint64_t value = moved_ + static_cast<uint64_t>(r.addend);
    if (symbolic) {
      if (r.symbol >= object_.dynamic_symbols.size()) fail("a symbol that is not in its table");
      const ElfSymbol& symbol = object_.dynamic_symbols[r.symbol];
      if (symbol.section == SHN_UNDEF && !symbol.is_weak()) {
        fail("it needs {}, which is not in it: link with -static -nostdlib, or give the object file",
             symbol.name);
      }
      value = symbol.section == SHN_UNDEF ? 0 : value + symbol.value;
    }
    const size_t at = places_.offset_of(r.offset + moved_);
    if (at + address_bytes > places_.memory_bytes) fail("a relocation outside of what is loaded");
    std::memcpy(image_.data() + at, &value, address_bytes);
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }

  const ElfObject& object_;
  const std::string_view name_;
  const uint16_t machine_;
  const LinkPlaces& places_;
  const std::span<uint8_t> image_;
  const uint64_t moved_;  // of a shared one: where its address 0 is
  Linked linked_{};
};

}  // namespace

Linked load_executable(const ElfObject& object, std::string_view name, std::string_view function,
                       uint16_t machine, const LinkPlaces& places, std::span<uint8_t> image) {
  return Loader(object, name, machine, places, image).load(function);
}

}  // namespace bytecpu::native
