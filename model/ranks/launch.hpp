// Which one of a training's processes this is, as the program that started them (torchrun, srun, mpirun) says in
// the environment.
#pragma once

#include <functional>
#include <string>

namespace bytecpu {

struct Launch {
  // This process, and how many there are.
  int rank = 0, size = 1;
  // The same among those on this machine.
  int local_rank = 0, local_size = 1;
  // Where all of them meet: the first's machine, or its name; and a port there.
  std::string address = "127.0.0.1";
  int port = 29500;
  // Whether the launcher itself listens there, as torchrun does.
  bool launcher_listens = false;
  // Of the launcher's own tries, should it start all anew.
  int attempt = 0;

  bool operator==(const Launch&) const = default;
};

// The value of an environment variable, nullptr where it is not set: std::getenv.
using Environment = std::function<const char*(const char* name)>;

// Alone where no launcher's variables are there, or they tell of one process. Looks at, in this order,
//   torchrun: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE;
//   mpirun: OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK, _LOCAL_SIZE, or PMI_RANK, PMI_SIZE, MPI_LOCALRANKID, MPI_LOCALNRANKS;
//   srun: SLURM_PROCID, SLURM_STEP_NUM_TASKS (which a batch script alone does not have), SLURM_LOCALID,
//     SLURM_STEP_TASKS_PER_NODE, SLURM_STEP_NODELIST, whose first machine is the first rank's.
// MASTER_ADDR and MASTER_PORT win over what a launcher says of them. Throws Error: a variable that is no number or
// out of range, or an address that nobody says and that is needed.
Launch launch_of(const Environment& environment);

}  // namespace bytecpu
