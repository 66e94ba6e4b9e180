// What every program's command line has in common: --help, --version, --config FILE (INI, the same names as
// the flags), unknown options as errors, exit codes, progress lines.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/options.hpp"
#include "emulator/error.hpp"

namespace bytecpu::cli {

struct Command {
  std::string name;     // empty: the program itself, where its first argument names no other command
  std::string summary;  // one line, for the list of commands; --help shows what follows as well
  std::string usage;    // what follows the name, for example "DIR [options]"
  OptionList options;
  // Called when the options have their values; `given` knows which of them are defaults.
  std::function<void(const OptionList& given)> run;
};

// A command whose options are the fields of a struct, which it holds.
template <typename Values>
Command command(std::string name, std::string summary, std::string usage, OptionList (*options)(Values&),
                void (*run)(Values&, const OptionList& given)) {
  const auto values = std::make_shared<Values>();
  return {std::move(name), std::move(summary), std::move(usage), options(*values),
          [values, run](const OptionList& given) { run(*values, given); }};
}

// Runs the command that argv names. Exit code: 0 success; 2 bad usage; 1 failure, with a one-line message on
// stderr. Flags win over --config FILE; an option that may be repeated has the file's values first, then the
// flags'. A broken pipe on stdout ends the program quietly.
int main(std::string_view program, std::string_view summary, std::vector<Command> commands, int argc,
         char** argv);

// Writes out what is printed so far. Throws Error where standard output cannot be written.
void flush();

// Sets what OpenMP's runtime, OpenBLAS, oneDNN and the C library read from the environment before main begins, where
// the user has not: idle threads spin for a moment between tasks and then sleep, as other programs may want
// the cores; OpenBLAS's kernels are for this processor, also where it does not know it; oneDNN keeps
// the kernels that it compiled, one for each shape of a product in bf16; freed memory of large
// tensors is kept for the next ones. For that it starts the program again. Call it first in main.
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
