// The table of machines.
#include <fmt/ranges.h>

#include <array>

#include "emulator/arm64/arm64.hpp"
#include "emulator/error.hpp"
#include "emulator/machine.hpp"
#include "emulator/thumb/thumb.hpp"
#include "emulator/toy8/toy8.hpp"
#include "emulator/x86_64/x86_64.hpp"

namespace bytecpu {
namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Machine> (*make)(int memory_bytes);
};

constexpr std::array machines = {
    Entry{"toy8", make_toy8},
    Entry{"arm64", make_arm64},
    Entry{"thumb", make_thumb},
    Entry{"x86_64", make_x86_64},
    Entry{"arm64-full", make_arm64_full},
    Entry{"x86_64-full", make_x86_64_full},
};

}  // namespace

int usual_memory(std::string_view name) { return name.ends_with("-full") ? 65536 : 1024; }

std::vector<std::string_view> machine_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : machines) names.push_back(entry.name);
  return names;
}

std::unique_ptr<Machine> make_machine(std::string_view name, int memory_bytes) {
  for (const Entry& entry : machines) {
    if (entry.name == name) return entry.make(memory_bytes);
  }
  throw Error("unknown machine \"{}\"; there are: {}", name, fmt::join(machine_names(), ", "));
}

}  // namespace bytecpu
