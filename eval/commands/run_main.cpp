// bytecpu-run: runs one program on Unicorn and, given a checkpoint, on the model in lockstep; shows where
// they differ. Exit code 0: they agree; 3: they differ; 1: the program ends in a fault, or is longer than the
// model takes; 2: bad usage; 130: interrupted.
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/show.hpp"
#include "emulator/machine.hpp"
#include "eval/commands/lockstep.hpp"
#include "eval/predictors/baselines.hpp"
#include "eval/predictors/model_predictor.hpp"

namespace bytecpu {
namespace {

namespace po = boost::program_options;

constexpr int exit_parted = 3, exit_interrupted = 130;

volatile std::sig_atomic_t interrupted = 0;  // by SIGINT; a second one ends the program at once

struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// Sets a field of the record, as in "A=5" or "X0=0xff".
void set_field(const Layout& layout, const std::string& assignment, std::span<uint8_t> record) {
  const auto equals = assignment.find('=');
  const std::string name = assignment.substr(0, equals);
  const auto field = std::ranges::find(layout.fields, name, &Field::name);
  if (equals == assignment.npos || field == layout.fields.end()) {
    std::vector<std::string> names;
    for (const Field& f : layout.fields) names.push_back(f.name);
    throw UsageError("--set {}: write FIELD=VALUE with one of {}", assignment, fmt::join(names, ", "));
  }
  std::string_view digits = std::string_view(assignment).substr(equals + 1);
  const bool hex = digits.starts_with("0x");
  if (hex) digits.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  const bool fits = field->bytes >= 8 || value >> (8 * field->bytes) == 0;
  if (error != std::errc() || end != digits.data() + digits.size() || !fits) {
    throw UsageError("--set {}: use a number of at most {} byte{}, decimal or 0x…", assignment, field->bytes,
                     field->bytes == 1 ? "" : "s");
  }
  for (int i = 0; i < field->bytes; ++i) {
    record[static_cast<size_t>(field->offset + i)] = i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : 0;
  }
}

// Returns whether machine and model differ.
bool run(const po::variables_map& options) {
  if (!options.count("program")) throw UsageError("which program? See bytecpu-run --help");
  const auto steps = options["steps"].as<int64_t>();
  if (steps < 1) throw UsageError("--steps is {}; use 1 or more", steps);
  if (options.count("checkpoint") && options.count("predictor"))
    throw UsageError("give --checkpoint or --predictor, not both");
  std::unique_ptr<Predictor> model;
  Layout wanted{"toy8", 1024, 16, {}};
  const auto set_what_is_given = [&] {
    if (options.count("machine")) wanted.machine = options["machine"].as<std::string>();
    if (options.count("memory")) wanted.memory_bytes = options["memory"].as<int>();
  };
  set_what_is_given();
  if (options.count("checkpoint")) {
    PredictorOptions predictor;
    predictor.machine = wanted.machine;
    predictor.memory_bytes = wanted.memory_bytes;
    model = load_model_predictor(options["checkpoint"].as<std::string>(), predictor);
    wanted = model->layout();
    set_what_is_given();
  }
  if (model &&
      (wanted.machine != model->layout().machine || wanted.memory_bytes != model->layout().memory_bytes)) {
    throw UsageError("the model is of {} with {} bytes of memory; leave --machine and --memory out",
                     model->layout().machine, model->layout().memory_bytes);
  }
  const auto machine = make_machine(wanted.machine, wanted.memory_bytes);
  if (options.count("predictor"))
    model = make_baseline(options["predictor"].as<std::string>(), machine->layout());
  const auto& file = options["program"].as<std::string>();
  auto start = machine->load_program(read_file(file), file);
  const auto state = machine->first_state();
  start.insert(start.end(), state.begin(), state.end());
  if (options.count("set")) {
    for (const auto& assignment : options["set"].as<std::vector<std::string>>()) {
      set_field(machine->layout(), assignment,
                std::span(start).subspan(static_cast<size_t>(machine->layout().memory_bytes)));
    }
  }

  StopReason stop;
  bool parted = false;
  const bool json = options["json"].as<bool>();
  if (model) {
    const bool free = options["free"].as<bool>(),
               colour = ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR");
    struct sigaction once = {};
    once.sa_handler = [](int) { interrupted = 1; };
    once.sa_flags = SA_RESETHAND | SA_RESTART;
    ::sigaction(SIGINT, &once, nullptr);
    const auto show = [&](const Lockstep& lockstep, int64_t first, int64_t last) {
      if (json) return !interrupted;
      if (first == 1) fmt::print("{}\n{}\n", lockstep_heading(lockstep), lockstep_row(lockstep, 0, colour));
      for (int64_t t = first; t <= last && !interrupted; ++t)
        fmt::print("{}\n", lockstep_row(lockstep, t, colour));
      std::fflush(stdout);
      return !interrupted;
    };
    const Lockstep lockstep = run_lockstep(*machine, *model, start, steps, free, show);
    if (interrupted) throw Interrupted();
    fmt::print("{}\n", json ? lockstep_json(lockstep).dump(1) : "\n" + lockstep_verdict(lockstep));
    stop = lockstep.run.stops[0];
    parted = lockstep.first_difference().has_value();
    if (lockstep.cut && !parted) {
      throw Error("{}: the model takes no more than {} states", file, lockstep.predicted.size());
    }
  } else {
    TraceBatch run(machine->layout());
    machine->run(start, {.steps = static_cast<uint64_t>(steps)}, run);
    stop = run.stops[0];
    fmt::print("{}", json ? trace_json(*machine, run[0]).dump(1) + "\n" : trace_text(*machine, run[0]));
  }
  if (stop != StopReason::halted && stop != StopReason::step_limit)
    throw Error("{}: {}", file, to_string(stop));
  return parted;
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) {
  bytecpu::cli::prepare_compute(argv);
  using namespace bytecpu;
  bool parted = false;
  cli::Command command{"", "", "PROGRAM [options]",
                       {}, {}, [&](const po::variables_map& options) { parted = run(options); }};
  command.summary =
      "Runs a program on Unicorn and, given a checkpoint, on the model in lockstep; shows where they "
      "differ.\n"
      "Exit code 0: they agree, 3: they differ, 1: the program ends in a fault or is longer than the "
      "model takes, 2: bad usage.";
  command.options.add_options()                                                       //
      ("program", po::value<std::string>(), "assembly for toy8, else a flat binary")  //
      ("checkpoint", po::value<std::string>()->value_name("RUN"),
       "a trained model: a run's folder, a checkpoint's, or a safetensors file of bGPT weights")  //
      ("predictor", po::value<std::string>()->value_name("NAME"),
       "copy or oracle in the model's place, as of bytecpu-eval baseline")                          //
      ("machine", po::value<std::string>()->value_name("NAME"), "default: the model's, else toy8")  //
      ("memory", po::value<int>()->value_name("BYTES"), "default: the model's, else 1024")          //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("FIELD=VALUE"),
       "a field of state 0, else 0; may be repeated")                                                    //
      ("steps", po::value<int64_t>()->value_name("N")->default_value(1000), "run for at most N states")  //
      ("free", po::bool_switch(),
       "let the model run on its own states; else it gets the true one after every step")  //
      ("json", po::bool_switch(), "print JSON instead of the table");
  command.positional.add("program", 1);
  const int code = cli::main("bytecpu-run", command.summary, {command}, argc, argv);
  return interrupted ? exit_interrupted : code == 0 && parted ? exit_parted : code;
}
