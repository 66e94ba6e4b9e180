#include "emulator/native/record.hpp"

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr int least_memory = 256, most_memory = 4096, memory_step = 32;

}  // namespace

Layout make_layout(const Description& d, int memory_bytes) {
  const Places at(d);
  if (memory_bytes < least_memory || memory_bytes > most_memory || memory_bytes % memory_step != 0) {
    throw Error("{} cannot have a memory of {} bytes; use a multiple of {} from {} to {}", d.name,
                memory_bytes, memory_step, least_memory, most_memory);
  }
  BYTECPU_CHECK(at.end % 16 == 0);
  Layout layout{std::string(d.name), memory_bytes, at.end, {}, memory_bytes / 2, record_version};
  auto& fields = layout.fields;
  fields = {{"PC", at.pc, offset_bytes},
            {"INSN", at.insn, d.instruction_bytes},
            {"ACCESS_OFFSET", at.access_offset, offset_bytes},
            {"READ_SIZE", at.read_size, 1},
            {"WRITE_SIZE", at.write_size, 1},
            {"WRITE_VALUE", at.write_value, d.value_bytes}};
  for (const Register& r : d.registers) {
    fields.push_back({r.name, at.registers + 4 * static_cast<int>(&r - d.registers.data()), 4});
  }
  fields.push_back({d.flags_name, at.flags, d.flags_bytes, d.flag_bits});
  return layout;
}

}  // namespace bytecpu::native
