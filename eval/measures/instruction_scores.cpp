#include <algorithm>

#include "eval/measures/metrics.hpp"

namespace bytecpu {
namespace {

bool same(const Field& field, const uint8_t* a, const uint8_t* b) {
  return std::equal(a + field.offset, a + field.offset + field.bytes, b + field.offset);
}

bool is_zero(const Field& field, const uint8_t* record) {
  return std::all_of(record + field.offset, record + field.offset + field.bytes,
                     [](uint8_t byte) { return byte == 0; });
}

}  // namespace

void InstructionScores::add(const Layout& layout, const Instruction& instruction, const uint8_t* truth,
                            const uint8_t* predicted) {
  const bool right = predicted && std::equal(truth, truth + layout.record_bytes, predicted);
  by_operation[std::string(instruction.name)].add(right);
  by_group[std::string(instruction.group)].add(right);

  bool any = false, all_right = predicted != nullptr;
  for (const Field& field : layout.fields) {
    if (instruction.group == "branch" && field.name == "PC")
      branches.add(predicted && same(field, truth, predicted));
    const bool of_write = field.name.starts_with("WRITE_");
    if (!of_write && field.name != "ACCESS_OFFSET") continue;
    if (of_write) any = any || !is_zero(field, truth) || (predicted && !is_zero(field, predicted));
    all_right = all_right && same(field, truth, predicted);
  }
  if (any) writes.add(all_right);
}

}  // namespace bytecpu
