#include "datagen/io/cli.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/algorithm/string/trim.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "datagen/io/files.hpp"

namespace bytecpu::cli {
namespace {

constexpr double seconds_between_lines = 10, seconds_between_rewrites = 0.2;

std::set<std::string> positional_names(const po::positional_options_description& positional) {
  std::set<std::string> names;
  const unsigned most = std::min(positional.max_total_count(), 16u);  // a repeated one counts without limit
  for (unsigned i = 0; i < most; ++i) names.insert(positional.name_for_position(i));
  return names;
}

po::options_description common_options() {
  po::options_description common("Common options");
  common.add_options()                 //
      ("help", "show this help")       //
      ("version", "show the version")  //
      ("config", po::value<std::string>()->value_name("FILE"), "read options from this INI file; flags win");
  return common;
}

void print_help(std::string_view program, const Command& command) {
  po::options_description own("Options");
  const auto hidden = positional_names(command.positional);
  for (const auto& option : command.options.options()) {
    if (!hidden.contains(option->long_name())) own.add(option);
  }
  std::ostringstream text;
  if (!own.options().empty()) text << own << '\n';
  text << common_options();
  fmt::print("usage: {}{}{} {}\n\n{}\n\n{}", program, command.name.empty() ? "" : " ", command.name,
             command.usage, command.summary, text.str());
}

void print_help(std::string_view program, std::string_view summary, const std::vector<Command>& commands) {
  fmt::print("usage: {} COMMAND [options]\n\n{}\n\nCommands (each has its own --help):\n", program, summary);
  for (const auto& command : commands) fmt::print("  {:<12}{}\n", command.name, command.summary);
  fmt::print("\n{} --version shows the version.\n", program);
}

void read_config(const std::string& file, const Command& command, po::variables_map& values) {
  std::istringstream text(read_file(file));
  try {
    po::store(po::parse_config_file(text, command.options), values);
  } catch (const po::unknown_option& e) {
    throw UsageError("{}: there is no option \"{}\"", file, e.get_option_name());
  } catch (const po::error& e) {
    throw UsageError("{}: {}", file, e.what());
  }
}

void run_command(std::string_view program, const Command& command,
                 const std::vector<std::string>& arguments) {
  po::variables_map values;
  po::options_description all;
  all.add(command.options).add(common_options());
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parser = [&] { return po::command_line_parser(arguments).options(all).style(style); };
  const auto see = fmt::format("see {}{}{} --help", program, command.name.empty() ? "" : " ", command.name);
  try {
    po::store(parser().positional(command.positional).run(), values);
  } catch (const po::too_many_positional_options_error&) {
    unsigned left = command.positional.max_total_count();
    for (const auto& option : parser().run().options) {
      if (option.position_key < 0 || left-- > 0) continue;
      throw UsageError("unexpected argument \"{}\"; {}", option.value.at(0), see);
    }
    throw UsageError("too many arguments; {}", see);
  } catch (const po::error& e) {
    throw UsageError("{}; {}", e.what(), see);
  }
  if (values.count("help")) return print_help(program, command);
  if (values.count("version")) return fmt::print("{} {}\n", program, BYTECPU_VERSION);
  if (values.count("config")) read_config(values["config"].as<std::string>(), command, values);
  try {
    po::notify(values);
  } catch (const po::error& e) {
    throw UsageError("{}; {}", e.what(), see);
  }
  command.run(values);
}

void dispatch(std::string_view program, std::string_view summary, const std::vector<Command>& commands,
              const std::vector<std::string>& arguments) {
  const auto named = [&](std::string_view name) {
    return std::find_if(commands.begin(), commands.end(), [&](const auto& c) { return c.name == name; });
  };
  const auto itself = named("");
  const auto command = arguments.empty() || arguments[0].empty() ? commands.end() : named(arguments[0]);
  if (command == commands.end() && itself != commands.end()) return run_command(program, *itself, arguments);
  if (arguments.empty()) throw UsageError("which command? See {} --help", program);
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    return print_help(program, summary, commands);
  }
  if (arguments[0] == "--version") return fmt::print("{} {}\n", program, BYTECPU_VERSION);
  if (command == commands.end()) {
    throw UsageError("there is no command \"{}\"; see {} --help", arguments[0], program);
  }
  run_command(program, *command, {arguments.begin() + 1, arguments.end()});
}

std::string value_text(const boost::any& value) {
  if (const auto* v = boost::any_cast<std::string>(&value)) return *v;
  if (const auto* v = boost::any_cast<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = boost::any_cast<int>(&value)) return fmt::to_string(*v);
  if (const auto* v = boost::any_cast<unsigned>(&value)) return fmt::to_string(*v);
  if (const auto* v = boost::any_cast<int64_t>(&value)) return fmt::to_string(*v);
  if (const auto* v = boost::any_cast<uint64_t>(&value)) return fmt::to_string(*v);
  if (const auto* v = boost::any_cast<float>(&value)) return fmt::to_string(*v);
  if (const auto* v = boost::any_cast<double>(&value)) return fmt::to_string(*v);
  throw std::logic_error("an option's type has no text");
}

// "1234 ", "56.7 k ", "8.90 M ": what a unit can follow
std::string amount(double value) {
  if (value >= 1e9) return fmt::format("{:.2f} G ", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} M ", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.1f} k ", value / 1e3);
  return fmt::format("{:.{}f} ", value, value < 10 && value != std::floor(value) ? 1 : 0);
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::min(std::ceil(seconds), 1e9));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

// To stderr; nothing is to be done where that is closed or full.
void say(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

int main(std::string_view program, std::string_view summary, std::vector<Command> commands, int argc,
         char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // a parent may have it ignored
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit fails as a full disk does
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    dispatch(program, summary, commands, arguments);
    if (std::fflush(stdout) != 0) throw Error("cannot write to standard output: {}", std::strerror(errno));
    return 0;
  } catch (const UsageError& e) {
    say(fmt::format("{}: {}\n", program, e.what()));
    return 2;
  } catch (const std::logic_error& e) {
    say(fmt::format("{}: a bug in bytecpu: {}\n", program, e.what()));
  } catch (const std::bad_alloc&) {
    say(fmt::format("{}: out of memory\n", program));
  } catch (const std::exception& e) {
    say(fmt::format("{}: {}\n", program, e.what()));
  }
  return 1;
}

std::string to_ini(const po::variables_map& options) {
  std::string text;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (value.find_first_of("#\n") != value.npos || boost::trim_copy(value) != value) {
      throw UsageError("--{}: an INI file cannot hold \"{}\": leave out # and blanks at its ends", name,
                       value);
    }
    text += fmt::format("{} = {}\n", name, value);
  };
  for (const auto& [name, value] : options) {
    if (name == "help" || name == "version" || name == "config" || value.empty()) continue;
    if (const auto* values = boost::any_cast<std::vector<std::string>>(&value.value())) {
      for (const auto& v : *values) add(name, v);
    } else {
      add(name, value_text(value.value()));
    }
  }
  return text;
}

void prepare_compute(char** argv) {
  constexpr std::pair<const char*, const char*> settings[] = {
      {"OMP_WAIT_POLICY", "passive"},
      // Turns a waiting thread makes before it sleeps, up to a millisecond. With a tenth of it waking
      // sleepers cost a tenth of a training's time; ten times as many bring nothing more.
      {"GOMP_SPINCOUNT", "20000"},
      {"MALLOC_MMAP_THRESHOLD_", "4294967296"},
      {"MALLOC_TRIM_THRESHOLD_", "8589934592"},
  };
  bool changed = false;
  for (const auto& [name, value] : settings) {
    if (std::getenv(name)) continue;
    setenv(name, value, 1);
    changed = true;
  }
  if (changed)
    execv("/proc/self/exe", argv);  // returns only where there is no /proc: then it goes on as it is
}

std::string command_line() {
  std::string line, argument;
  std::istringstream arguments(read_file("/proc/self/cmdline"));
  while (std::getline(arguments, argument, '\0')) {
    const bool plain =
        !argument.empty() && std::all_of(argument.begin(), argument.end(), [](unsigned char c) {
          return std::isalnum(c) || std::strchr("-_=./,:+@%", c);
        });
    if (!line.empty()) line += ' ';
    if (plain) {
      line += argument;
      continue;
    }
    line += '\'';
    for (const char c : argument) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

Progress::Progress(std::string what, std::string unit, double total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO)),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (printed_) print(done_, true);
}

void Progress::update(double done) {
  done_ = done;
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - last_).count() <
      (terminal_ ? seconds_between_rewrites : seconds_between_lines)) {
    return;
  }
  last_ = now;
  print(done, false);
}

void Progress::print(double done, bool last) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? done / seconds : 0;
  auto line = fmt::format("{}: {}{}", what_, amount(done), unit_);
  if (total_ > 0) line += fmt::format(", {:.0f} %", 100 * std::min(done / total_, 1.0));
  line += fmt::format(", {}{}/s", amount(rate), unit_);
  if (last) {
    line += fmt::format(", {} taken", duration(seconds));
  } else if (total_ > 0 && rate > 0) {
    line += fmt::format(", {} left", duration((total_ - done) / rate));
  }
  constexpr std::string_view rewind = "\r\033[K";
  say(fmt::format("{}{}{}", terminal_ ? rewind : "", line, terminal_ && !last ? "" : "\n"));
  printed_ = true;
}

}  // namespace bytecpu::cli
