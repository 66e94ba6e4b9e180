#include "emulator/unicorn.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "emulator/engine_versions.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

void check(uc_err error, std::string_view what) {
  if (error != UC_ERR_OK) throw Error("Unicorn: {}: {}", what, uc_strerror(error));
}

// The pages are the guest's: the host's may be larger, and two mappings must not overlap.
constexpr size_t page = 4096;

uint8_t* allocate(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error("no {} bytes of memory for a machine", bytes);
  return static_cast<uint8_t*>(memory);
}

// Whether of two loads and two stores, at one address, a hook is called for each.
bool hooks_see_every_access() {
  UnicornEngine engine(UC_ARCH_X86, UC_MODE_64, UC_CPU_X86_QEMU64);
  const GuestMemory memory(page);
  constexpr uint8_t code[] = {0x8b, 0x07, 0x8b, 0x07,
                              0x89, 0x07, 0x89, 0x07};  // EAX and the word that RDI points to
  std::ranges::copy(code, memory.bytes().begin());
  constexpr uint64_t address = 0x1000;
  engine.map(address, memory, UC_PROT_ALL);
  engine.write_register(UC_X86_REG_RDI, address + page / 2);
  int seen = 0;
  const auto count =
      +[](uc_engine*, uc_mem_type, uint64_t, int, int64_t, void* user) { ++*static_cast<int*>(user); };
  uc_hook handle;
  check(uc_hook_add(engine.get(), &handle, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
                    reinterpret_cast<void*>(count), &seen, uint64_t{1}, uint64_t{0}),
        "adding a hook");
  engine.run(address, address + sizeof code);
  return seen == 4;
}

}  // namespace

size_t GuestMemory::whole_pages(size_t bytes) { return (bytes + page - 1) / page * page; }

GuestMemory::GuestMemory(size_t bytes) : size_(whole_pages(bytes)), memory_(allocate(size_), Unmap{size_}) {}

void GuestMemory::Unmap::operator()(uint8_t* memory) const { munmap(memory, size); }

UnicornEngine::UnicornEngine(uc_arch arch, uc_mode mode, int model) {
  uc_engine* engine = nullptr;
  check(uc_open(arch, mode, &engine), "making an engine");
  engine_.reset(engine);
  check(uc_ctl_set_cpu_model(engine, model), "setting the processor's model");
}

void UnicornEngine::map(uint64_t address, const GuestMemory& memory, uint32_t permissions) {
  map(address, memory.bytes(), permissions);
}

void UnicornEngine::map(uint64_t address, std::span<uint8_t> pages, uint32_t permissions) {
  check(uc_mem_map_ptr(get(), address, pages.size(), permissions, pages.data()),
        fmt::format("mapping {} bytes at {:#x}", pages.size(), address));
}

void UnicornEngine::write_register(int id, uint64_t value) {
  check(uc_reg_write(get(), id, &value), "writing a register");
}

void UnicornEngine::forget_translations(uint64_t begin, uint64_t end) {
  check(uc_ctl_remove_cache(get(), begin, end), "dropping translations");
}

void UnicornEngine::run(uint64_t begin, uint64_t until) {
  check(uc_emu_start(get(), begin, until, 0, 0), fmt::format("running the code at {:#x}", begin));
}

void require_memory_hooks() {
  static const bool works = hooks_see_every_access();
  if (works) return;
  throw Error(
      "Unicorn {} on this processor does not tell of every access to memory, so records would be wrong: use "
      "2.1.2 or later",
      engine_versions().unicorn);
}

}  // namespace bytecpu
