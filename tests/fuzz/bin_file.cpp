// A .bin file: a byte for the machine, then what may be a trace, as `inspect` and `import` take it.
#include "datagen/dataset/bin_files.hpp"
#include "datagen/programs/run.hpp"
#include "datagen/programs/show.hpp"
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  fuzz::Input input(data, size);
  Machine& machine = fuzz::machine(input.byte());
  const auto bytes = input.rest();
  if (!fuzz::accepted([&] { check_trace_length("input", bytes.size(), machine.layout()); })) return 0;
  TraceBatch traces(machine.layout());
  traces.add({machine.layout(), bytes, StopReason::unknown});
  fuzz::expect(traces[0].is_whole(), "a trace of the right length is whole");
  find_stops(machine, traces);
  fuzz::expect(!trace_text(machine, traces[0]).empty(), "a trace has a text");
  fuzz::expect(!trace_json(machine, traces[0]).dump().empty(), "a trace has a text");
  fuzz::expect(bin_file_name(machine, traces[0].image()).size() == 36, "a program has a name");
  return 0;
}
