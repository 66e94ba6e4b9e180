// Instructions translated one by one, each at an address of its own, so that a translation serves every
// program with that instruction. To translate one alone costs up to twice as much as to translate it with a
// hook within its program; to run it again an eighth (thumb) to a third (arm64) of that.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "emulator/native/instruction_set.hpp"
#include "emulator/unicorn.hpp"

namespace bytecpu::native {

class InstructionPool {
 public:
  InstructionPool(UnicornEngine& engine, const Description& about);

  // Makes room for so many instructions: once there is none, all that were added are forgotten.
  void reserve(size_t instructions);
  size_t size() const { return size_; }
  // An instruction for which Decoded::anywhere holds, as it stands in the pool.
  using Slot = std::array<uint8_t, 16>;
  Slot slot_of(std::span<const uint8_t> instruction, const Displacement& displacement) const;
  uint64_t find(const Slot& slot) const;  // its guest address; 0 where it is not there
  uint64_t add(const Slot& slot);

  enum class Outcome { went_on, branched, failed };  // failed: `error` says why, or a hook knows
  // Runs the instruction at an address in the pool; `bytes`: its length.
  Outcome run(uint64_t address, int bytes, uc_err& error);

 private:
  struct Entry {
    uint8_t slot[12] = {};  // all of it that is used
    uint32_t number = 0;    // counted from 1; 0: the entry is free
  };

  UnicornEngine& engine_;
  const Description& about_;
  GuestMemory memory_;
  size_t size_ = 0;           // instructions, the first at memory_'s start
  std::vector<Entry> table_;  // by hash
};

}  // namespace bytecpu::native
