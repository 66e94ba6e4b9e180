// How fast native machines record: fresh programs, where translation dominates, straight-line ones and ones
// with the machine's own share of branches and loops; and a loop. And what Unicorn allows: such code
// translated with a code hook that does nothing, and not run.
#include <benchmark/benchmark.h>
#include <unicorn/unicorn.h>

#include "emulator/native/native.hpp"
#include "emulator/unicorn.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

constexpr int programs = 256;

int memory_of(std::string_view name) { return name.ends_with("-full") ? 4096 : 1024; }

const ProgramOptions as_drawn{.min_instructions = 60, .max_instructions = 60};
const ProgramOptions straight_line{
    .min_instructions = 60, .max_instructions = 60, .branch_share = 0, .loop_share = 0};

void fresh(benchmark::State& state, const char* name, const ProgramOptions& options) {
  const auto machine = make_machine(name, memory_of(name));
  uint64_t seed = 0;
  int64_t states = 0;
  TraceBatch batch(machine->layout());
  for (auto _ : state) {
    state.PauseTiming();
    const auto starts = test::random_starts(*machine, seed++, programs, options);
    batch.clear();
    state.ResumeTiming();
    machine->run(starts, {}, batch);
    states += (static_cast<int64_t>(batch.bytes.size()) - programs * machine->layout().memory_bytes) /
                  machine->layout().record_bytes -
              programs;
  }
  state.SetItemsProcessed(states);
}

void translation(benchmark::State& state, const char* name, uc_arch arch, uc_mode mode, int model) {
  const auto machine = make_machine(name, memory_of(name));
  GuestMemory code(512);
  UnicornEngine engine(arch, mode, model);
  engine.map(native::code_address, code, UC_PROT_READ | UC_PROT_EXEC);
  uc_hook hook;
  const auto nothing = +[](uc_engine*, uint64_t, uint32_t, void*) {};
  uc_hook_add(engine.get(), &hook, UC_HOOK_CODE, reinterpret_cast<void*>(nothing), nullptr, 1, 0);
  const size_t each = machine->layout().start_bytes();
  uint64_t seed = 0;
  int64_t instructions = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto starts = test::random_starts(*machine, seed++, programs, straight_line);
    state.ResumeTiming();
    for (size_t at = 0; at < starts.size(); at += each) {
      std::memcpy(code.bytes().data(), &starts[at], 512);
      engine.forget_translations(native::code_address, native::code_address + 512);
      uc_tb block{};
      uc_ctl_request_cache(engine.get(), native::code_address, &block);
      instructions += block.icount;
    }
  }
  state.SetItemsProcessed(instructions);
}

// An addition and a branch back to it.
void loop(benchmark::State& state, const char* name, std::string code) {
  const auto machine = make_machine(name, memory_of(name));
  const auto start = test::start_of(*machine, code);
  constexpr uint64_t steps = 100'000;
  TraceBatch batch(machine->layout());
  for (auto _ : state) {
    batch.clear();
    machine->run(start, {.steps = steps}, batch);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * steps));
}

using namespace std::string_literals;
BENCHMARK_CAPTURE(fresh, straight_line_x86_64, "x86_64", straight_line)->Iterations(100);
BENCHMARK_CAPTURE(fresh, straight_line_arm64, "arm64", straight_line)->Iterations(100);
BENCHMARK_CAPTURE(fresh, straight_line_thumb, "thumb", straight_line)->Iterations(100);
BENCHMARK_CAPTURE(fresh, as_drawn_x86_64, "x86_64", as_drawn)->Iterations(100);
BENCHMARK_CAPTURE(fresh, as_drawn_arm64, "arm64", as_drawn)->Iterations(100);
BENCHMARK_CAPTURE(fresh, as_drawn_thumb, "thumb", as_drawn)->Iterations(100);
BENCHMARK_CAPTURE(fresh, as_drawn_x86_64_full, "x86_64-full", as_drawn)->Iterations(100);
BENCHMARK_CAPTURE(fresh, as_drawn_arm64_full, "arm64-full", as_drawn)->Iterations(100);
BENCHMARK_CAPTURE(translation, x86_64, "x86_64", UC_ARCH_X86, UC_MODE_64, UC_CPU_X86_HASWELL);
BENCHMARK_CAPTURE(translation, arm64, "arm64", UC_ARCH_ARM64, UC_MODE_ARM, UC_CPU_ARM64_A72);
BENCHMARK_CAPTURE(loop, x86_64, "x86_64", "\x01\xd8\xeb\xfc"s);
BENCHMARK_CAPTURE(loop, arm64, "arm64", "\x20\x00\x02\x0b\xff\xff\xff\x17"s);
BENCHMARK_CAPTURE(loop, x86_64_full, "x86_64-full", "\x01\xd8\xeb\xfc"s);
BENCHMARK_CAPTURE(loop, arm64_full, "arm64-full", "\x20\x00\x02\x0b\xff\xff\xff\x17"s);
BENCHMARK_CAPTURE(loop, thumb, "thumb", "\x88\x18\xfd\xe7"s);

}  // namespace
}  // namespace bytecpu

BENCHMARK_MAIN();
