// Instructions translated one by one, each at an address of its own, so that every program with that instruction
// can use the translation. After each instruction the engine calls a hook, which says where to go on, so the
// engine is entered once for many instructions. Translating one instruction alone costs about twice as much as
// translating it within its program, with a hook.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "emulator/native/instruction_set.hpp"
#include "emulator/unicorn.hpp"

namespace bytecpu::native {

class InstructionPool {
 public:
  // The caller puts a code hook on both addresses: the engine comes by after_branch when a branch was taken,
  // by after_instruction otherwise, and the hook names the next() instruction or stops the engine.
  InstructionPool(UnicornEngine& engine, const Description& about);
  static constexpr uint64_t after_instruction = 0x40000000, after_branch = after_instruction + 16;

  // Makes room for so many instructions, or for a quarter of what the pool can have. True: there was none, and all that
  // were added are forgotten.
  bool reserve(size_t instructions);
  size_t size() const { return size_; }

  // An instruction for which Decoded::anywhere holds, zero padded, its displacement the pool's.
  using Key = std::array<uint8_t, 12>;
  bool can_hold(int bytes) const;
  Key key_of(std::span<const uint8_t> instruction, const Displacement& displacement) const;
  // For several keys before the first is looked for: the table is larger than caches.
  void prefetch(const Key& key) const;
  uint64_t find(const Key& key) const;      // its guest address; 0 where it is not there
  uint64_t add(const Key& key, int bytes);  // the same; 0 where there is no room

  // Runs the instruction at an address in the pool, and those that the hook names after it.
  uc_err run(uint64_t address);
  void next(uint64_t address);
  // Whether the engine reads memory to find the next() instruction, before it runs that.
  bool reads_next() const { return about_.next.by.width > 0; }

 private:
  struct Entry {
    Key key = {};
    uint32_t number = 0;  // of its slot; 0: the entry is free
  };

  UnicornEngine& engine_;
  const Description& about_;
  const size_t slot_bytes_;
  GuestMemory memory_;
  size_t size_ = 0;  // slots used; what follows instructions is in the first two
  struct Free {
    void operator()(Entry* entries) const { std::free(entries); }
  };
  std::unique_ptr<Entry[], Free> entries_;  // in huge pages where there are any
  std::span<Entry> table_;                  // entries_, by hash
};

}  // namespace bytecpu::native
