#include "datagen/io/cli.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "datagen/io/files.hpp"
#include "emulator/version.hpp"

namespace bytecpu::cli {
namespace {

namespace po = boost::program_options;

constexpr unsigned help_width = 110, least_help_text = 70;
constexpr double seconds_between_lines = 10, seconds_between_rewrites = 0.2;

// What every command has besides its own options.
struct Common {
  bool help = false, version = false;
  std::string config;
};

OptionList options(Common& c) {
  OptionList field("Common options");
  field(c.help, "help", "show this help");
  field(c.version, "version", "show the version");
  field(c.config, "config", text("FILE"), "read options from this INI file; flags win");
  return field;
}

// Boost splits the command line and prints help; what the values may be is the table's.
po::options_description described(const OptionList& list) {
  po::options_description all(help_width, least_help_text);
  for (size_t first = 0; first < list.all().size();) {
    const auto& group = list.all()[first].group;
    po::options_description part(group, help_width, least_help_text);
    for (; first < list.all().size() && list.all()[first].group == group; ++first) {
      const Option& option = list.all()[first];
      const auto name = option.name == "help" ? "help,h" : option.name;
      const auto& may_be = option.access.may_be;
      const auto help = may_be.empty() ? option.help : fmt::format("{} ({})", option.help, may_be);
      if (option.access.kind == FieldAccess::Kind::toggle) {
        part.add_options()(name.c_str(), po::bool_switch(), help.c_str());
        continue;
      }
      auto* value = po::value<std::string>()->value_name(option.access.argument);
      if (!option.default_text.empty()) value->default_value("", option.default_text);
      part.add_options()(name.c_str(), value, help.c_str());
    }
    all.add(part);
  }
  return all;
}

void print_help(std::string_view program, const Command& command) {
  Common common;
  std::ostringstream text;
  text << described(command.options) << described(options(common));
  fmt::print("usage: {}{}{} {}\n\n{}\n{}", program, command.name.empty() ? "" : " ", command.name,
             command.usage, command.summary, text.str());
}

void print_help(std::string_view program, std::string_view summary, const std::vector<Command>& commands) {
  fmt::print("usage: {} COMMAND [options]\n\n{}\n\nCommands (each has its own --help):\n", program, summary);
  for (const auto& command : commands) {
    fmt::print("  {:<12}{}\n", command.name, command.summary.substr(0, command.summary.find('\n')));
  }
  fmt::print("\n{} --version shows the version.\n", program);
}

// What is wrong with a command line. Boost's own text is never asked for: it puts what the user wrote into
// itself until nothing is left to put in, which for a value such as %value% is for ever.
std::string problem(const po::error& error) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    return fmt::format("there is no option {}", unknown->get_option_name());
  }
  if (const auto* syntax = dynamic_cast<const po::invalid_command_line_syntax*>(&error)) {
    using Syntax = po::invalid_command_line_syntax;
    const bool surplus = syntax->kind() == Syntax::extra_parameter;
    return fmt::format("{} {}", syntax->get_option_name(), surplus ? "takes no value" : "needs a value");
  }
  return "the command line cannot be read";
}

struct Given {
  std::string name, value, source;
};

std::vector<Given> parse_arguments(const OptionList& list, const std::vector<std::string>& arguments) {
  po::positional_options_description positional;
  for (const Option& option : list.all()) {
    if (option.is_positional) positional.add(option.name.c_str(), option.access.repeated ? -1 : 1);
  }
  const auto known = described(list);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parser = [&] { return po::command_line_parser(arguments).options(known).style(style); };
  std::vector<Given> given;
  try {
    for (const auto& option : parser().positional(positional).run().options) {
      given.push_back(
          {option.string_key, option.value.empty() ? "true" : option.value[0], "--" + option.string_key});
    }
  } catch (const po::too_many_positional_options_error&) {
    auto left = positional.max_total_count();
    for (const auto& option : parser().run().options) {
      if (option.position_key >= 0 && left-- == 0) {
        throw UsageError("unexpected argument \"{}\"", option.value.at(0));
      }
    }
    throw UsageError("too many arguments");
  } catch (const po::error& e) {
    throw UsageError("{}", problem(e));
  }
  return given;
}

std::vector<Given> parse_config(const std::string& file) {
  std::vector<Given> given;
  for (const auto& [name, value, line] : parse_ini(read_file(file), file)) {
    given.push_back({name, value, fmt::format("{}:{}: {}", file, line, name)});
  }
  return given;
}

void set_all(OptionList& list, const std::vector<Given>& given) {
  std::vector<std::string> seen;
  for (const auto& [name, value, source] : given) {
    Option* option = list.find(name);
    if (!option) throw UsageError("{}: there is no such option", source);
    const bool again = std::ranges::find(seen, name) != seen.end();
    if (again && !option->access.repeated) throw UsageError("{}: is given twice", source);
    option->set(value, source);
    seen.push_back(name);
  }
}

void run_command(std::string_view program, Command command, const std::vector<std::string>& arguments) {
  const auto see = fmt::format("see {}{}{} --help", program, command.name.empty() ? "" : " ", command.name);
  Common common;
  auto common_list = options(common);
  auto all = command.options;
  all.add(common_list);
  std::vector<Given> own, common_given;
  try {
    for (auto& given : parse_arguments(all, arguments)) {
      (common_list.find(given.name) ? common_given : own).push_back(std::move(given));
    }
    set_all(common_list, common_given);
  } catch (const UsageError& e) {
    throw UsageError("{}; {}", e.what(), see);
  }
  if (common.help) return print_help(program, command);
  if (common.version) return fmt::print("{} {}\n", program, version());
  if (!common.config.empty()) set_all(command.options, parse_config(common.config));
  set_all(command.options, own);
  for (const Option& option : command.options.all()) {
    if (!option.is_required || !option.given_by.empty()) continue;
    const auto name = option.is_positional ? option.access.argument : "--" + option.name;
    throw UsageError("{} is missing; {}", name, see);
  }
  command.run(command.options);
}

void dispatch(std::string_view program, std::string_view summary, const std::vector<Command>& commands,
              const std::vector<std::string>& arguments) {
  const auto itself = std::ranges::find(commands, "", &Command::name);
  const auto first = arguments.empty() ? std::string() : arguments[0];
  const auto command = first.empty() ? commands.end() : std::ranges::find(commands, first, &Command::name);
  if (command == commands.end() && itself != commands.end()) return run_command(program, *itself, arguments);
  if (arguments.empty()) throw UsageError("which command? See {} --help", program);
  if (first == "--help" || first == "-h" || first == "help") return print_help(program, summary, commands);
  if (first == "--version") return fmt::print("{} {}\n", program, version());
  if (command == commands.end()) {
    throw UsageError("there is no command \"{}\"; see {} --help", first, program);
  }
  run_command(program, *command, {arguments.begin() + 1, arguments.end()});
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

// The text of an error, for people.
std::string what(const std::exception& error) {
  if (const auto* e = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return fmt::format("{}: {}", e->path1().string(), e->code().message());
  }
  if (const auto* e = dynamic_cast<const std::system_error*>(&error); e && std::ferror(stdout)) {
    return fmt::format("cannot write to standard output: {}", e->code().message());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "out of memory";
  if (dynamic_cast<const std::logic_error*>(&error)) return fmt::format("a bug in bytecpu: {}", error.what());
  return error.what();
}

}  // namespace

int main(std::string_view program, std::string_view summary, std::vector<Command> commands, int argc,
         char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // a parent may have it ignored
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit fails as a full disk does
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    dispatch(program, summary, commands, arguments);
    flush();
    return 0;
  } catch (const UsageError& e) {
    say(fmt::format("{}: {}\n", program, e.what()));
    return 2;
  } catch (const std::exception& e) {
    say(fmt::format("{}: {}\n", program, what(e)));
  }
  return 1;
}

void flush() {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return;
  throw Error("cannot write to standard output{}{}", errno ? ": " : "", errno ? std::strerror(errno) : "");
}

namespace {

// OpenBLAS takes a processor that is newer than itself for an old one, without AVX: products are then four
// times as slow. The kernels to take in its place, or null where it does not need to be told.
const char* blas_kernels() {
  const auto name_of_kernels =
      reinterpret_cast<const char* (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (!name_of_kernels || std::string_view(name_of_kernels()) != "Prescott") return nullptr;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

}  // namespace

void prepare_compute(char** argv) {
  const std::pair<const char*, const char*> settings[] = {
      {"OMP_WAIT_POLICY", "passive"},
      // Turns a waiting thread makes before it sleeps, up to a millisecond. With a tenth of it waking
      // sleepers cost a tenth of a training's time; ten times as many bring nothing more.
      {"GOMP_SPINCOUNT", "20000"},
      {"MALLOC_MMAP_THRESHOLD_", "4294967296"},
      {"MALLOC_TRIM_THRESHOLD_", "8589934592"},
      {"OPENBLAS_CORETYPE", blas_kernels()},
      // By default 1,024, which a training has more shapes than.
      {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384"},
  };
  bool changed = false;
  for (const auto& [name, value] : settings) {
    if (!value || std::getenv(name)) continue;
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
