// bytecpu-datagen trace: runs one given program.
#include "datagen/commands/commands.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/program_options.hpp"
#include "datagen/programs/show.hpp"
#include "datagen/programs/start.hpp"

namespace bytecpu {
namespace {

struct Values {
  StartOptions start;
  MachineOptions machine;
  uint64_t steps = 65536;
  std::filesystem::path out;
  bool json = false;
};

OptionList options(Values& v) {
  OptionList field;
  start_options(field, v.start);
  machine_options(field, v.machine.name, v.machine.memory_bytes);
  field(v.steps, "steps", at_least(0), "run at most N steps");
  field(v.out, "out", text("FILE.bin"), "write the trace to this file too");
  field(v.json, "json", "print JSON");
  return field;
}

void run(Values& v, const OptionList& given) {
  fit_memory(given, v.machine.name, v.machine.memory_bytes);
  const auto machine = as_usage([&] { return make_machine(v.machine.name, v.machine.memory_bytes); });
  const auto start = make_start(*machine, v.start);
  TraceBatch traces(machine->layout());
  machine->run(start, {.steps = v.steps}, traces);
  const Trace trace = traces[0];
  if (!v.out.empty()) write_file(v.out, std::span(&trace.bytes, 1));
  print_trace(*machine, trace, v.json);
  cli::flush();
  refuse_fault(v.start, *machine, trace);
}

}  // namespace

void print_trace(const Machine& machine, const Trace& trace, bool json) {
  fmt::print("{}", json ? json_text(trace_json(machine, trace)) + "\n" : trace_text(machine, trace));
}

cli::Command trace_command() {
  return cli::command<Values>(
      "trace",
      "Runs one given program and shows its trace.\n"
      "Exit code 0: it halts, or runs for --steps; 1: it ends in a fault; 2: bad usage.",
      "PROGRAM [options]", options, run);
}

}  // namespace bytecpu
