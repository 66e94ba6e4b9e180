// The commands of bytecpu-datagen, one file each, and what they share.
#pragma once

#include <string>
#include <string_view>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/cli.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {

cli::Command generate_command();
cli::Command pack_command();
cli::Command harvest_command();
cli::Command merge_command();
cli::Command verify_command();
cli::Command import_command();
cli::Command export_command();
cli::Command inspect_command();
cli::Command trace_command();

// The machine of what does not name its own.
struct MachineOptions {
  std::string name = "toy8";
  int memory_bytes = 1024;
};

inline const Names<Split> split_names = {{"train", Split::train}, {"test", Split::test}};

// Why options are refused.
inline constexpr std::string_view names_its_machine = "the dataset itself names its machine";

void print_trace(const Machine& machine, const Trace& trace, bool json);

}  // namespace bytecpu
