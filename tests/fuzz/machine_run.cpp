// Machines: a byte for which, then memory image and state 0. Any bytes are safe to run, and their trace
// depends on nothing but them.
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace bytecpu;

constexpr uint64_t most_steps = 256;

void expect_same(const Trace& a, const Trace& b, const char* what) {
  fuzz::expect(a.stop == b.stop && std::ranges::equal(a.bytes, b.bytes), what);
}

void check_trace(const Machine& machine, std::span<const uint8_t> start, const Trace& trace) {
  fuzz::expect(trace.is_whole(), "a trace is whole records");
  fuzz::expect(std::ranges::equal(trace.start(), start), "a trace opens with its start");
  fuzz::expect(static_cast<uint64_t>(trace.states()) <= most_steps, "no more steps than asked for");
  fuzz::expect(trace.stop < StopReason::unknown && trace.stop != StopReason::time_limit,
               "why it ended is known");
  std::vector<uint8_t> image(trace.image().begin(), trace.image().end());
  // From 1 on: state 0 is the input's.
  for (int64_t t = 1; t <= trace.states(); ++t) {
    apply_write(machine.layout(), trace.record(t), image);
    const bool known = machine.describe(trace.record(t)).name != "???";
    fuzz::expect(known || (t == trace.states() && trace.stop == StopReason::illegal_instruction),
                 "what was run has a name");
  }
  const int code_bytes = machine.layout().data_offset;
  fuzz::expect(std::equal(image.begin(), image.begin() + code_bytes, start.begin()), "code stays as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t which = input.byte();
  Machine& machine = fuzz::machine(which);
  const Layout& layout = machine.layout();
  std::vector<uint8_t> start(static_cast<size_t>(layout.start_bytes()));
  std::ranges::copy(input.take(start.size()), start.begin());

  TraceBatch first(layout), again(layout);
  machine.run(start, {.steps = most_steps}, first);
  fuzz::expect(first.size() == 1, "a start has a trace");
  const Trace trace = first[0];
  check_trace(machine, start, trace);

  machine.run(start, {.steps = most_steps}, again);
  expect_same(again[0], trace, "run again it is the same");

  // Another machine, another program before it.
  auto two = start;
  std::reverse(two.begin(), two.begin() + layout.memory_bytes);
  two.insert(two.end(), start.begin(), start.end());
  TraceBatch after(layout);
  fuzz::machine(which, 1).run(two, {.steps = most_steps}, after);
  expect_same(after[1], trace, "run after another it is the same");

  if (const int64_t half = trace.states() / 2; half > 0) {
    TraceBatch shorter(layout);
    machine.run(start, {.steps = static_cast<uint64_t>(half)}, shorter);
    expect_same(shorter[0], trace.first(half), "fewer steps are its first ones");
  }
  return 0;
}
