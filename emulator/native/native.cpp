#include "emulator/native/native.hpp"

#include <algorithm>
#include <optional>

#include "emulator/error.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/executor.hpp"
#include "emulator/native/given_code.hpp"
#include "emulator/native/isolated.hpp"
#include "emulator/native/link/archive.hpp"
#include "emulator/native/link/check_linked.hpp"
#include "emulator/native/link/linker.hpp"
#include "emulator/native/listing.hpp"
#include "emulator/native/random_program.hpp"

namespace bytecpu::native {
namespace {

// Of a return address that is pushed.
constexpr int address_bytes = 8;

class NativeMachine final : public Machine {
 public:
  NativeMachine(std::unique_ptr<InstructionSet> set, int memory_bytes)
      : set_(std::move(set)),
        about_(set_->about()),
        at_(about_),
        layout_(make_layout(about_, memory_bytes)),
        address_(addresses_of(about_, memory_bytes)),
        stack_bytes_(stack_region_bytes(about_, memory_bytes)),
        listing_(*set_, layout_),
        executor_(*set_, layout_, listing_) {}

  const Layout& layout() const override { return layout_; }
  std::vector<Region> regions() const override;
  std::span<const std::string_view> operations() const override { return listing_.drawn(); }
  void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) override {
    executor_.run(starts, limits, out);
  }
  int most_instructions() const override { return native::most_instructions(*set_, code_bytes()); }
  void random_start(RandomSource& random, const ProgramOptions& options,
                    std::span<uint8_t> start) const override;
  std::optional<Instruction> isolated_start(RandomSource& random, size_t operation, int places,
                                            std::span<uint8_t> start) override;
  Program load(std::string_view contents, std::string_view name, std::string_view function) const override;
  std::vector<uint8_t> first_state() const override;
  std::string disassemble(std::span<const uint8_t> image) const override {
    return listing_.disassemble(image);
  }
  std::optional<size_t> instruction_line(std::span<const uint8_t> image,
                                         std::span<const uint8_t> record) const override {
    return listing_.instruction_line(image, record);
  }
  Instruction describe(std::span<const uint8_t> record) const override { return listing_.describe(record); }

 private:
  int code_bytes() const { return code_region_bytes(about_, layout_.memory_bytes); }
  int data_bytes() const { return layout_.memory_bytes - layout_.data_offset; }
  uint64_t return_address() const { return address_.code + code_bytes() - about_.halt.size(); }
  // Of state 0.
  void set_register(std::span<uint8_t> state, int r, uint64_t value) const {
    store(state.data() + at_.registers + about_.register_bytes * r, value, about_.register_bytes);
  }
  uint64_t get_register(std::span<const uint8_t> state, int r) const {
    return native::load(state.data() + at_.registers + about_.register_bytes * r, about_.register_bytes);
  }
  bool pushes_return_address() const { return about_.stack >= 0 && about_.link < 0; }
  // What the code's rest holds, `used` on, and the return address where a call leaves it.
  enum class Behind { halts, one_halt, faults };
  void finish_image(std::span<uint8_t> image, size_t used, Behind behind) const;
  size_t most_code_bytes() const;
  Program link_program(std::string_view contents, std::string_view name, std::string_view function) const;
  // Of isolated_start(): what the instruction reads, and where calls return to, behind the `used` code bytes.
  void draw_operands(RandomSource& random, std::span<uint8_t> start) const;
  void draw_stack(RandomSource& random, size_t used, bool returns, std::span<uint8_t> start) const;
  // Runs so many instructions from state 0 on: memory and state 0 become what they leave.
  void prepare(int instructions, std::span<uint8_t> start);

  const std::unique_ptr<InstructionSet> set_;
  const Description& about_;
  const Places at_;
  const Layout layout_;
  const Addresses address_;
  const int stack_bytes_;
  Listing listing_;
  Executor executor_;
};

std::vector<Region> NativeMachine::regions() const {
  const bool has_stack = about_.stack >= 0;
  const int end = layout_.memory_bytes, pushed = pushes_return_address() ? address_bytes : 0;
  const int stack = end - (has_stack ? stack_bytes_ : 0);
  const std::string_view pointer = has_stack ? about_.registers[about_.stack].name : "";
  const auto address = [&](int offset) {
    return address_.data + static_cast<uint64_t>(offset - layout_.data_offset);
  };
  const int data = layout_.data_offset;
  std::vector<Region> regions = {{"code", 0, code_bytes(), address_.code}};
  if (code_bytes() < data) {
    regions.push_back({"read-only data", code_bytes(), data - code_bytes(), address_.code + code_bytes()});
  }
  regions.push_back({"data", data, stack - data, address_.data});
  if (has_stack) regions.push_back({"stack", stack, end - pushed - stack, address(stack), pointer});
  if (pushed > 0) regions.push_back({"return address", end - pushed, pushed, address(end - pushed), pointer});
  return regions;
}

// Random programs end in halting instructions. A given one halts when it runs off its end, a function only
// when it returns; whatever else goes on behind them meets what is illegal.
void NativeMachine::finish_image(std::span<uint8_t> image, size_t used, Behind behind) const {
  const auto fill = [&](size_t from, size_t to, const std::vector<uint8_t>& with) {
    for (size_t at = from; at + with.size() <= to; at += with.size())
      std::ranges::copy(with, image.begin() + at);
  };
  const size_t end = code_bytes(), halt = about_.halt.size();
  fill(used, end, behind == Behind::halts ? about_.halt : about_.filler);
  if (behind == Behind::one_halt) fill(used, used + halt, about_.halt);
  if (about_.stack >= 0) fill(end - halt, end, about_.halt);  // where a return leads
  if (pushes_return_address())
    store(image.data() + image.size() - address_bytes, return_address(), address_bytes);
}

std::vector<uint8_t> NativeMachine::first_state() const {
  std::vector<uint8_t> state(layout_.record_bytes);
  const int pushed = pushes_return_address() ? address_bytes : 0;
  if (about_.stack >= 0) set_register(state, about_.stack, address_.data + data_bytes() - pushed);
  if (about_.link >= 0) set_register(state, about_.link, return_address() | about_.fetch_mode);
  return state;
}

void NativeMachine::random_start(RandomSource& random, const ProgramOptions& options,
                                 std::span<uint8_t> start) const {
  check(options, *set_, code_bytes());
  BYTECPU_CHECK(start.size() == static_cast<size_t>(layout_.start_bytes()));
  const int used_data = data_bytes() - stack_bytes_;
  const auto image = start.first(layout_.memory_bytes);
  std::ranges::fill(image, 0);
  const auto program = random_program(random, options, *set_, code_bytes(), used_data);
  BYTECPU_CHECK(program.size() <= static_cast<size_t>(code_bytes()));
  std::vector<uint8_t> idle;
  if (options.anywhere_share > 0 && Scope{random, 0, false, 0}.chance(options.anywhere_share)) {
    const size_t room = most_code_bytes() - std::min(most_code_bytes(), program.size());
    idle = idle_code(random, options, *set_, code_bytes(), used_data, room);
  }
  std::ranges::copy(idle, image.begin());
  std::ranges::copy(program, image.begin() + static_cast<ptrdiff_t>(idle.size()));
  for (int i = 0; i < used_data; i += 2) store(&image[layout_.data_offset + i], random.below(1 << 16), 2);
  finish_image(image, idle.size() + program.size(), Behind::halts);

  const auto state = first_state();
  std::ranges::copy(state, start.begin() + layout_.memory_bytes);
  const auto drawn = start.subspan(layout_.memory_bytes);
  store(drawn.data() + at_.pc, idle.size(), about_.offset_bytes);
  drawn[at_.flags] = set_->pack_flags(set_->unpack_flags(static_cast<uint8_t>(random.below(256))));
  const Scope scope{random, 0, false, 0};
  for (int r = 0; r < static_cast<int>(about_.registers.size()); ++r) {
    if (r == about_.stack || r == about_.link) continue;
    uint64_t value = address_.data;
    if (r != about_.data) {
      value = scope.word();
      if (about_.full()) value |= uint64_t{scope.word()} << 32;
      if (options.small_operands > 0 && scope.chance(options.small_operands))
        value >>= random.below(8 * about_.register_bytes);
    }
    set_register(drawn, r, value);
  }
}

void NativeMachine::draw_operands(RandomSource& random, std::span<uint8_t> start) const {
  uint8_t* data = start.data() + layout_.data_offset;
  const auto state = start.subspan(layout_.memory_bytes);
  std::vector<uint32_t> registers;
  for (int r = 0; r < static_cast<int>(about_.registers.size()); ++r) {
    if (r == about_.stack || r == about_.link || r == about_.data) continue;
    registers.push_back(telling_number(random, registers));
    set_register(state, r, registers.back());
  }
  set_register(state, about_.data, address_.data);
  state[at_.flags] = set_->pack_flags(set_->unpack_flags(static_cast<uint8_t>(random.below(256))));
  for (int i = 0; i < data_bytes() - stack_bytes_; i += 4)
    store(data + i, telling_number(random, registers), 4);
}

// Calls may be under way, and what was pushed may lie on the stack; with `returns` its top is where one of them
// returns to.
void NativeMachine::draw_stack(RandomSource& random, size_t used, bool returns,
                               std::span<uint8_t> start) const {
  const auto state = start.subspan(layout_.memory_bytes);
  const auto behind = [&] {
    const auto places = static_cast<uint32_t>((code_bytes() - used) / about_.alignment);
    return address_.code + used + uint64_t{random.below(places)} * about_.alignment;
  };
  if (about_.link >= 0 && random.below(4)) set_register(state, about_.link, behind());
  if (!pushes_return_address()) return;
  constexpr uint32_t most_pushed = 2;
  uint64_t top = get_register(state, about_.stack);
  for (uint32_t pushed = random.below(most_pushed + 1); pushed > 0; --pushed) {
    top -= address_bytes;
    const bool address = returns || random.below(2);
    store(start.data() + layout_.data_offset + (top - address_.data),
          address ? behind() : telling_number(random, {}), address_bytes);
  }
  set_register(state, about_.stack, top);
}

void NativeMachine::prepare(int instructions, std::span<uint8_t> start) {
  if (instructions == 0) return;
  TraceBatch run(layout_);
  executor_.run(start, {.steps = static_cast<uint64_t>(instructions + 1)}, run);
  const Trace trace = run[0];
  BYTECPU_CHECK(trace.states() == instructions + 1);
  const auto image = start.first(layout_.memory_bytes), state = start.subspan(layout_.memory_bytes);
  for (int t = 1; t <= trace.states(); ++t) apply_write(layout_, trace.record(t), image);
  std::ranges::copy(trace.record(trace.states()), state.begin());
  std::ranges::fill(state.subspan(at_.insn, at_.registers - at_.insn), 0);
}

std::optional<Instruction> NativeMachine::isolated_start(RandomSource& random, size_t operation, int places,
                                                         std::span<uint8_t> start) {
  BYTECPU_CHECK(operation < operations().size() &&
                start.size() == static_cast<size_t>(layout_.start_bytes()));
  const auto all = set_->operations();
  size_t row = 0;  // of the table: the operations drawn are those that have a use
  for (size_t drawn = 0;; ++row) {
    if (all[row].uses && drawn++ == operation) break;
  }
  const auto isolated =
      isolate(random, *set_, listing_.disassembler(), row, places, code_bytes(), data_bytes() - stack_bytes_);
  const size_t used = isolated.code.size();
  BYTECPU_CHECK(used + about_.halt.size() <= static_cast<size_t>(code_bytes()));
  std::ranges::fill(start, 0);
  std::ranges::copy(isolated.code, start.begin());
  finish_image(start.first(layout_.memory_bytes), used, Behind::halts);

  const auto state = start.subspan(layout_.memory_bytes);
  std::ranges::copy(first_state(), state.begin());
  draw_operands(random, start);
  draw_stack(random, used, all[row].uses & call, start);
  store(state.data() + at_.pc, isolated.begin, about_.offset_bytes);
  prepare(isolated.preparation, start);

  std::vector<uint8_t> fetched(state.begin(), state.end());
  const std::span<const uint8_t> instruction(isolated.code.begin() + static_cast<ptrdiff_t>(isolated.at),
                                             isolated.code.end());
  BYTECPU_CHECK(instruction.size() <= static_cast<size_t>(about_.instruction_bytes));
  std::ranges::copy(instruction, fetched.begin() + at_.insn);
  return describe(fetched);
}

// Of the code region, what a program may fill: the last instruction in it halts.
size_t NativeMachine::most_code_bytes() const {
  return static_cast<size_t>(code_bytes()) - about_.halt.size();
}

Program NativeMachine::load(std::string_view contents, std::string_view name,
                            std::string_view function) const {
  if (about_.full() && (is_elf(contents) || is_archive(contents)))
    return link_program(contents, name, function);
  std::vector<uint8_t> program;
  std::optional<ElfFunction> elf;
  if (is_elf(contents)) {
    if (about_.elf_machine == 0)
      throw Error("{}: {} takes flat binaries, not ELF objects", name, about_.name);
    elf = elf_function(contents, name, function, about_.elf_machine);
    program = elf->code;
  } else if (is_archive(contents)) {
    throw Error("{}: an archive: {} does not link; a -full machine does", name, about_.name);
  } else if (!function.empty()) {
    throw Error("{}: not an ELF object, in which to look for the function {}", name, function);
  } else {
    program.assign(contents.begin(), contents.end());
  }
  if (program.empty()) throw Error("{}: there is no code in it", name);
  if (program.size() > most_code_bytes()) {
    throw Error("{}: {} bytes of code; {} fit {} bytes of memory, of which {} is for data", name,
                program.size(), most_code_bytes(), layout_.memory_bytes, about_.full() ? "the rest" : "half");
  }
  check_given(program, *set_, listing_.disassembler(), name, elf ? &*elf : nullptr);
  program.resize((program.size() + about_.alignment - 1) / about_.alignment * about_.alignment);
  const size_t used = program.size();
  program.resize(layout_.memory_bytes);
  finish_image(program, used, elf ? Behind::faults : Behind::one_halt);
  return {.image = std::move(program)};
}

// Of the full layout: what a linker would make of an ELF file or an archive.
Program NativeMachine::link_program(std::string_view contents, std::string_view name,
                                    std::string_view function) const {
  Program program;
  program.image.resize(static_cast<size_t>(layout_.memory_bytes));
  finish_image(program.image, 0, Behind::faults);
  const LinkPlaces places{.code = address_.code,
                          .data = address_.data,
                          .code_bytes = most_code_bytes(),
                          .read_only = static_cast<size_t>(code_bytes()),
                          .fixed_bytes = static_cast<size_t>(layout_.data_offset),
                          .data_bytes = static_cast<size_t>(data_bytes() - stack_bytes_),
                          .memory_bytes = static_cast<size_t>(layout_.memory_bytes)};
  const auto linked = link(contents, name, function, about_.elf_machine, places, program.image);
  program.entry = linked.entry;
  program.parts = linked.parts;
  check_linked(linked, program.image, *set_, listing_.disassembler(), name);
  return program;
}

}  // namespace

std::unique_ptr<Machine> make_machine(std::unique_ptr<InstructionSet> set, int memory_bytes) {
  return std::make_unique<NativeMachine>(std::move(set), memory_bytes);
}

}  // namespace bytecpu::native
