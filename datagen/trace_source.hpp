// Where training takes its traces from: a dataset on disk, or an endless stream of fresh programs.
// The unit is a pool of traces, a pure function of its index and the program options: any pool can be made
// again, by any thread, which is what makes an interrupted training resume with identical losses.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/machine.hpp"

namespace bytecpu {

class TraceSource {
 public:
  virtual ~TraceSource() = default;
  virtual const Layout& layout() const = 0;
  virtual std::string describe() const = 0;  // for the log: what it draws from, with its seed
  // Replaces `out` with pool `index`. A dataset ignores `options` (its programs are what they are); a stream draws
  // its programs with them. Called from one thread at a time, not always the same.
  virtual void fill(uint64_t index, const ProgramOptions& options, TraceBatch& out) = 0;
};

}  // namespace bytecpu
