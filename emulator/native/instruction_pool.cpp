#include "emulator/native/instruction_pool.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr uint64_t pool_address = 0x1000000;
constexpr size_t most_instructions = 1 << 19;

size_t hash(const InstructionPool::Slot& slot) {
  uint64_t low, high;
  std::memcpy(&low, slot.data(), sizeof low);
  std::memcpy(&high, slot.data() + sizeof low, sizeof high);
  const uint64_t mixed = (low ^ high * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
  return mixed >> 32;
}

}  // namespace

InstructionPool::InstructionPool(UnicornEngine& engine, const Description& about)
    : engine_(engine),
      about_(about),
      memory_(most_instructions * sizeof(Slot)),
      table_(2 * most_instructions) {
  BYTECPU_CHECK(about.instruction_bytes + 2 * about.wait.size() <= sizeof Entry::slot);
  engine_.map(pool_address, memory_, UC_PROT_READ | UC_PROT_EXEC);
}

void InstructionPool::reserve(size_t instructions) {
  if (size_ + instructions <= most_instructions) return;
  engine_.forget_translations(pool_address, pool_address + size_ * sizeof(Slot));
  size_ = 0;
  std::ranges::fill(table_, Entry{});
}

// A slot holds the instruction and two that wait: a branch goes to the second one.
InstructionPool::Slot InstructionPool::slot_of(std::span<const uint8_t> instruction,
                                               const Displacement& displacement) const {
  Slot slot{};
  const size_t bytes = instruction.size(), wait = about_.wait.size();
  std::ranges::copy(instruction, slot.begin());
  if (displacement.width > 0)
    displacement.set(std::span(slot).first(bytes), static_cast<int64_t>(bytes + wait));
  std::ranges::copy(about_.wait, slot.begin() + bytes);
  std::ranges::copy(about_.wait, slot.begin() + bytes + wait);
  return slot;
}

uint64_t InstructionPool::find(const Slot& slot) const {
  for (size_t at = hash(slot) % table_.size(); table_[at].number != 0; at = (at + 1) % table_.size()) {
    if (std::memcmp(table_[at].slot, slot.data(), sizeof table_[at].slot) == 0)
      return pool_address + (table_[at].number - 1) * sizeof slot;
  }
  return 0;
}

uint64_t InstructionPool::add(const Slot& slot) {
  size_t at = hash(slot) % table_.size();
  while (table_[at].number != 0) at = (at + 1) % table_.size();
  std::memcpy(table_[at].slot, slot.data(), sizeof table_[at].slot);
  const size_t offset = size_ * sizeof slot;
  std::memcpy(memory_.bytes().data() + offset, slot.data(), sizeof slot);
  table_[at].number = static_cast<uint32_t>(++size_);
  return pool_address + offset;
}

InstructionPool::Outcome InstructionPool::run(uint64_t address, int bytes, uc_err& error) {
  error = uc_emu_start(engine_.get(), address | about_.fetch_mode, 0, 0, 0);
  if (error != UC_ERR_OK) return Outcome::failed;
  uint64_t pc = 0;
  uc_reg_read(engine_.get(), about_.pc_id, &pc);
  const uint64_t waited = pc - address - bytes, wait = about_.wait.size();
  return waited == wait ? Outcome::went_on : waited == 2 * wait ? Outcome::branched : Outcome::failed;
}

}  // namespace bytecpu::native
