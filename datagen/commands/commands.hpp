// bytecpu-datagen's commands: generate, verify, import, export, inspect, trace.
#pragma once

#include <vector>

#include "datagen/io/cli.hpp"

namespace bytecpu {

std::vector<cli::Command> datagen_commands();

}  // namespace bytecpu
