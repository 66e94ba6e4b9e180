// bytecpu-datagen: makes, checks, converts and shows datasets of instruction traces and of files.
#include "datagen/commands/commands.hpp"

int main(int argc, char** argv) {
  using namespace bytecpu;
  return cli::main("bytecpu-datagen",
                   "Makes, checks, converts and shows datasets of instruction traces and of files.",
                   {generate_command(), harvest_command(), merge_command(), pack_command(), verify_command(),
                    import_command(), export_command(), inspect_command(), trace_command()},
                   argc, argv);
}
