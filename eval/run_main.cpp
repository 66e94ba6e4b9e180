// bytecpu-run: runs one program on Unicorn and, given a checkpoint, on the model in lockstep; shows where
// they part. Exit code 0: they agree; 3: they part; 1: the program could not be run to its end; 2: bad usage.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "datagen/cli.hpp"
#include "datagen/files.hpp"
#include "datagen/show.hpp"
#include "emulator/machine.hpp"
#include "eval/lockstep.hpp"
#include "eval/model_predictor.hpp"

namespace bytecpu {
namespace {

namespace po = boost::program_options;

constexpr int exit_parted = 3;

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

// Returns whether machine and model parted.
bool run(const po::variables_map& options) {
  if (!options.count("program")) throw UsageError("which program? See bytecpu-run --help");
  const auto steps = options["steps"].as<int64_t>();
  if (steps < 1) throw UsageError("--steps is {}; use 1 or more", steps);
  std::unique_ptr<Predictor> model;
  if (options.count("checkpoint")) model = load_model_predictor(options["checkpoint"].as<std::string>(), {});
  Layout wanted{"toy8", 1024, 16, {}};
  if (model) wanted = model->layout();
  if (options.count("machine")) wanted.machine = options["machine"].as<std::string>();
  if (options.count("memory")) wanted.memory_bytes = options["memory"].as<int>();
  if (model &&
      (wanted.machine != model->layout().machine || wanted.memory_bytes != model->layout().memory_bytes)) {
    throw UsageError("the model is of {} with {} bytes of memory; leave --machine and --memory out",
                     model->layout().machine, model->layout().memory_bytes);
  }
  const auto machine = make_machine(wanted.machine, wanted.memory_bytes);
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
    const Lockstep lockstep = run_lockstep(*machine, *model, start, steps);
    const bool colour = ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR");
    fmt::print("{}", json ? lockstep_json(lockstep).dump(1) + "\n" : lockstep_text(lockstep, colour));
    stop = lockstep.run.stops[0];
    parted = lockstep.parting().has_value();
  } else {
    TraceBatch run;
    machine->run(start, {.steps = static_cast<uint64_t>(steps)}, run);
    stop = run.stops[0];
    fmt::print("{}", json ? trace_json(*machine, run.bytes, stop).dump(1) + "\n"
                          : trace_text(*machine, run.bytes, stop));
  }
  if (stop != StopReason::halted && stop != StopReason::step_limit)
    throw Error("{}: {}", file, to_string(stop));
  return parted;
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) {
  // LibTorch's threads spin between tasks unless told otherwise, which is slow on cores that others use too.
  bytecpu::cli::ensure_environment("OMP_WAIT_POLICY", "passive", argv);
  using namespace bytecpu;
  bool parted = false;
  cli::Command command{"", "", "PROGRAM [options]",
                       {}, {}, [&](const po::variables_map& options) { parted = run(options); }};
  command.summary =
      "Runs a program on Unicorn and, given a checkpoint, on the model in lockstep; shows where they part.\n"
      "Exit code 0: they agree, 3: they part, 1: the program does not run to its end, 2: bad usage.";
  command.options.add_options()                                                       //
      ("program", po::value<std::string>(), "assembly for toy8, else a flat binary")  //
      ("checkpoint", po::value<std::string>()->value_name("RUN"),
       "a trained model: a run's folder or a checkpoint's")                                         //
      ("machine", po::value<std::string>()->value_name("NAME"), "default: the model's, else toy8")  //
      ("memory", po::value<int>()->value_name("BYTES"), "default: the model's, else 1024")          //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("FIELD=VALUE"),
       "a field of state 0, else 0; may be repeated")                                                    //
      ("steps", po::value<int64_t>()->value_name("N")->default_value(1000), "run for at most N states")  //
      ("json", po::bool_switch(), "print JSON instead of the table");
  command.positional.add("program", 1);
  const int code = cli::main("bytecpu-run", command.summary, {command}, argc, argv);
  return code == 0 && parted ? exit_parted : code;
}
