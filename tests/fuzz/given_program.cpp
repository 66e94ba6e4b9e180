// A program file as users give it: a byte for the machine, then assembly, a flat binary or an ELF file. What
// is taken has a listing, and runs.
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  fuzz::Input input(data, size);
  Machine& machine = fuzz::machine(input.byte());
  const Layout& layout = machine.layout();
  std::vector<uint8_t> start;
  if (!fuzz::accepted([&] { start = machine.load_program(input.text(), "input"); })) return 0;
  fuzz::expect(std::ssize(start) == layout.memory_bytes, "an image is as long as the memory");
  fuzz::expect(!machine.disassemble(start).empty(), "a program has a listing");
  const auto state = machine.first_state();
  fuzz::expect(std::ssize(state) == layout.record_bytes, "state 0 is a record");
  start.insert(start.end(), state.begin(), state.end());
  TraceBatch traces(layout);
  machine.run(start, {.steps = 256}, traces);
  fuzz::expect(traces.size() == 1 && traces[0].is_whole(), "a program has a trace");
  return 0;
}
