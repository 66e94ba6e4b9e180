// Writes the records of a run: what the engine's registers are, and which memory the instruction before has accessed.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "emulator/native/instruction_set.hpp"
#include "emulator/native/native.hpp"
#include "emulator/native/record.hpp"
#include "emulator/unicorn.hpp"

namespace bytecpu::native {

class Recorder {
 public:
  // All must outlive it.
  Recorder(const InstructionSet& set, const Layout& layout, const UnicornEngine& engine);

  // A new run: gives the engine the registers of state 0. Throws Error.
  void begin(std::span<const uint8_t> state);
  // The next record goes to the end of `out`. `writes`: in the full layout, registers that the instruction may write.
  void add(uint64_t offset, std::span<const uint8_t> instruction, uint32_t writes, std::vector<uint8_t>& out);
  // In the full layout: that none of the record that was added last has changed unseen.
  void check_registers(std::span<const uint8_t> out);

  // What the instruction that runs accesses, or why it may not. Of a read across two pages the engine tells twice
  // more, for what is read of each. A pair of loads, or of stores, that lie one after the other is one access.
  std::optional<StopReason> on_read(uint64_t address, uint64_t size);
  std::optional<StopReason> on_write(uint64_t address, uint64_t size, uint64_t value);

 private:
  // Of PC and ACCESS_OFFSET.
  void store_offset(uint8_t* at, uint64_t offset) const {
    if (full_) {
      store(at, offset, 4);
    } else {
      store(at, offset, 2);
    }
  }
  // Padded with zeros. By hand, as lengths that the compiler does not know are calls.
  void write_instruction(uint8_t* at, std::span<const uint8_t> instruction) const {
    const int most = about_.instruction_bytes, bytes = std::min(static_cast<int>(instruction.size()), most);
    for (int i = 0; i < bytes; ++i) at[i] = instruction[static_cast<size_t>(i)];
    for (int i = bytes; i < most; ++i) at[i] = 0;
  }
  void read_registers();
  void read_all_registers();
  std::optional<uint64_t> image_offset(uint64_t address, uint64_t size) const;
  uint64_t note_access(int size_at, uint64_t offset, uint64_t size);

  const InstructionSet& set_;
  const Description& about_;
  const Layout& layout_;
  const UnicornEngine& engine_;
  const Places at_;
  const Addresses address_;
  const bool full_;
  const uint64_t fixed_bytes_, data_bytes_;
  // Unicorn's, of flags and registers, as records hold them; their values, and pointers to those.
  std::vector<int> ids_;
  std::vector<uint64_t> values_;
  std::vector<void*> pointers_;
  std::vector<uint8_t> record_;  // the next one; it has the access of the last instruction
  uint32_t written_ = 0;         // registers, since the last record, of the full layout
  int inner_reads_ = 0;          // that Unicorn still makes of a read across two pages
};

// Of every step, so in the loops that run it.

inline void Recorder::add(uint64_t offset, std::span<const uint8_t> instruction, uint32_t writes,
                          std::vector<uint8_t>& out) {
  uint8_t* record = record_.data();
  store_offset(record + at_.pc, offset);
  write_instruction(record + at_.insn, instruction);
  if (full_) {
    read_registers();
    written_ = writes;
  } else {
    read_all_registers();
  }
  out.insert(out.end(), record_.begin(), record_.end());
  if (record[at_.read_size] | record[at_.write_size])
    std::memset(record + at_.access_offset, 0, at_.registers - at_.access_offset);
}

inline void Recorder::read_all_registers() {
  uint8_t* registers = record_.data() + at_.registers;
  const uint64_t* values = values_.data();
  const size_t count = values_.size() - 1;
  uc_reg_read_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(count + 1));
  record_[static_cast<size_t>(at_.flags)] = set_.pack_flags(static_cast<uint32_t>(values[0]));
  if (full_) {
    std::memcpy(registers, values + 1, 8 * count);
  } else {
    for (size_t i = 0; i < count; ++i) store(registers + 4 * i, values[i + 1], 4);
  }
}

}  // namespace bytecpu::native
