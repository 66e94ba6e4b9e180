#include "emulator/native/instruction_pool.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr uint64_t pool_address = InstructionPool::after_instruction;
constexpr size_t most_instructions = 1 << 19;
constexpr size_t slot_bytes = 16;
constexpr size_t first_slot = 2;  // of an instruction
constexpr size_t huge_page = 2 << 20;

size_t hash(const InstructionPool::Key& key) {
  uint64_t low;
  uint32_t high;
  std::memcpy(&low, key.data(), sizeof low);
  std::memcpy(&high, key.data() + sizeof low, sizeof high);
  const uint64_t mixed = (low ^ high * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
  return mixed >> 32;
}

}  // namespace

InstructionPool::InstructionPool(UnicornEngine& engine, const Description& about)
    : engine_(engine),
      about_(about),
      memory_(most_instructions * slot_bytes),
      size_(first_slot),
      entries_(static_cast<Entry*>(std::aligned_alloc(huge_page, 2 * most_instructions * sizeof(Entry)))),
      table_(entries_.get(), 2 * most_instructions) {
  BYTECPU_CHECK(entries_ != nullptr);
  madvise(entries_.get(), table_.size_bytes(), MADV_HUGEPAGE);
  std::ranges::fill(table_, Entry{});
  engine_.map(pool_address, memory_, UC_PROT_READ | UC_PROT_EXEC);
  for (const uint64_t address : {after_instruction, after_branch}) {
    std::ranges::copy(about.next.code, memory_.bytes().begin() + (address - pool_address));
  }
  engine_.write_register(about.went_on.id, after_instruction | about.fetch_mode);
  engine_.write_register(about.branched.id, after_branch | about.fetch_mode);
}

void InstructionPool::reserve(size_t instructions) {
  if (size_ + instructions <= most_instructions) return;
  engine_.forget_translations(pool_address, pool_address + size_ * slot_bytes);
  size_ = first_slot;
  std::ranges::fill(table_, Entry{});
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
    if (table_[at].key == key) return pool_address + table_[at].number * slot_bytes;
  }
  return 0;
}

// A slot holds the instruction and two jumps: a branch goes to the second one.
uint64_t InstructionPool::add(const Key& key, int bytes) {
  BYTECPU_CHECK(bytes + about_.went_on.code.size() + about_.branched.code.size() <= slot_bytes);
  size_t at = hash(key) % table_.size();
  while (table_[at].number != 0) at = (at + 1) % table_.size();
  table_[at] = {key, static_cast<uint32_t>(size_++)};
  const uint64_t offset = table_[at].number * slot_bytes;
  auto end = std::copy_n(key.begin(), bytes, memory_.bytes().begin() + offset);
  end = std::ranges::copy(about_.went_on.code, end).out;
  std::ranges::copy(about_.branched.code, end);
  return pool_address + offset;
}

uc_err InstructionPool::run(uint64_t address) {
  return uc_emu_start(engine_.get(), address | about_.fetch_mode, 0, 0, 0);
}

void InstructionPool::next(uint64_t address) {
  engine_.write_register(about_.next.id, address | about_.fetch_mode);
}

}  // namespace bytecpu::native
