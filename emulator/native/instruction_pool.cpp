#include "emulator/native/instruction_pool.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr uint64_t pool_address = InstructionPool::after_instruction;
constexpr size_t most_instructions = 1 << 19;
constexpr size_t first_slot = 2;  // of an instruction
// Offset of the address that next() sets, where no register holds it.
constexpr uint64_t next_cell = 32;
constexpr size_t huge_page = 2 << 20;

size_t hash(const InstructionPool::Key& key) {
  uint64_t low;
  uint32_t high;
  std::memcpy(&low, key.data(), sizeof low);
  std::memcpy(&high, key.data() + sizeof low, sizeof high);
  const uint64_t mixed = (low ^ high * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
  return mixed >> 32;
}

// Writes a jump at an offset in the pool, by its displacement to another one.
void write_jump(const Jump& jump, std::span<uint8_t> pool, size_t at, uint64_t to) {
  const auto code = pool.subspan(at, jump.code.size());
  std::ranges::copy(jump.code, code.begin());
  if (jump.by.width > 0) jump.by.set(code, static_cast<int64_t>(to) - static_cast<int64_t>(at));
}

}  // namespace

InstructionPool::InstructionPool(UnicornEngine& engine, const Description& about)
    : engine_(engine),
      about_(about),
      slot_bytes_(about.full() ? 32 : 16),
      memory_(most_instructions * slot_bytes_),
      size_(first_slot),
      entries_(static_cast<Entry*>(std::aligned_alloc(huge_page, 2 * most_instructions * sizeof(Entry)))),
      table_(entries_.get(), 2 * most_instructions) {
  BYTECPU_CHECK(entries_ != nullptr);
  madvise(entries_.get(), table_.size_bytes(), MADV_HUGEPAGE);
  std::ranges::fill(table_, Entry{});
  engine_.map(pool_address, memory_, UC_PROT_READ | UC_PROT_EXEC);
  for (const auto& [jump, address] :
       {std::pair(&about.went_on, after_instruction), {&about.branched, after_branch}}) {
    write_jump(about.next, memory_.bytes(), address - pool_address, next_cell);
    if (jump->by.width == 0) engine_.write_register(jump->id, address | about.fetch_mode);
  }
}

bool InstructionPool::reserve(size_t instructions) {
  if (size_ + std::min(instructions, most_instructions / 4) <= most_instructions) return false;
  engine_.forget_translations(pool_address, pool_address + size_ * slot_bytes_);
  size_ = first_slot;
  std::ranges::fill(table_, Entry{});
  return true;
}

bool InstructionPool::can_hold(int bytes) const {
  const size_t jumps = about_.went_on.code.size() + about_.branched.code.size();
  return static_cast<size_t>(bytes) <= std::min(sizeof(Key), slot_bytes_ - jumps);
}

InstructionPool::Key InstructionPool::key_of(std::span<const uint8_t> instruction,
                                             const Displacement& displacement) const {
  Key key{};
  BYTECPU_CHECK(instruction.size() <= key.size());
  std::ranges::copy(instruction, key.begin());
  if (displacement.width > 0) {
    displacement.set(std::span(key).first(instruction.size()),
                     static_cast<int64_t>(instruction.size() + about_.went_on.code.size()));
  }
  return key;
}

void InstructionPool::prefetch(const Key& key) const {
  __builtin_prefetch(&table_[hash(key) % table_.size()]);
}

uint64_t InstructionPool::find(const Key& key) const {
  for (size_t at = hash(key) % table_.size(); table_[at].number != 0; at = (at + 1) % table_.size()) {
    if (table_[at].key == key) return pool_address + table_[at].number * slot_bytes_;
  }
  return 0;
}

// A slot holds the instruction and two jumps: a branch goes to the second one.
uint64_t InstructionPool::add(const Key& key, int bytes) {
  BYTECPU_CHECK(can_hold(bytes));
  if (size_ == most_instructions) return 0;
  size_t at = hash(key) % table_.size();
  while (table_[at].number != 0) at = (at + 1) % table_.size();
  table_[at] = {key, static_cast<uint32_t>(size_++)};
  const uint64_t offset = table_[at].number * slot_bytes_;
  const auto pool = memory_.bytes();
  std::copy_n(key.begin(), bytes, pool.begin() + static_cast<std::ptrdiff_t>(offset));
  const size_t jump = offset + static_cast<size_t>(bytes);
  write_jump(about_.went_on, pool, jump, after_instruction - pool_address);
  write_jump(about_.branched, pool, jump + about_.went_on.code.size(), after_branch - pool_address);
  return pool_address + offset;
}

uc_err InstructionPool::run(uint64_t address) {
  return uc_emu_start(engine_.get(), address | about_.fetch_mode, 0, 0, 0);
}

void InstructionPool::next(uint64_t address) {
  if (reads_next()) {
    std::memcpy(memory_.bytes().data() + next_cell, &address, sizeof address);
  } else {
    engine_.write_register(about_.next.id, address | about_.fetch_mode);
  }
}

}  // namespace bytecpu::native
