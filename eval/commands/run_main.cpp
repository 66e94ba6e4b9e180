// bytecpu-run: runs one program on Unicorn and, given a checkpoint, on the model in lockstep; shows where
// they differ. Exit code 0: they agree; 3: they differ; 1: the program ends in a fault, or is longer than the
// model takes; 2: bad usage; 130: interrupted.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "datagen/io/cli.hpp"
#include "datagen/programs/show.hpp"
#include "datagen/programs/start.hpp"
#include "emulator/machine.hpp"
#include "eval/commands/lockstep.hpp"
#include "eval/predictors/baselines.hpp"
#include "eval/predictors/model_predictor.hpp"

namespace bytecpu {
namespace {

constexpr int exit_parted = 3, exit_interrupted = 130;

volatile std::sig_atomic_t interrupted = 0;  // by SIGINT; a second one ends the program at once

struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

struct Values {
  StartOptions start;
  std::string checkpoint, baseline, machine;
  PredictorOptions predictor;
  std::optional<int> memory_bytes;
  int64_t steps = 1000;
  bool free = false, json = false;
};

OptionList options(Values& v) {
  OptionList field;
  start_options(field, v.start);
  field(v.checkpoint, "checkpoint", text("RUN"),
        "a trained model: a run's folder, a checkpoint's, or a safetensors file of bGPT weights");
  predictor_options(field, v.predictor);
  field(v.baseline, "predictor", one_of({"copy", "oracle"}),
        "in the model's place, as of bytecpu-eval baseline");
  field(v.machine, "machine", one_of(machine_names()), "default: the model's, else toy8");
  field(v.memory_bytes, "memory", at_least(1),
        "bytes of memory; default: the model's, else 1024, of -full machines 65536");
  field(v.steps, "steps", at_least(1), "run for at most N states");
  field(v.free, "free", "let the model run on its own states; else it gets the true one after every step");
  field(v.json, "json", "print JSON instead of the table");
  return field;
}

struct Subject {
  std::unique_ptr<Machine> machine;
  std::unique_ptr<Predictor> model;  // may be null
};

Subject make_subject(Values& v, const OptionList& given) {
  Subject subject;
  if (!v.checkpoint.empty() && !v.baseline.empty())
    throw UsageError("give --checkpoint or --predictor, not both");
  if (v.checkpoint.empty()) {
    given.refuse("goes with --checkpoint", v.predictor.threads, v.predictor.precision, v.predictor.device);
    if (v.baseline.empty()) given.refuse("goes with --checkpoint or --predictor", v.free);
  }
  std::string name = v.machine.empty() ? "toy8" : v.machine;
  int memory_bytes = v.memory_bytes.value_or(usual_memory(name));
  if (!v.checkpoint.empty()) {
    v.predictor.machine = name;
    v.predictor.memory_bytes = memory_bytes;
    subject.model = load_model_predictor(v.checkpoint, v.predictor);
    const Layout& of_model = subject.model->layout();
    if ((!v.machine.empty() && v.machine != of_model.machine) ||
        (v.memory_bytes && *v.memory_bytes != of_model.memory_bytes)) {
      throw UsageError("the model is of {} with {} bytes of memory; leave --machine and --memory out",
                       of_model.machine, of_model.memory_bytes);
    }
    name = of_model.machine;
    memory_bytes = of_model.memory_bytes;
  }
  subject.machine = as_usage([&] { return make_machine(name, memory_bytes); });
  if (!v.baseline.empty()) subject.model = make_baseline(v.baseline, subject.machine->layout());
  return subject;
}

// Shows both, row by row as they come.
Lockstep run_both(const Values& v, const Subject& subject, std::span<const uint8_t> start) {
  const bool colour = ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR");
  struct sigaction once = {};
  once.sa_handler = [](int) { interrupted = 1; };
  once.sa_flags = SA_RESETHAND | SA_RESTART;
  ::sigaction(SIGINT, &once, nullptr);
  const auto show = [&](const Lockstep& lockstep, int64_t first, int64_t last) {
    if (v.json) return !interrupted;
    if (first == 1) fmt::print("{}\n{}\n", lockstep_heading(lockstep), lockstep_row(lockstep, 0, colour));
    for (int64_t t = first; t <= last && !interrupted; ++t)
      fmt::print("{}\n", lockstep_row(lockstep, t, colour));
    cli::flush();
    return !interrupted;
  };
  auto lockstep = run_lockstep(*subject.machine, *subject.model, start, v.steps, v.free, show);
  if (interrupted) throw Interrupted();
  if (v.json) {
    fmt::print("{}\n", json_text(lockstep_json(lockstep), 1));
  } else {
    fmt::print("\n{}\n", lockstep_verdict(lockstep));
  }
  return lockstep;
}

// Returns whether machine and model differ.
bool run(Values& v, const OptionList& given) {
  const Subject subject = make_subject(v, given);
  Machine& machine = *subject.machine;
  const auto start = make_start(machine, v.start);
  TraceBatch run(machine.layout());
  bool parted = false;
  if (subject.model) {
    auto lockstep = run_both(v, subject, start);
    parted = lockstep.first_difference().has_value();
    if (lockstep.cut && !parted) {
      throw Error("{}: the model takes no more than {} states", v.start.program, lockstep.predicted.size());
    }
    run = std::move(lockstep.run);
  } else {
    machine.run(start, {.steps = static_cast<uint64_t>(v.steps)}, run);
    fmt::print("{}", v.json ? json_text(trace_json(machine, run[0]), 1) + "\n" : trace_text(machine, run[0]));
  }
  cli::flush();
  refuse_fault(v.start, machine, run[0]);
  return parted;
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) {
  using namespace bytecpu;
  cli::prepare_compute(argv);
  Values values;
  bool parted = false;
  const std::string summary =
      "Runs a program on Unicorn and, given a checkpoint, on the model in lockstep; shows where they "
      "differ.\n"
      "Exit code 0: it halts, or runs for --steps, and they agree; 3: they differ; 1: the program ends in a\n"
      "fault or is longer than the model takes; 2: bad usage.";
  const int code = cli::main("bytecpu-run", summary,
                             {{.name = "",
                               .summary = summary,
                               .usage = "PROGRAM [options]",
                               .options = options(values),
                               .run = [&](const OptionList& given) { parted = run(values, given); }}},
                             argc, argv);
  return interrupted ? exit_interrupted : code == 0 && parted ? exit_parted : code;
}
