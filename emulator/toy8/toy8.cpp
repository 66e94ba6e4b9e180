#include "emulator/toy8/toy8.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "emulator/error.hpp"
#include "emulator/toy8/assembly.hpp"
#include "emulator/toy8/firmware.h"
#include "emulator/toy8/isa.h"
#include "emulator/unicorn.hpp"

extern "C" const uint8_t toy8_firmware_begin[], toy8_firmware_end[];

namespace bytecpu {
namespace {

static_assert(sizeof(toy8_result) == 8 && sizeof(toy8_batch) == 88, "shared with the firmware");

constexpr size_t record_bytes = TOY8_RECORD_BYTES;

// How the firmware, compiled for the host's instruction set, is called.
#if defined(__x86_64__)
constexpr uc_arch host_arch = UC_ARCH_X86;
constexpr uc_mode host_mode = UC_MODE_64;
constexpr int host_model = UC_CPU_X86_HASWELL;
constexpr int argument_register = UC_X86_REG_RDI, stack_register = UC_X86_REG_RSP;
#elif defined(__aarch64__)
constexpr uc_arch host_arch = UC_ARCH_ARM64;
constexpr uc_mode host_mode = UC_MODE_ARM;
constexpr int host_model = UC_CPU_ARM64_A72;
constexpr int argument_register = UC_ARM64_REG_X0, stack_register = UC_ARM64_REG_SP;
#else
#error "toy8's firmware has no calling sequence for this instruction set: add it here"
#endif

// The guest's address space.
constexpr uint64_t code_address = 0x10000, work_address = 0x100000;
constexpr size_t batch_traces = 64;      // most traces a call of the firmware
constexpr size_t batch_records = 16384;  // most states a call: 256 KiB
constexpr size_t timed_records = 1024;   // most states between two looks at the clock
constexpr size_t stack_bytes = 4096;

// What the guest works on, in this order from work_address.
struct Work {
  uint8_t stack[stack_bytes];
  toy8_batch batch;
  toy8_result results[batch_traces];
  alignas(64) uint8_t records[batch_records * record_bytes];
  uint8_t starts[batch_traces * (TOY8_LARGEST_MEMORY + record_bytes)];
};

Layout make_layout(int memory_bytes) {
  if (memory_bytes < 64 || memory_bytes > TOY8_LARGEST_MEMORY || memory_bytes % 16 != 0) {
    throw Error("toy8 cannot have a memory of {} bytes; use a multiple of 16 from 64 to {}", memory_bytes,
                +TOY8_LARGEST_MEMORY);
  }
  Layout layout{"toy8", memory_bytes, record_bytes, {}};
  for (const char* name :
       {"PC", "ACC", "OP", "ADDR1", "ADDR2", "ADDR3", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J"}) {
    layout.fields.push_back({name, static_cast<int>(layout.fields.size()), 1});
  }
  return layout;
}

GuestMemory load_firmware() {
  const size_t size = toy8_firmware_end - toy8_firmware_begin;
  GuestMemory code(size + TOY8_INSTRUCTION_BYTES);
  std::memcpy(code.bytes().data(), toy8_firmware_begin, size);
  return code;
}

StopReason stop_reason(uint32_t stop) {
  switch (stop) {
    case TOY8_HALTED:
      return StopReason::halted;
    case TOY8_STEP_LIMIT:
      return StopReason::step_limit;
    case TOY8_ILLEGAL:
      return StopReason::illegal_instruction;
    case TOY8_BAD_PC:
      return StopReason::memory_fault;
  }
  throw Error("toy8's firmware returned the unknown result {}", stop);
}

std::string_view group(uint8_t opcode) {
  switch (opcode) {
    case TOY8_HLT:
      return "halt";
    case TOY8_CLR:
    case TOY8_PUSH:
    case TOY8_POP:
    case TOY8_LOADI:
    case TOY8_SWAP:
    case TOY8_MOV:
      return "move";
    case TOY8_SHL:
    case TOY8_SHR:
    case TOY8_ROL:
    case TOY8_ROR:
      return "shift";
    case TOY8_NOT:
    case TOY8_AND:
    case TOY8_OR:
    case TOY8_XOR:
      return "logic";
    case TOY8_MUL:
      return "multiply";
    case TOY8_DIV:
      return "divide";
    default:
      return "arithmetic";
  }
}

class Toy8 final : public Machine {
 public:
  explicit Toy8(int memory_bytes)
      : layout_(make_layout(memory_bytes)),
        code_(load_firmware()),
        memory_(sizeof(Work)),
        engine_(host_arch, host_mode, host_model) {
    engine_.map(code_address, code_, UC_PROT_READ | UC_PROT_EXEC);
    engine_.map(work_address, memory_, UC_PROT_READ | UC_PROT_WRITE);
  }

  const Layout& layout() const override { return layout_; }

  std::span<const std::string_view> operations() const override {
    static const auto names = [] {
      std::array<std::string_view, TOY8_OPCODES - 1> result;
      for (size_t i = 0; i < result.size(); ++i) result[i] = toy8_instructions[i + 1].mnemonic;
      return result;
    }();
    return names;
  }

  void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) override;
  void random_start(RandomSource& random, const ProgramOptions& options,
                    std::span<uint8_t> start) const override;

  int most_instructions() const override { return instructions(); }
  Program load(std::string_view contents, std::string_view name, std::string_view function) const override {
    if (!function.empty()) throw Error("{}: toy8's programs have no functions, such as {}", name, function);
    return {.image = toy8::assemble(contents, name, layout_.memory_bytes)};
  }
  std::string disassemble(std::span<const uint8_t> image) const override { return toy8::disassemble(image); }
  std::optional<size_t> instruction_line(std::span<const uint8_t>,
                                         std::span<const uint8_t> record) const override {
    const uint8_t pc = record[TOY8_PC];  // of the next instruction
    if (pc == 0) return std::nullopt;
    return pc - 1;
  }
  Instruction describe(std::span<const uint8_t> record) const override {
    BYTECPU_CHECK(record.size() == record_bytes);
    const auto code = record.subspan(TOY8_IR, TOY8_INSTRUCTION_BYTES);
    if (toy8_operands(code.data()) < 0) return {};
    // HLT, the first, is no operation that random programs draw.
    return {.operation = code[0] - 1,
            .name = toy8_instructions[code[0]].mnemonic,
            .group = group(code[0]),
            .form = toy8::instruction_form(code),
            .text = toy8::instruction_text(code)};
  }

 private:
  int instructions() const { return layout_.memory_bytes / TOY8_INSTRUCTION_BYTES; }
  void run_batch(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out);
  void call_firmware();
  void check(const ProgramOptions& options) const;

  const Layout layout_;
  GuestMemory code_, memory_;
  UnicornEngine engine_;
};

void Toy8::run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) {
  BYTECPU_CHECK(starts.size() % layout_.start_bytes() == 0);
  // The clock is read between calls, so a timed trace has its calls for itself.
  const size_t traces = limits.time.count() > 0 ? 1 : batch_traces;
  const size_t chunk = traces * layout_.start_bytes();
  try {
    for (size_t at = 0; at < starts.size(); at += chunk) {
      run_batch(starts.subspan(at, std::min(chunk, starts.size() - at)), limits, out);
    }
  } catch (...) {
    out.bytes.resize(out.offsets.back());  // whole traces only
    throw;
  }
}

void Toy8::run_batch(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) {
  Work& work = *reinterpret_cast<Work*>(memory_.bytes().data());
  const bool timed = limits.time.count() > 0;
  const auto begin = std::chrono::steady_clock::now();
  const size_t start_bytes = layout_.start_bytes();
  std::memcpy(work.starts, starts.data(), starts.size());
  toy8_batch& batch = work.batch;
  batch = {};
  batch.starts = work_address + offsetof(Work, starts);
  batch.records = work_address + offsetof(Work, records);
  batch.results = work_address + offsetof(Work, results);
  batch.count = starts.size() / start_bytes;
  batch.memory_bytes = layout_.memory_bytes;
  batch.room = timed ? timed_records : batch_records;
  batch.steps = limits.steps == Limits().steps ? instructions() : limits.steps;

  bool begun = false;  // the trace at batch.index is in `out` already, in part
  while (batch.index < batch.count) {
    size_t index = batch.index;
    call_firmware();
    const uint8_t* records = work.records;
    for (; index < batch.count; ++index) {
      if (!begun) {
        const auto start = starts.subspan(index * start_bytes, start_bytes);
        out.bytes.insert(out.bytes.end(), start.begin(), start.end());
      }
      const toy8_result result = work.results[index];
      out.bytes.insert(out.bytes.end(), records, records + result.records * record_bytes);
      records += result.records * record_bytes;
      begun = result.stop == TOY8_RUNNING;
      const bool late = begun && timed && std::chrono::steady_clock::now() - begin >= limits.time;
      if (begun && !late) break;
      out.offsets.push_back(static_cast<int64_t>(out.bytes.size()));
      out.stops.push_back(late ? StopReason::time_limit : stop_reason(result.stop));
      if (late) return;
    }
  }
}

void Toy8::call_firmware() {
  uint64_t stack = work_address + stack_bytes;
  const uint64_t argument = work_address + offsetof(Work, batch);
  const uint64_t after = code_address + (toy8_firmware_end - toy8_firmware_begin);
#if defined(__x86_64__)
  stack -= sizeof after;  // where a call leaves its return address
  std::memcpy(memory_.bytes().data() + (stack - work_address), &after, sizeof after);
#else
  engine_.write_register(UC_ARM64_REG_LR, after);
#endif
  engine_.write_register(stack_register, stack);
  engine_.write_register(argument_register, argument);
  engine_.run(code_address, after);
}

void Toy8::check(const ProgramOptions& options) const {
  if (options.min_instructions < 1 || options.min_instructions > options.max_instructions ||
      options.max_instructions > instructions()) {
    throw Error("programs of {} to {} instructions: use 1 ≤ min ≤ max ≤ {}, what fits a memory of {} bytes",
                options.min_instructions, options.max_instructions, instructions(), layout_.memory_bytes);
  }
  if (!options.operation_weights.empty()) {
    const auto& weights = options.operation_weights;
    if (weights.size() != operations().size()) {
      throw Error("{} operation weights, but toy8 draws from {} operations", weights.size(),
                  operations().size());
    }
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!(weights[i] >= 0))
        throw Error("the weight of operation {} is {}; use 0 or more", operations()[i], weights[i]);
      sum += weights[i];
    }
    if (!(sum > 0) || !std::isfinite(sum))
      throw Error("operation weights add up to {}; use a positive sum", sum);
  }
  if (!(options.small_operands >= 0 && options.small_operands <= 1)) {
    throw Error("small_operands is {}, a probability; use 0 … 1", options.small_operands);
  }
  if (options.window_steps < 0)
    throw Error("window_steps is {}; use 0 (whole traces) or more", options.window_steps);
  if (options.memory_share || options.branch_share || options.loop_share) {
    throw Error("toy8 has no memory operations, branches or loops: leave out their shares");
  }
  if (options.anywhere_share != 0) throw Error("toy8's programs begin at 0: leave out anywhere_share");
}

// The order of the draws is the published generator's; only options beyond its own draw more.
void Toy8::random_start(RandomSource& random, const ProgramOptions& options, std::span<uint8_t> start) const {
  check(options);
  BYTECPU_CHECK(start.size() == static_cast<size_t>(layout_.start_bytes()));
  constexpr uint32_t fine = 1u << 31;  // resolution of a drawn fraction

  std::fill(start.begin(), start.end(), 0);
  uint8_t* state = start.data() + layout_.memory_bytes;
  const auto draw_register = [&] {
    const uint32_t value = random.below(256);
    const bool small = options.small_operands > 0 && random.below(fine) < options.small_operands * fine;
    return static_cast<uint8_t>(small ? value >> random.below(8) : value);
  };
  state[TOY8_ACC] = draw_register();
  for (int i = 0; i < TOY8_REGISTERS; ++i) state[TOY8_A + i] = draw_register();
  const int count = random.between(options.min_instructions, options.max_instructions);

  // Sums of the weights up to each operation's.
  std::array<double, TOY8_OPCODES - 1> sums{};
  double sum = 0;
  for (size_t i = 0; i < options.operation_weights.size(); ++i) sums[i] = sum += options.operation_weights[i];
  const auto draw_operation = [&]() -> uint32_t {
    if (sum == 0) return 1 + random.below(sums.size());
    const double drawn = sum * random.below(fine) / fine;
    return 1 + (std::upper_bound(sums.begin(), sums.end(), drawn) - sums.begin());
  };

  uint8_t* code = start.data();
  for (int i = 0; i + 1 < count; ++i, code += TOY8_INSTRUCTION_BYTES) {
    code[0] = static_cast<uint8_t>(draw_operation());
    const toy8_instruction& instruction = toy8_instructions[code[0]];
    if (instruction.number) {
      code[1] = static_cast<uint8_t>(random.below(256));
      continue;
    }
    const uint32_t operands = random.between(instruction.fewest, instruction.most);
    for (uint32_t k = 1; k <= operands; ++k)
      code[k] = static_cast<uint8_t>(random.between(1, TOY8_REGISTERS));
  }

  if (options.window_steps > 0) {
    state[TOY8_PC] = static_cast<uint8_t>(random.below(count));
  }
}

}  // namespace

std::unique_ptr<Machine> make_toy8(int memory_bytes) { return std::make_unique<Toy8>(memory_bytes); }

}  // namespace bytecpu
