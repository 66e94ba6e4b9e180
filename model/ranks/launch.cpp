#include "model/ranks/launch.hpp"

#include <charconv>
#include <cstring>
#include <optional>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// The names of one launcher's variables; one that it does not have is "".
struct Names {
  const char *rank, *size, *local_rank, *local_size;
};
constexpr Names launchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""},
};

std::optional<int> number(const Environment& environment, const char* name, int least, int most) {
  const char* text = environment(name);
  if (!text || !*text) return std::nullopt;
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stopped != end || value < least || value > most) {
    throw Error("{}={} in the environment is not a number from {} to {}", name, text, least, most);
  }
  return value;
}

// "node[03-05,9],other" is "node03".
std::string first_machine(const std::string& list) {
  const auto end = list.find_first_of(",[");
  auto name = list.substr(0, end);
  if (end != list.npos && list[end] == '[') {
    const auto first = end + 1;
    name += list.substr(first, list.find_first_of(",-]", first) - first);
  }
  return name;
}

}  // namespace

Launch launch_of(const Environment& environment) {
  constexpr int most = 1 << 20;
  for (const auto& names : launchers) {
    const auto size = number(environment, names.size, 1, most);
    const auto rank = size ? number(environment, names.rank, 0, *size - 1) : std::nullopt;
    if (!rank) continue;
    if (*size == 1) return {};
    Launch launch{.rank = *rank, .size = *size};
    launch.local_rank = number(environment, names.local_rank, 0, *size - 1).value_or(0);
    const bool slurm = names.rank == launchers[3].rank;
    bool one_machine = false;
    if (slurm) {
      const int machines = number(environment, "SLURM_STEP_NUM_NODES", 1, most).value_or(1);
      one_machine = machines == 1;
      // "4(x2),3": as many as on the first machine.
      const char* tasks = environment("SLURM_STEP_TASKS_PER_NODE");
      launch.local_size = tasks ? std::max(1, std::atoi(tasks)) : one_machine ? *size : 1;
      if (const auto job = number(environment, "SLURM_JOB_ID", 0, INT32_MAX))
        launch.port = 20'000 + *job % 10'000;
    } else {
      const auto local_size = number(environment, names.local_size, 1, *size);
      launch.local_size = local_size.value_or(1);
      one_machine = local_size == *size;
    }

    const char* address = environment("MASTER_ADDR");
    const char* machines = environment("SLURM_STEP_NODELIST");
    if (address && *address) {
      launch.address = address;
    } else if (slurm && !one_machine && machines) {
      launch.address = first_machine(machines);
    } else if (!one_machine) {
      throw Error("{} processes on several machines: set MASTER_ADDR to the name of the first one's machine",
                  *size);
    }
    if (const auto port = number(environment, "MASTER_PORT", 1, 65'535)) launch.port = *port;
    const char* listens = environment("TORCHELASTIC_USE_AGENT_STORE");
    launch.launcher_listens = listens && std::strcmp(listens, "True") == 0;
    launch.attempt = number(environment, "TORCHELASTIC_RESTART_COUNT", 0, most).value_or(0);
    return launch;
  }
  return {};
}

}  // namespace bytecpu
