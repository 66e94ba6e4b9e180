// Runs programs of a native machine on Unicorn and records every state. Instructions that earlier programs had
// run one by one out of the pool; what is mostly new, or runs often, is translated in place. The full layout of arm64
// leaves no register to the pool: all runs in place. A full program that runs again has its translations still.
#pragma once

#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/machine.hpp"
#include "emulator/native/instruction_pool.hpp"
#include "emulator/native/instruction_set.hpp"
#include "emulator/native/listing.hpp"
#include "emulator/native/record.hpp"
#include "emulator/native/recorder.hpp"
#include "emulator/unicorn.hpp"

namespace bytecpu::native {

class Executor {
 public:
  // All must outlive it.
  Executor(const InstructionSet& set, const Layout& layout, Listing& listing);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // As Machine::run.
  void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out);

 private:
  // What is known of the instruction at an offset of the code that is being run.
  struct Fetched {
    int8_t bytes = 0;  // 0: nothing yet
    bool halts = false, illegal = false, repeats = false;
    bool branches = false;  // by `distance`, or not
    uint8_t visits = 0;     // one by one
    int32_t distance = 0;
    uint32_t writes = 0;  // registers that it may write, of the full layout
    uint64_t alone = 0;   // address in the pool; 0: it runs in place
  };

  // What is fetched from; of the full layout less than what is not written.
  int code_bytes() const { return code_bytes_; }
  int fixed_bytes() const { return layout_.data_offset; }
  int data_bytes() const { return layout_.memory_bytes - layout_.data_offset; }
  uint8_t* code() const { return code_.bytes().data(); }
  uint8_t* data() const { return data_.bytes().data(); }

  void add_hooks();
  void run_one(std::span<const uint8_t> start);
  void load_image(std::span<const uint8_t> image);
  void forget_fetched();
  bool mostly_known(uint64_t offset);
  uint64_t run_alone(uint64_t offset);
  uint64_t run_in_place(uint64_t offset);
  void set_exits();
  void stop(StopReason reason) {
    stopped_ = true;
    reason_ = reason;
  }
  void stop_if(std::optional<StopReason> reason) {
    if (reason) stop(*reason);
  }
  bool ends_repetition(uint64_t offset) const;
  bool can_fetch(uint64_t offset) const {
    return offset < static_cast<uint64_t>(code_bytes()) && offset % about_.alignment == 0;
  }
  const Fetched& fetch(size_t offset);
  void on_instruction(uint64_t offset);
  void after_alone(bool branched);
  void before_instruction(uint64_t offset);
  StopReason stop_of(uc_err error) const;
  // Calls a member from a hook. Nothing may be thrown through the engine's frames: it is kept for run_one().
  template <typename Function>
  static void guard(void* user, Function function) {
    auto* executor = static_cast<Executor*>(user);
    try {
      if (!executor->stopped_) function(*executor);
    } catch (...) {
      executor->failure_ = std::current_exception();
      executor->stop(StopReason::memory_fault);
    }
    if (executor->stopped_) uc_emu_stop(executor->engine_.get());
  }
  template <typename Callback>
  void hook(int type, Callback* callback, uint64_t first = 1, uint64_t last = 0);  // 1, 0: everywhere

  const InstructionSet& set_;
  const Description& about_;
  const Layout& layout_;
  const Addresses address_;
  const bool full_;
  const int code_bytes_;
  Listing& listing_;
  GuestMemory code_, data_;
  UnicornEngine engine_;
  std::optional<InstructionPool> pool_;  // where the machine can have one
  Recorder recorder_;

  // The run that is under way.
  TraceBatch* out_ = nullptr;
  Limits limits_;
  std::chrono::steady_clock::time_point begin_;
  uint64_t taken_ = 0;  // records after state 0
  bool stopped_ = false;
  StopReason reason_{};
  std::exception_ptr failure_;
  std::vector<uint64_t> exits_;  // addresses
  // By offset in the code; zero where nothing is known. Those known lie in [first_known_, end_known_).
  struct Free {
    void operator()(Fetched* fetched) const { std::free(fetched); }
  };
  std::unique_ptr<Fetched[], Free> fetched_;
  size_t first_known_, end_known_ = 0;
  std::optional<uint64_t> last_;  // the offset of the last record's instruction
  bool translated_ = false;       // in place, for this run or an earlier one
  bool in_place_ = false;         // some of this run's code is
  bool skips_read_ = false;       // the engine is about to read where the pool's next instruction is
  bool stay_ = false;     // all that follows runs in place: most of it is new, or some of it runs often
  bool entered_ = false;  // running in place: past its first instruction
  bool alone_ = false;    // instructions run one by one
  uint64_t offset_ = 0;   // of the instruction that runs alone
  std::optional<uint64_t> left_;  // where one way of running ended, to go on in the other
};

}  // namespace bytecpu::native
