// Command lines and INI files, as the programs read them: the name of a command and its arguments, one a
// line; after an empty line the contents of an INI file. Nothing but the reading is done.
#include "datagen/io/cli.hpp"
#include "datagen/programs/program_options.hpp"
#include "datagen/programs/start.hpp"
#include "model/network/config.hpp"
#include "model/training/config.hpp"
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace bytecpu;

struct Train {
  std::string machine = "toy8";
  int memory_bytes = 1024;
  ProgramOptions programs;
  std::vector<std::string> from;
  std::optional<int64_t> sample;
  ModelConfig model;
  TrainConfig training;
};

OptionList train_options(Train& v) {
  OptionList field;
  machine_options(field, v.machine, v.memory_bytes);
  program_options(field, v.programs);
  field(v.from, "from", text("FOLDER"), "folders");
  field(v.sample, "sample", at_least(0), "a number that may be left out");
  return field.add(options(v.model)).add(options(v.training));
}

// What was given, written as an INI file and read again, is the same.
void train(Train& values, const OptionList& given) {
  const auto ini = given.ini();
  Train again;
  auto list = train_options(again);
  for (const auto& line : parse_ini(ini, "written")) {
    auto* option = list.find(line.name);
    fuzz::expect(option != nullptr, "what is written has a name");
    option->set(line.value, "written");
  }
  fuzz::expect(list.ini() == ini, "written and read it is the same");
  as_usage([&] {
    check(values.model);
    check(values.training);
  });
}

OptionList trace_options(StartOptions& start) {
  OptionList field;
  start_options(field, start);
  return field;
}

void trace(StartOptions& start, const OptionList&) {
  const fuzz::MemoryFile halt("\xF4");
  start.program = halt.path();
  start.function.clear();
  const auto& machine = fuzz::machine(3);
  fuzz::expect(std::ssize(make_start(machine, start)) == machine.layout().start_bytes(), "a start is whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto left = fuzz::Input(data, size).text();
  std::vector<std::string> arguments{"bytecpu"};
  bool has_file = false;
  while (!left.empty() && !has_file) {
    const auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    has_file = line.empty();
    // No argument holds a zero; and what lies on this machine is no part of the input.
    if (line.find('\0') != line.npos || line.find("config") != line.npos) return 0;
    if (!has_file) arguments.emplace_back(line);
  }
  if (std::string_view(reinterpret_cast<const char*>(data), size).find('@') != left.npos) return 0;
  const fuzz::MemoryFile file(left);
  if (has_file) arguments.insert(arguments.end(), {"--config", file.path()});
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());

  const int code = cli::main("bytecpu", "",
                             {cli::command<Train>("train", "", "", train_options, train),
                              cli::command<StartOptions>("trace", "", "", trace_options, trace)},
                             static_cast<int>(argv.size()), argv.data());
  fuzz::expect(code == 0 || code == 2, "options are taken, or refused as bad usage");
  return 0;
}
