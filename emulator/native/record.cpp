#include "emulator/native/record.hpp"

#include "emulator/error.hpp"
#include "emulator/native/native.hpp"

namespace bytecpu::native {
namespace {

struct Memory {
  int least, most, step;
};
constexpr Memory compact_memory = {256, 4096, 32}, full_memory = {4096, 16 << 20, 4096};

// Of the full layout: eighths of the memory image.
constexpr int eighths = 8, code_eighths = 3, data_eighths = 4, stack_eighths = 1;

// Of the compact layout's data, not touched by random programs' loads and stores.
constexpr int compact_stack_bytes = 64;

constexpr uint64_t page = 4096;

std::vector<LayoutRegion> regions_of(const Description& d, int memory_bytes, int data_offset) {
  if (!d.full()) return {};
  const Addresses base = addresses_of(d, memory_bytes);
  const int code_end = code_region_bytes(d, memory_bytes),
            stack = memory_bytes - stack_region_bytes(d, memory_bytes);
  const auto address = [&](int offset) {
    return offset < data_offset ? base.code + static_cast<uint64_t>(offset)
                                : base.data + static_cast<uint64_t>(offset - data_offset);
  };
  std::vector<LayoutRegion> regions;
  const auto add = [&](const char* name, int begin, int end) {
    regions.push_back({name, begin, end - begin, address(begin)});
  };
  add("code", 0, code_end);
  add("read-only data", code_end, data_offset);
  add("data", data_offset, stack);
  add("stack", stack, memory_bytes);
  return regions;
}

}  // namespace

Addresses addresses_of(const Description& d, int memory_bytes) {
  if (!d.full()) return {code_address, data_address};
  const auto half = static_cast<uint64_t>(memory_bytes / eighths * data_eighths);
  return {full_code_address, full_code_address + (half + page - 1) / page * page};
}

int code_region_bytes(const Description& d, int memory_bytes) {
  return d.full() ? memory_bytes / eighths * code_eighths : memory_bytes / 2;
}

int stack_region_bytes(const Description& d, int memory_bytes) {
  return d.full() ? memory_bytes / eighths * stack_eighths : compact_stack_bytes;
}

Layout make_layout(const Description& d, int memory_bytes) {
  const Places at(d);
  const auto [least, most, step] = d.full() ? full_memory : compact_memory;
  if (memory_bytes < least || memory_bytes > most || memory_bytes % step != 0) {
    throw Error("{} cannot have a memory of {} bytes; use a multiple of {} from {} to {}", d.name,
                memory_bytes, step, least, most);
  }
  BYTECPU_CHECK(at.end % 16 == 0);
  Layout layout{std::string(d.name), memory_bytes, at.end, {}, memory_bytes / 2, record_version, {}};
  layout.regions = regions_of(d, memory_bytes, layout.data_offset);
  auto& fields = layout.fields;
  fields = {{"PC", at.pc, d.offset_bytes},
            {"INSN", at.insn, d.instruction_bytes},
            {"ACCESS_OFFSET", at.access_offset, d.offset_bytes},
            {"READ_SIZE", at.read_size, 1},
            {"WRITE_SIZE", at.write_size, 1},
            {"WRITE_VALUE", at.write_value, d.value_bytes}};
  for (const Register& r : d.registers) {
    const int index = static_cast<int>(&r - d.registers.data());
    fields.push_back({r.name, at.registers + d.register_bytes * index, d.register_bytes});
  }
  fields.push_back({d.flags_name, at.flags, d.flags_bytes, d.flag_bits});
  return layout;
}

}  // namespace bytecpu::native
