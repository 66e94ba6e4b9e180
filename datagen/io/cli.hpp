// What every program's command line has in common: --help, --version, --config FILE (INI, the same names as
// the flags), unknown options as errors, exit codes, progress lines.
#pragma once

#include <boost/program_options.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/error.hpp"

namespace bytecpu::cli {

namespace po = boost::program_options;

struct Command {
  std::string name;     // empty: the program itself, where its first argument names no other command
  std::string summary;  // one line
  std::string usage;    // what follows the name, for example "DIR [options]"
  po::options_description options;
  po::positional_options_description positional;
  std::function<void(const po::variables_map&)> run;
};

// Runs the command that argv names. Exit code: 0 success; 2 bad usage; 1 failure, with a one-line message on
// stderr. Flags win over --config FILE. A broken pipe on stdout ends the program quietly.
int main(std::string_view program, std::string_view summary, std::vector<Command> commands, int argc,
         char** argv);

// The resolved options of a command as INI text, so that a run can be repeated with --config.
std::string to_ini(const po::variables_map& options);

// Sets what OpenMP's runtime and the C library read from the environment before main begins, where the user
// has not: idle threads spin for a moment between tasks and then sleep, as other programs may want the cores;
// freed memory of large tensors is kept for the next ones. Starts the program anew for it. To be called first
// in main.
void prepare_compute(char** argv);

// The command line as given, quoted for a shell.
std::string command_line();

// Progress on stderr: one line that rewrites itself on a terminal, else a plain line every ten seconds.
class Progress {
 public:
  Progress(std::string what, std::string unit, double total);  // total 0: unknown
  ~Progress();
  void update(double done);

 private:
  void print(double done, bool last);
  std::string what_, unit_;
  double total_, done_ = 0;
  bool terminal_, printed_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace bytecpu::cli
