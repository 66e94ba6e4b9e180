// Where training takes its traces from: a dataset on disk, or an endless stream of fresh programs.
// The unit is a pool of traces, a pure function of its index and the program options: any pool can be made
// again, by any thread, which is what makes an interrupted training resume with identical losses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "emulator/machine.hpp"

namespace bytecpu {

class TraceSource {
 public:
  virtual ~TraceSource() = default;
  virtual const Layout& layout() const = 0;
  virtual std::string describe() const = 0;  // for the log: what it draws from, with its seed
  // Operations whose share ProgramOptions::operation_weights sets, and which of them a record's instruction
  // is, -1 for none. A source whose programs are fixed names none. operation() may be called by one thread
  // while another is in fill().
  virtual std::span<const std::string_view> operations() const { return {}; }
  virtual int operation(std::span<const uint8_t> /*record*/) const { return -1; }
  // Replaces `out` with pool `index`. A dataset ignores `options` (its programs are what they are); a stream
  // draws its programs with them. Called from one thread at a time, not always the same.
  virtual void fill(uint64_t index, const ProgramOptions& options, TraceBatch& out) = 0;
};

}  // namespace bytecpu
