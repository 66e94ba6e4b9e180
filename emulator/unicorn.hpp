// RAII around a Unicorn engine: errors become exceptions; the caller owns the mapped memory.
#pragma once

#include <unicorn/unicorn.h>

#include <cstdint>
#include <memory>
#include <span>

namespace bytecpu {

// Memory that starts and ends on a boundary of the guest's pages, as uc_mem_map_ptr wants it; zero-filled.
class GuestMemory {
 public:
  explicit GuestMemory(size_t bytes);  // rounded up to whole pages of 4 KB

  std::span<uint8_t> bytes() const { return {memory_.get(), size_}; }
  static size_t whole_pages(size_t bytes);

 private:
  struct Unmap {
    size_t size;
    void operator()(uint8_t* memory) const;
  };
  size_t size_;
  std::unique_ptr<uint8_t, Unmap> memory_;
};

class UnicornEngine {
 public:
  // `model`: of the processor, UC_CPU_…; what is left to Unicorn differs between its releases. Throws Error,
  // as every member does, with Unicorn's message and what was attempted.
  UnicornEngine(uc_arch arch, uc_mode mode, int model);

  // Maps `memory` at a guest address, a multiple of 4096; it must outlive the engine.
  void map(uint64_t address, const GuestMemory& memory, uint32_t permissions);
  // The same of whole pages of one.
  void map(uint64_t address, std::span<uint8_t> pages, uint32_t permissions);
  void write_register(int id, uint64_t value);
  // To be called when code in [begin, end) was changed from outside. Not uc_ctl_flush_tlb, which clears a
  // gigabyte.
  void forget_translations(uint64_t begin, uint64_t end);
  // Runs from `begin` until the program counter is `until`.
  void run(uint64_t begin, uint64_t until);

  uc_engine* get() const { return engine_.get(); }

 private:
  struct Close {
    void operator()(uc_engine* engine) const { uc_close(engine); }
  };
  std::unique_ptr<uc_engine, Close> engine_;
};

// Throws Error where this Unicorn does not call hooks on every access to memory, so that records would miss
// some: on aarch64 before 2.1.2 (github.com/unicorn-engine/unicorn/pull/2028). Tried once a process.
void require_memory_hooks();

}  // namespace bytecpu
