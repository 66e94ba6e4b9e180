// How fast native machines record: fresh straight-line code, where translation dominates, and a loop.
#include <benchmark/benchmark.h>

#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

constexpr int programs = 256;

void straight_line(benchmark::State& state, const char* name) {
  const auto machine = make_machine(name, 1024);
  ProgramOptions options{.min_instructions = 60, .max_instructions = 60};
  options.loop_share = 0;
  options.branch_share = 0;
  uint64_t seed = 0;
  int64_t states = 0;
  TraceBatch batch;
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

// An addition and a branch back to it.
void loop(benchmark::State& state, const char* name, std::string code) {
  const auto machine = make_machine(name, 1024);
  const auto start = test::start_of(*machine, code);
  constexpr uint64_t steps = 100'000;
  TraceBatch batch;
  for (auto _ : state) {
    batch.clear();
    machine->run(start, {.steps = steps}, batch);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * steps));
}

using namespace std::string_literals;
BENCHMARK_CAPTURE(straight_line, x86_64, "x86_64");
BENCHMARK_CAPTURE(straight_line, arm64, "arm64");
BENCHMARK_CAPTURE(straight_line, thumb, "thumb");
BENCHMARK_CAPTURE(loop, x86_64, "x86_64", "\x01\xd8\xeb\xfc"s);
BENCHMARK_CAPTURE(loop, arm64, "arm64", "\x20\x00\x02\x0b\xff\xff\xff\x17"s);
BENCHMARK_CAPTURE(loop, thumb, "thumb", "\x88\x18\xfd\xe7"s);

}  // namespace
}  // namespace bytecpu

BENCHMARK_MAIN();
