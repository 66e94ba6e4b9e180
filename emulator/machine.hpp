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
#include "emulator/trace.hpp"

namespace bytecpu {

struct Limits {
  uint64_t steps = std::numeric_limits<uint64_t>::max();  // records after state 0, for each trace
  std::chrono::nanoseconds time{0};                       // for each trace; zero: none
};

// A part of the memory image that has a use: "code", "data", "stack", "return address".
struct Region {
  std::string_view name;
  int offset = 0, bytes = 0;  // in the memory image
  uint64_t address = 0;       // as programs see it
  // The field of state 0 that points to it: another value there, and the region is nothing but data.
  std::string_view pointer = {};
};

// A given program as the machine's memory holds it.
struct Program {
  // What of it lies where, in the memory image: a file's sections, and what was added to them.
  struct Part {
    std::string name;
    int offset = 0, bytes = 0;
  };
  std::vector<uint8_t> image;
  uint64_t entry = 0;            // what the PC is in state 0
  std::vector<Part> parts = {};  // in the full layout; those in the data are not to be covered
};

// What the machine makes of the instruction that a record has fetched.
struct Instruction {
  // Its index in Machine::operations(); -1: random programs do not draw it, or there is none.
  int operation = -1;
  std::string_view name = "???";
  // What kind of instruction it is: "arithmetic", "memory", "branch".
  std::string_view group = "???";
  // Name and kinds of operands, for example "ADD R R R".
  std::string form = "???";
  // As its user writes it, for example "ADD A B C".
  std::string text = "???";
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
  // that access memory and that branch or call, and the probability that a loop begins. What loops end with and what
  // leads around a block that is branched back to comes besides.
  std::optional<double> memory_share = {};
  std::optional<double> branch_share = {};
  std::optional<double> loop_share = {};
  // Of native machines: share of the programs that begin at any place where they fit into the code region, behind
  // instructions that do not run; the others begin where it does.
  double anywhere_share = 0;

  bool operator==(const ProgramOptions&) const = default;
};

// Not thread-safe: one machine (and so one Unicorn engine) a thread. Costly to make, cheap to run.
class Machine {
 public:
  virtual ~Machine() = default;

  virtual const Layout& layout() const = 0;
  // Of the whole memory image, in order. Random programs stay within the stack; that of a given program grows
  // down over the data where it is deep.
  virtual std::vector<Region> regions() const {
    const int end = layout().memory_bytes, code = layout().data_offset;
    if (code == 0) return {{"code", 0, end}};
    return {{"code", 0, code}, {"data", code, end - code, static_cast<uint64_t>(code)}};
  }
  // Names of the operations that random programs choose from, in the order of
  // ProgramOptions::operation_weights.
  virtual std::span<const std::string_view> operations() const = 0;

  // How many instructions a random program may have at most, the one that halts included: what fits the memory.
  virtual int most_instructions() const = 0;

  // Runs every start (back to back, layout().start_bytes() each) and appends its trace to `out`. Any bytes
  // are safe to run: what the machine cannot do ends that trace with a StopReason.
  virtual void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) = 0;

  // Draws a random program and state 0 into `start`, layout().start_bytes() long. Throws Error if the
  // options do not fit the machine.
  virtual void random_start(RandomSource& random, const ProgramOptions& options,
                            std::span<uint8_t> start) const = 0;

  // Draws a start that tries operations()[operation] alone: state 1 has fetched one instruction of it, and its
  // result is state 2, or the end where it faults. It, or what prepares its operands, is among its program's
  // first `places` (0: anywhere), and halting ones follow. Operands, registers, flags and memory are drawn, often
  // at the ends of their ranges. Returns what describe() says of the instruction: at times another operation's,
  // where what was drawn has two names. Nothing where the machine tries no operation alone.
  virtual std::optional<Instruction> isolated_start(RandomSource& /*random*/, size_t /*operation*/,
                                                    int /*places*/, std::span<uint8_t> /*start*/) {
    return std::nullopt;
  }

  // Program file as its user writes it (assembly; flat binary, or a function of an ELF file) to a memory
  // image; `name` is for messages. `function`: which one of the file. Throws Error.
  virtual Program load(std::string_view contents, std::string_view name,
                       std::string_view function = {}) const = 0;
  // Its memory image alone: all that there is to it, but in the full layout.
  std::vector<uint8_t> load_program(std::string_view contents, std::string_view name,
                                    std::string_view function = {}) const {
    return load(contents, name, function).image;
  }
  // State 0 of a given program, but for its PC: zero, and what the machine needs, such as a stack pointer.
  virtual std::vector<uint8_t> first_state() const {
    return std::vector<uint8_t>(static_cast<size_t>(layout().record_bytes));
  }

  // Text of the program in a memory image, as load_program takes it where the machine has an assembler.
  virtual std::string disassemble(std::span<const uint8_t> image) const = 0;
  // Which line of that text, from 0, is the instruction that a record after state 0 has fetched; nothing where
  // none is.
  virtual std::optional<size_t> instruction_line(std::span<const uint8_t> image,
                                                 std::span<const uint8_t> record) const = 0;
  // Not of state 0: it has fetched nothing, and on some machines its zeros would be read as an instruction.
  // Where the record holds none that the machine includes, all is "???"; but the text may say what it is, and
  // why it is not run.
  virtual Instruction describe(std::span<const uint8_t> record) const = 0;
};

// Throws Error for an unknown name, or a memory size that the machine cannot have.
std::unique_ptr<Machine> make_machine(std::string_view name, int memory_bytes);
// What a program takes where its user names no length: 1024 bytes, or 65536 in the full layout.
int usual_memory(std::string_view name);
std::vector<std::string_view> machine_names();

}  // namespace bytecpu
