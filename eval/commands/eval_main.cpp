// bytecpu-eval: how often predictions are right, step by step.
#include "eval/commands/eval_commands.hpp"

int main(int argc, char** argv) {
  using namespace bytecpu;
  cli::prepare_compute(argv);
  return cli::main("bytecpu-eval", "Says how often predictions of traces are right, step by step.",
                   {model_command(), files_command(), baseline_command(), merge_command()}, argc, argv);
}
