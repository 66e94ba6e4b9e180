// A machine: turns a start (memory image ‖ state 0) into a trace, the byte record of every state.
// To add one: a folder here with a Machine subclass, and a line in machines.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/layout.hpp"
#include "emulator/random.hpp"

namespace bytecpu {

// Why a run ended. The numbers are those of datasets' `stops`.
enum class StopReason : uint8_t {
  halted = 0,
  step_limit = 1,
  time_limit = 2,
  illegal_instruction = 3,
  memory_fault = 4,  // an access, or a fetch, outside of the machine's memory
  code_write = 5,    // a write to the part of the memory that holds the code
  divide_error = 6,  // where the processor has one: division by zero, or a quotient out of range
  unknown = 7,       // of an imported trace that is not what the machine makes
};
inline constexpr StopReason last_stop_reason = StopReason::unknown;
std::string_view to_string(StopReason reason);

struct Limits {
  uint64_t steps = std::numeric_limits<uint64_t>::max();  // records after state 0, for each trace
  std::chrono::nanoseconds time{0};                       // for each trace; zero: none
};

// Traces back to back. Trace i is bytes[offsets[i] … offsets[i+1]): memory image ‖ state 0 ‖ state 1 ‖ …
struct TraceBatch {
  std::vector<uint8_t> bytes;
  std::vector<int64_t> offsets{0};
  std::vector<StopReason> stops;  // one a trace

  size_t size() const { return offsets.size() - 1; }
  std::span<const uint8_t> trace(size_t i) const {
    return std::span(bytes).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  void clear() {
    bytes.clear();
    offsets.assign(1, 0);
    stops.clear();
  }
};

// How random programs are drawn. The default is the published distribution.
struct ProgramOptions {
  int min_instructions = 1;
  int max_instructions = 255;  // the one that halts included
  // Weight of each of Machine::operations(), for drawing an operation; empty: uniform.
  std::vector<double> operation_weights = {};
  // Probability that a register starts with few significant bits (uniform 0 … 255 shifted right by 0 … 7).
  double small_operands = 0;
  // When positive, traces are windows of at most this many steps: state 0 stands at a random instruction,
  // each as likely, so that ends are as frequent as in whole programs; with the instruction registers empty.
  // Run such starts with Limits::steps = window_steps.
  int window_steps = 0;
  // Of machines with loads, stores and branches; unset: the machine's own. Shares of the instructions drawn
  // that access memory and that branch forward or call, and the probability that a loop begins.
  std::optional<double> memory_share = {};
  std::optional<double> branch_share = {};
  std::optional<double> loop_share = {};

  bool operator==(const ProgramOptions&) const = default;
};

// Not thread-safe: one machine (and so one Unicorn engine) a thread. Costly to make, cheap to run.
class Machine {
 public:
  virtual ~Machine() = default;

  virtual const Layout& layout() const = 0;
  // Names of the operations that random programs choose from, in the order of
  // ProgramOptions::operation_weights.
  virtual std::span<const std::string_view> operations() const = 0;

  // Runs every start (back to back, layout().start_bytes() each) and appends its trace to `out`. Any bytes
  // are safe to run: what the machine cannot do ends that trace with a StopReason.
  virtual void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) = 0;

  // Draws a random program and state 0 into `start`, layout().start_bytes() long. Throws Error if the
  // options do not fit the machine.
  virtual void random_start(RandomSource& random, const ProgramOptions& options,
                            std::span<uint8_t> start) const = 0;

  // Program file as its user writes it (assembly; flat binary, or a function of an ELF object) to a memory
  // image; `name` is for messages. `function`: which one of an object. Throws Error.
  virtual std::vector<uint8_t> load_program(std::string_view contents, std::string_view name,
                                            std::string_view function = {}) const = 0;
  // State 0 of a given program: zero, but for what the machine needs, such as a stack pointer.
  virtual std::vector<uint8_t> first_state() const {
    return std::vector<uint8_t>(static_cast<size_t>(layout().record_bytes));
  }

  // Text of the program in a memory image, as load_program takes it where the machine has an assembler.
  virtual std::string disassemble(std::span<const uint8_t> image) const = 0;
  // Which line of that text, from 0, is the instruction that a record has fetched; nothing where none is.
  virtual std::optional<size_t> instruction_line(std::span<const uint8_t> image,
                                                 std::span<const uint8_t> record) const = 0;
  // Text of the instruction that a record holds, for example "ADD A B C"; "???" where it is none.
  virtual std::string instruction_text(std::span<const uint8_t> record) const = 0;
  // Operation and form of that instruction, for breakdowns, for example "ADD R R R".
  virtual std::string instruction_form(std::span<const uint8_t> record) const = 0;
  // What kind of instruction it is, for breakdowns: "arithmetic", "memory", "branch"; "???" where it is none.
  virtual std::string_view instruction_group(std::span<const uint8_t> record) const = 0;
};

// Throws Error for an unknown name, or a memory size that the machine cannot have.
std::unique_ptr<Machine> make_machine(std::string_view name, int memory_bytes);
std::vector<std::string_view> machine_names();

}  // namespace bytecpu
