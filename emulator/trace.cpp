#include "emulator/trace.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

uint64_t value_of(const Field& field, std::span<const uint8_t> record) {
  uint64_t value = 0;
  std::memcpy(&value, record.data() + field.offset, static_cast<size_t>(std::min(field.bytes, 8)));
  return value;
}

}  // namespace

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::halted:
      return "halted";
    case StopReason::step_limit:
      return "step limit";
    case StopReason::time_limit:
      return "time limit";
    case StopReason::illegal_instruction:
      return "illegal instruction";
    case StopReason::memory_fault:
      return "memory fault";
    case StopReason::code_write:
      return "write to code";
    case StopReason::divide_error:
      return "divide error";
    case StopReason::unknown:
      return "unknown";
  }
  BYTECPU_CHECK(!"a StopReason");
  return {};
}

void apply_write(const Layout& layout, std::span<const uint8_t> record, std::span<uint8_t> image) {
  const auto field = [&](std::string_view name) {
    const auto found = std::ranges::find(layout.fields, name, &Field::name);
    return found == layout.fields.end() ? nullptr : &*found;
  };
  const Field *offset = field("ACCESS_OFFSET"), *size = field("WRITE_SIZE"), *value = field("WRITE_VALUE");
  if (!offset || !size || !value) return;
  const uint64_t at = value_of(*offset, record), bytes = value_of(*size, record);
  if (bytes > static_cast<uint64_t>(value->bytes) || at > image.size() || bytes > image.size() - at) return;
  std::copy_n(record.begin() + value->offset, bytes, image.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace bytecpu
