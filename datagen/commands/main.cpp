// bytecpu-datagen: makes, checks, converts and shows datasets of instruction traces.
#include "datagen/commands/commands.hpp"
#include "datagen/io/cli.hpp"

int main(int argc, char** argv) {
  return bytecpu::cli::main("bytecpu-datagen",
                            "Makes, checks, converts and shows datasets of instruction traces.",
                            bytecpu::datagen_commands(), argc, argv);
}
