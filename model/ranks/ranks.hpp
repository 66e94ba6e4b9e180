// The processes that train one model together, on LibTorch's c10d. Alone there is nothing of it: no thread, no socket.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "emulator/error.hpp"
#include "model/ranks/launch.hpp"

namespace bytecpu {

// Whether this build has c10d with Gloo; and, for gradients on GPUs, NCCL.
bool has_c10d();
bool has_nccl();

// All ranks call the same functions in the same order, each waits for the others, and what they return is the same
// bits on all. A rank that ends or hangs ends the others' processes, with exit code 1 and a line on stderr that says
// which it was: one that has ended within seconds, one that does not answer (stopped, its machine gone) within 40.
class Ranks {
 public:
  // Alone.
  Ranks();
  // Waits for the others, five minutes at most. Throws Error: they do not come, no connection, no c10d.
  explicit Ranks(const Launch& launch);
  // Without finish() before, the others end as above.
  ~Ranks();
  Ranks(Ranks&&) noexcept;

  int rank() const { return launch_.rank; }
  int size() const { return launch_.size; }
  // How many of them are on this machine.
  int local_size() const { return launch_.local_size; }
  bool alone() const { return launch_.size == 1; }
  // The one that writes what all of them make.
  bool first() const { return launch_.rank == 0; }

  // Replaces each number by its sum over all ranks.
  void sum(std::span<double> numbers);
  // Replaces each tensor by its mean over all ranks, of weight `weight` / `total` each. F32, of the same shapes on
  // all ranks.
  void mean(std::span<torch::Tensor> tensors, double weight, double total);
  // Replaces each tensor by the first rank's.
  void copy_first(std::span<const torch::Tensor> tensors);
  // What the first rank gives.
  double of_first(double number);
  std::string of_first(const std::string& text);
  // Each rank's text, by rank.
  std::vector<std::string> gather(const std::string& text);

  // Throws what all ranks have found alike, once: on the first; the others end with it.
  [[noreturn]] void fail(const Error& error);
  // All ranks are done with everything. Nothing else may be called after it.
  void finish();

 private:
  class Group;
  Launch launch_;
  std::unique_ptr<Group> group_;
};

}  // namespace bytecpu
