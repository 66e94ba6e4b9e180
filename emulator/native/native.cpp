#include "emulator/native/native.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <optional>
#include <tuple>
#include <unordered_set>

#include "emulator/error.hpp"
#include "emulator/native/disassembler.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/given_code.hpp"
#include "emulator/native/instruction_pool.hpp"
#include "emulator/native/random_program.hpp"
#include "emulator/unicorn.hpp"

namespace bytecpu::native {
namespace {

constexpr int least_memory = 256, most_memory = 4096, memory_step = 32;
constexpr int stack_bytes = 64;   // of the data, not touched by random programs' loads and stores
constexpr int address_bytes = 8;  // of a return address that is pushed
constexpr uint64_t steps_between_looks = 1024;  // at the clock

constexpr int most_visits =
    8;  // of an instruction, one by one: code that runs more often is translated in place

// What is known of the instruction at an offset of the code that is being run.
struct Fetched {
  int8_t bytes = 0;  // 0: nothing yet
  bool halts = false, illegal = false;
  bool branches = false;  // by `distance`, or not
  uint8_t visits = 0;     // one by one
  int32_t distance = 0;
  uint64_t alone = 0;  // address in the pool; 0: it runs in place
};

// Places of the fields in a record.
struct Places {
  int pc, insn, flags, registers, write_offset, write_size, write_value, end;

  explicit Places(const Description& d)
      : pc(0),
        insn(d.pc_bytes),
        flags(insn + d.instruction_bytes),
        registers(flags + 1),
        write_offset(registers + 4 * static_cast<int>(d.registers.size())),
        write_size(write_offset + 2),
        write_value(write_size + 1),
        end(write_value + d.value_bytes) {}
};

Layout make_layout(const Description& d, const Places& at, int memory_bytes) {
  if (memory_bytes < least_memory || memory_bytes > most_memory || memory_bytes % memory_step != 0) {
    throw Error("{} cannot have a memory of {} bytes; use a multiple of {} from {} to {}", d.name,
                memory_bytes, memory_step, least_memory, most_memory);
  }
  BYTECPU_CHECK(at.end % 16 == 0);
  Layout layout{std::string(d.name), memory_bytes, at.end, {}, memory_bytes / 2};
  auto& fields = layout.fields;
  fields = {{"PC", at.pc, d.pc_bytes},
            {"INSN", at.insn, d.instruction_bytes},
            {d.flags_name, at.flags, 1, d.flag_bits}};
  for (const Register& r : d.registers) {
    fields.push_back({r.name, at.registers + 4 * static_cast<int>(&r - d.registers.data()), 4});
  }
  fields.push_back({"WRITE_OFFSET", at.write_offset, 2});
  fields.push_back({"WRITE_SIZE", at.write_size, 1});
  fields.push_back({"WRITE_VALUE", at.write_value, d.value_bytes});
  return layout;
}

uint64_t load(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, count);
  return value;
}
void store(uint8_t* bytes, uint64_t value, int count) { std::memcpy(bytes, &value, count); }

void check(uc_err error, std::string_view what) {
  if (error != UC_ERR_OK) throw Error("Unicorn: {}: {}", what, uc_strerror(error));
}

class NativeMachine final : public Machine {
 public:
  NativeMachine(std::unique_ptr<InstructionSet> set, int memory_bytes);
  NativeMachine(const NativeMachine&) = delete;
  NativeMachine& operator=(const NativeMachine&) = delete;

  const Layout& layout() const override { return layout_; }
  std::span<const std::string_view> operations() const override { return drawn_; }
  void run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) override;
  int most_instructions() const override { return native::most_instructions(*set_, code_bytes()); }
  void random_start(RandomSource& random, const ProgramOptions& options,
                    std::span<uint8_t> start) const override;
  std::vector<uint8_t> load_program(std::string_view contents, std::string_view name,
                                    std::string_view function) const override;
  std::vector<uint8_t> first_state() const override;
  std::string disassemble(std::span<const uint8_t> image) const override;
  std::optional<size_t> instruction_line(std::span<const uint8_t> image,
                                         std::span<const uint8_t> record) const override;
  Instruction describe(std::span<const uint8_t> record) const override;

 private:
  int code_bytes() const { return layout_.data_offset; }
  int data_bytes() const { return layout_.memory_bytes - layout_.data_offset; }
  uint64_t return_address() const { return code_address + code_bytes() - about_.halt.size(); }
  bool pushes_return_address() const { return about_.stack >= 0 && about_.link < 0; }
  uint8_t* code() const { return code_.bytes().data(); }
  uint8_t* data() const { return data_.bytes().data(); }

  // The operation of an instruction that the machine includes; null where it does not.
  const Operation* find_operation(std::string_view mnemonic) const;
  // The instruction at the head of `code`; nothing where the machine includes none.
  std::optional<InstructionText> decode_included(std::span<const uint8_t> code, uint64_t address) const;
  // The bytes of the instruction in a record, and zeros: Capstone's longest.
  std::array<uint8_t, 16> instruction_of(std::span<const uint8_t> record) const;
  // Why an instruction stops a program: text for one that is not included.
  std::string text_of_refused(std::span<const uint8_t> bytes, uint64_t address) const;
  // Of the code in an image, how much is listed in full: the halting instructions at its end count as one,
  // what lies behind a given program not at all.
  size_t listed_bytes(std::span<const uint8_t> image) const;
  struct Line {
    size_t at, bytes;
    std::string text;
  };
  std::vector<Line> lines(std::span<const uint8_t> image) const;
  // What the code's rest holds, `used` on, and the return address where a call leaves it.
  enum class Behind { halts, one_halt, faults };
  void finish_image(std::span<uint8_t> image, size_t used, Behind behind) const;

  void run_one(std::span<const uint8_t> start);
  bool mostly_known(uint64_t offset);
  uint64_t run_alone(uint64_t offset);
  uint64_t run_in_place(uint64_t offset);
  void set_exits();
  void stop(StopReason reason) {
    stopped_ = true;
    reason_ = reason;
  }
  bool can_fetch(uint64_t offset) const {
    return offset < static_cast<uint64_t>(code_bytes()) && offset % about_.alignment == 0;
  }
  const Fetched& fetch(size_t offset);
  bool is_included(std::span<const uint8_t> instruction, uint64_t shape);
  void on_instruction(uint64_t offset);
  void after_alone(bool branched);
  void before_instruction(uint64_t offset);
  void on_read(uint64_t address, uint64_t size);
  void on_write(uint64_t address, uint64_t size, uint64_t value);
  StopReason stop_of(uc_err error) const;
  // Calls a member from a hook. Nothing may be thrown through the engine's frames: it is kept for run_one().
  template <typename Function>
  static void guard(void* user, Function function) {
    auto* machine = static_cast<NativeMachine*>(user);
    try {
      if (!machine->stopped_) function(*machine);
    } catch (...) {
      machine->failure_ = std::current_exception();
      machine->stop(StopReason::memory_fault);
    }
    if (machine->stopped_) uc_emu_stop(machine->engine_.get());
  }
  template <typename Callback>
  void hook(int type, Callback* callback, uint64_t first = 1, uint64_t last = 0);  // 1, 0: everywhere

  const std::unique_ptr<InstructionSet> set_;
  const Description& about_;
  const Places at_;
  const Layout layout_;
  std::vector<std::string_view> drawn_;        // operations() of the interface
  std::vector<const Operation*> by_mnemonic_;  // sorted
  Disassembler disassembler_;
  GuestMemory code_, data_;
  UnicornEngine engine_;
  InstructionPool pool_;
  std::vector<int> ids_;                 // Unicorn's, of flags and registers, as records hold them
  std::vector<uint64_t> values_;         // of ids_
  std::vector<void*> pointers_;          // to values_
  std::unordered_set<uint64_t> shapes_;  // of instructions that Capstone has been asked about

  // The run that is under way.
  TraceBatch* out_ = nullptr;
  Limits limits_;
  std::chrono::steady_clock::time_point begin_;
  uint64_t taken_ = 0;  // records after state 0
  bool stopped_ = false;
  StopReason reason_{};
  std::exception_ptr failure_;
  std::vector<uint64_t> exits_;   // addresses
  std::vector<Fetched> fetched_;  // by offset in the code
  std::vector<uint8_t> record_;   // the next one; its write fields hold the write of the last instruction
  bool translated_ = false;       // in place, for this run or an earlier one
  bool in_place_ = false;         // some of this run's code is
  bool stay_ = false;     // all that follows runs in place: most of it is new, or some of it runs often
  bool entered_ = false;  // running in place: past its first instruction
  bool alone_ = false;    // instructions run one by one
  uint64_t offset_ = 0;   // of the instruction that runs alone
  std::optional<uint64_t> left_;  // where one way of running ended, to go on in the other
};

NativeMachine::NativeMachine(std::unique_ptr<InstructionSet> set, int memory_bytes)
    : set_(std::move(set)),
      about_(set_->about()),
      at_(about_),
      layout_(make_layout(about_, at_, memory_bytes)),
      disassembler_(about_.disassembler, about_.disassembler_mode),
      code_(code_bytes()),
      data_(data_bytes()),
      engine_(about_.engine, about_.engine_mode, about_.engine_model),
      pool_(engine_, about_),
      fetched_(code_bytes()),
      record_(layout_.record_bytes) {
  for (const Operation& operation : set_->operations()) {
    if (operation.uses) drawn_.push_back(operation.mnemonic);
    by_mnemonic_.push_back(&operation);
  }
  std::ranges::sort(by_mnemonic_, {}, &Operation::mnemonic);
  ids_.push_back(about_.flags_id);
  for (const Register& r : about_.registers) ids_.push_back(r.id);
  values_.resize(ids_.size());
  for (uint64_t& value : values_) pointers_.push_back(&value);

  BYTECPU_CHECK(code_address + code_.bytes().size() <= data_address);
  engine_.map(code_address, code_, UC_PROT_READ | UC_PROT_EXEC);
  engine_.map(data_address, data_, UC_PROT_READ | UC_PROT_WRITE);
  hook(
      UC_HOOK_CODE,
      +[](uc_engine*, uint64_t address, uint32_t, void* user) {
        guard(user, [&](NativeMachine& machine) { machine.on_instruction(address - code_address); });
      },
      code_address, data_address - 1);
  // That there are two is a gain by itself: a lone hook is inlined, and that costs more to translate than it
  // saves.
  hook(
      UC_HOOK_CODE,
      +[](uc_engine*, uint64_t address, uint32_t, void* user) {
        guard(user,
              [&](NativeMachine& machine) { machine.after_alone(address == InstructionPool::after_branch); });
      },
      InstructionPool::after_instruction, InstructionPool::after_branch);
  hook(
      UC_HOOK_MEM_READ, +[](uc_engine*, uc_mem_type, uint64_t address, int size, int64_t, void* user) {
        guard(user, [&](NativeMachine& machine) { machine.on_read(address, size); });
      });
  hook(
      UC_HOOK_MEM_WRITE, +[](uc_engine*, uc_mem_type, uint64_t address, int size, int64_t value, void* user) {
        guard(user, [&](NativeMachine& machine) { machine.on_write(address, size, value); });
      });
  check(uc_ctl_exits_enable(engine_.get()), "enabling exits");
  // Exceptions of the processor. Of the instructions included only a division raises one.
  hook(
      UC_HOOK_INTR, +[](uc_engine*, uint32_t, void* user) {
        guard(user, [](NativeMachine& machine) { machine.stop(StopReason::divide_error); });
      });
}

template <typename Callback>
void NativeMachine::hook(int type, Callback* callback, uint64_t first, uint64_t last) {
  uc_hook handle;
  const uc_err error =
      uc_hook_add(engine_.get(), &handle, type, reinterpret_cast<void*>(callback), this, first, last);
  check(error, "adding a hook");
}

void NativeMachine::run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) {
  const size_t each = layout_.start_bytes();
  BYTECPU_CHECK(starts.size() % each == 0);
  out_ = &out;
  limits_ = limits;
  try {
    for (size_t at = 0; at < starts.size(); at += each) run_one(starts.subspan(at, each));
  } catch (...) {
    out.bytes.resize(out.offsets.back());  // whole traces only
    throw;
  }
}

void NativeMachine::run_one(std::span<const uint8_t> start) {
  const uint8_t* state = start.data() + layout_.memory_bytes;
  out_->bytes.insert(out_->bytes.end(), start.begin(), start.end());
  std::memcpy(code(), start.data(), code_bytes());
  std::memcpy(data(), start.data() + code_bytes(), data_bytes());
  std::ranges::fill(fetched_, Fetched{});
  std::ranges::fill(record_, 0);
  taken_ = 0;
  stopped_ = in_place_ = stay_ = false;
  failure_ = nullptr;
  begin_ = std::chrono::steady_clock::now();
  pool_.reserve(code_bytes());

  values_[0] = set_->unpack_flags(state[at_.flags]);
  for (size_t i = 1; i < values_.size(); ++i) values_[i] = load(state + at_.registers + 4 * (i - 1), 4);
  check(uc_reg_write_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size())),
        "writing registers");

  uint64_t offset = load(state + at_.pc, about_.pc_bytes);
  if (offset % about_.alignment != 0) stop(StopReason::memory_fault);
  stay_ = !mostly_known(offset);
  while (!stopped_) {
    const Fetched* fetched = can_fetch(offset) ? &fetch(offset) : nullptr;
    if (!fetched || fetched->halts || fetched->illegal) {
      before_instruction(offset);  // stops
    } else if (fetched->alone && !stay_) {
      offset = run_alone(offset);
    } else {
      offset = run_in_place(offset);
    }
    if (failure_) std::rethrow_exception(failure_);
  }
  out_->offsets.push_back(static_cast<int64_t>(out_->bytes.size()));
  out_->stops.push_back(reason_);
}

// Whether at least half of the instructions from `offset` on are ones that earlier programs had. It takes
// twice as long to translate one alone as in place.
bool NativeMachine::mostly_known(uint64_t offset) {
  for (uint64_t at = offset; at < static_cast<uint64_t>(code_bytes());) {
    const std::span<const uint8_t> rest(code() + at, code_bytes() - at);
    const Decoded decoded = set_->decode(rest);
    if (decoded.bytes == 0 || decoded.halts) break;
    pool_.prefetch(pool_.key_of(rest.first(decoded.bytes), decoded.displacement));
    at += decoded.bytes;
  }
  int known = 0, fresh = 0;
  while (offset < static_cast<uint64_t>(code_bytes())) {
    const size_t before = pool_.size();
    const Fetched& fetched = fetch(offset);
    if (fetched.halts || fetched.illegal) break;
    if (fetched.alone) ++(pool_.size() == before ? known : fresh);
    offset += fetched.bytes;
  }
  return known >= fresh;
}

// Both return the offset to go on at, where they do not stop.
uint64_t NativeMachine::run_alone(uint64_t offset) {
  before_instruction(offset);
  if (stopped_) return offset;
  offset_ = offset;
  left_.reset();
  alone_ = true;
  const uc_err error = pool_.run(fetched_[offset].alone);
  alone_ = false;
  if (left_) return *left_;
  if (!stopped_) stop(stop_of(error));
  return offset;
}

// The next instruction, if it is to run alone too.
void NativeMachine::after_alone(bool branched) {
  if (!alone_) return stop(StopReason::memory_fault);  // a program in place that went to the pool
  const Fetched& done = fetched_[offset_];
  offset_ += branched ? done.distance : done.bytes;
  if (offset_ < static_cast<uint64_t>(code_bytes()) && fetch(offset_).alone) {
    stay_ = ++fetched_[offset_].visits > most_visits;
    if (!stay_) {
      before_instruction(offset_);
      if (!stopped_) pool_.next(fetched_[offset_].alone);
      return;
    }
  }
  left_ = offset_;
  uc_emu_stop(engine_.get());
}

uint64_t NativeMachine::run_in_place(uint64_t offset) {
  uc_engine* engine = engine_.get();
  if (!in_place_) {
    if (translated_) engine_.forget_translations(code_address, code_address + code_bytes());
    set_exits();
    translated_ = in_place_ = true;
  }
  entered_ = false;
  left_.reset();
  constexpr uint64_t until = 0;  // exits stand for it
  const uc_err error = uc_emu_start(engine, (code_address + offset) | about_.fetch_mode, until, 0, 0);
  if (left_) return *left_;
  if (stopped_) return offset;
  uint64_t pc = 0;
  check(uc_reg_read(engine, about_.pc_id, &pc), "reading a register");
  if (std::ranges::find(exits_, pc) != exits_.end()) {
    before_instruction(pc - code_address);  // no hook was called
  } else if (pc - code_address >= code_.bytes().size()) {
    stop(StopReason::memory_fault);  // perhaps in the pool, which is no memory of the machine's
  } else {
    stop(stop_of(error));
  }
  return offset;
}

// Where the code has what Unicorn must not translate, the run is to end before it is.
void NativeMachine::set_exits() {
  const bool had_any = !exits_.empty();
  exits_.clear();
  for (int at = 0; at < code_bytes(); at += about_.alignment) {
    if (set_->breaks_engine({code() + at, static_cast<size_t>(code_bytes() - at)})) {
      exits_.push_back(code_address + at);
    }
  }
  if (had_any || !exits_.empty()) {
    check(uc_ctl_set_exits(engine_.get(), exits_.data(), exits_.size()), "setting exits");
  }
}

StopReason NativeMachine::stop_of(uc_err error) const {
  switch (error) {
    case UC_ERR_WRITE_PROT:
      return StopReason::code_write;
    case UC_ERR_READ_UNMAPPED:
    case UC_ERR_WRITE_UNMAPPED:
    case UC_ERR_FETCH_UNMAPPED:
    case UC_ERR_FETCH_PROT:
    case UC_ERR_READ_UNALIGNED:
    case UC_ERR_WRITE_UNALIGNED:
    case UC_ERR_FETCH_UNALIGNED:
      return StopReason::memory_fault;
    case UC_ERR_INSN_INVALID:
      return StopReason::illegal_instruction;
    // x86 remembers its last exception: the next becomes a double fault, then a triple one, which ends the
    // run without calling a hook. Only a division raises any.
    case UC_ERR_OK:
      return StopReason::divide_error;
    default:
      throw Error("Unicorn: running a program: {}", uc_strerror(error));
  }
}

const Fetched& NativeMachine::fetch(size_t offset) {
  Fetched& fetched = fetched_[offset];
  if (fetched.bytes != 0) return fetched;
  const std::span<const uint8_t> rest(code() + offset, code_bytes() - offset);
  const auto [bytes, halts, shape, anywhere, displacement] = set_->decode(rest);
  const auto instruction = rest.first(bytes);
  const bool alone = bytes > 0 && anywhere && !halts;
  if (alone) {
    const auto key = pool_.key_of(instruction, displacement);
    fetched.alone = pool_.find(key);
    if (!fetched.alone && is_included(instruction, shape)) fetched.alone = pool_.add(key, bytes);
  }
  if (fetched.alone || (!alone && is_included(instruction, shape))) {
    fetched.bytes = static_cast<int8_t>(bytes);
    fetched.halts = halts;
    fetched.branches = alone && displacement.width > 0;
    if (fetched.branches) fetched.distance = static_cast<int32_t>(displacement.get(instruction));
  } else {
    fetched.bytes = static_cast<int8_t>(std::min<size_t>(about_.instruction_bytes, rest.size()));
    fetched.illegal = true;
  }
  return fetched;
}

// Whether Capstone calls it as the machine's table does, or did so with another one of this shape.
bool NativeMachine::is_included(std::span<const uint8_t> instruction, uint64_t shape) {
  if (instruction.empty()) return false;
  if (shapes_.contains(shape)) return true;
  const auto text = disassembler_.decode(instruction, 0);
  if (!text || text->bytes != static_cast<int>(instruction.size()) || !find_operation(text->mnemonic))
    return false;
  shapes_.insert(shape);
  return true;
}

// In place. A branch ends what is translated: before it is the place to go back to one instruction at a time.
void NativeMachine::on_instruction(uint64_t offset) {
  if (entered_ && !stay_ && can_fetch(offset) && fetch(offset).branches) {
    left_ = offset;
    uc_emu_stop(engine_.get());
    return;
  }
  entered_ = true;
  before_instruction(offset);
}

void NativeMachine::before_instruction(uint64_t offset) {
  if (!can_fetch(offset)) return stop(StopReason::memory_fault);
  if (taken_ >= limits_.steps) return stop(StopReason::step_limit);
  const Fetched& fetched = fetch(offset);

  uint8_t* record = record_.data();
  store(record + at_.pc, offset + (fetched.illegal ? 0 : fetched.bytes), about_.pc_bytes);
  std::memset(record + at_.insn, 0, about_.instruction_bytes);
  std::memcpy(record + at_.insn, code() + offset, std::min<int>(fetched.bytes, about_.instruction_bytes));
  uc_reg_read_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size()));
  record[at_.flags] = set_->pack_flags(static_cast<uint32_t>(values_[0]));
  for (size_t i = 1; i < values_.size(); ++i) store(record + at_.registers + 4 * (i - 1), values_[i], 4);
  out_->bytes.insert(out_->bytes.end(), record_.begin(), record_.end());
  if (record[at_.write_size]) std::memset(record + at_.write_offset, 0, at_.end - at_.write_offset);
  ++taken_;

  if (fetched.illegal) return stop(StopReason::illegal_instruction);
  if (fetched.halts) return stop(StopReason::halted);
  if (limits_.time.count() > 0 && taken_ % steps_between_looks == 0 &&
      std::chrono::steady_clock::now() - begin_ >= limits_.time) {
    stop(StopReason::time_limit);
  }
}

void NativeMachine::on_read(uint64_t address, uint64_t size) {
  const auto within = [&](uint64_t base, uint64_t bytes) {
    return address >= base && address - base <= bytes && size <= bytes - (address - base);
  };
  if (!within(data_address, data_bytes()) && !within(code_address, code_bytes())) {
    stop(StopReason::memory_fault);
  }
}

// A pair of stores that lie one after the other is one write.
void NativeMachine::on_write(uint64_t address, uint64_t size, uint64_t value) {
  const uint64_t offset = address - data_address;
  if (offset >= static_cast<uint64_t>(data_bytes()) || size > data_bytes() - offset) {
    const bool code = address >= code_address && address < code_address + code_bytes();
    return stop(code ? StopReason::code_write : StopReason::memory_fault);
  }
  uint8_t* record = record_.data();
  const uint64_t begun = record[at_.write_size];
  BYTECPU_CHECK(begun + size <= static_cast<uint64_t>(about_.value_bytes));
  if (begun == 0) {
    store(record + at_.write_offset, layout_.data_offset + offset, 2);
  } else {
    BYTECPU_CHECK(layout_.data_offset + offset == load(record + at_.write_offset, 2) + begun);
  }
  record[at_.write_size] = static_cast<uint8_t>(begun + size);
  store(record + at_.write_value + begun, value, static_cast<int>(size));
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
  const auto set = [&](int r, uint64_t value) { store(state.data() + at_.registers + 4 * r, value, 4); };
  const int pushed = pushes_return_address() ? address_bytes : 0;
  if (about_.stack >= 0) set(about_.stack, data_address + data_bytes() - pushed);
  if (about_.link >= 0) set(about_.link, return_address() | about_.fetch_mode);
  return state;
}

void NativeMachine::random_start(RandomSource& random, const ProgramOptions& options,
                                 std::span<uint8_t> start) const {
  check(options, *set_, code_bytes());
  BYTECPU_CHECK(start.size() == static_cast<size_t>(layout_.start_bytes()));
  const int used_data = data_bytes() - stack_bytes;
  const auto image = start.first(layout_.memory_bytes);
  std::ranges::fill(image, 0);
  const auto program = random_program(random, options, *set_, code_bytes(), used_data);
  BYTECPU_CHECK(program.size() <= static_cast<size_t>(code_bytes()));
  std::ranges::copy(program, image.begin());
  for (int i = 0; i < used_data; i += 2) store(&image[code_bytes() + i], random.below(1 << 16), 2);
  finish_image(image, program.size(), Behind::halts);

  const auto state = first_state();
  std::ranges::copy(state, start.begin() + layout_.memory_bytes);
  uint8_t* drawn = start.data() + layout_.memory_bytes;
  drawn[at_.flags] = set_->pack_flags(set_->unpack_flags(static_cast<uint8_t>(random.below(256))));
  const Scope scope{random, 0, false, 0};
  for (int r = 0; r < static_cast<int>(about_.registers.size()); ++r) {
    if (r == about_.stack || r == about_.link) continue;
    uint64_t value = data_address;
    if (r != about_.data) {
      value = scope.word();
      if (options.small_operands > 0 && scope.chance(options.small_operands)) value >>= random.below(32);
    }
    store(drawn + at_.registers + 4 * r, value, 4);
  }
}

std::vector<uint8_t> NativeMachine::load_program(std::string_view contents, std::string_view name,
                                                 std::string_view function) const {
  std::vector<uint8_t> program;
  std::optional<ElfFunction> elf;
  if (is_elf(contents)) {
    if (about_.elf_machine == 0)
      throw Error("{}: {} takes flat binaries, not ELF objects", name, about_.name);
    elf = elf_function(contents, name, function, about_.elf_machine);
    program = elf->code;
  } else if (!function.empty()) {
    throw Error("{}: not an ELF object, in which to look for the function {}", name, function);
  } else {
    program.assign(contents.begin(), contents.end());
  }
  if (program.empty()) throw Error("{}: there is no code in it", name);
  const size_t most = code_bytes() - about_.halt.size();
  if (program.size() > most) {
    throw Error("{}: {} bytes of code; {} fit {} bytes of memory, of which half is for data", name,
                program.size(), most, layout_.memory_bytes);
  }
  check_given(program, *set_, disassembler_, name, elf ? &*elf : nullptr);
  program.resize((program.size() + about_.alignment - 1) / about_.alignment * about_.alignment);
  const size_t used = program.size();
  program.resize(layout_.memory_bytes);
  finish_image(program, used, elf ? Behind::faults : Behind::one_halt);
  return program;
}

const Operation* NativeMachine::find_operation(std::string_view mnemonic) const {
  const auto found = std::ranges::lower_bound(by_mnemonic_, mnemonic, {}, &Operation::mnemonic);
  return found != by_mnemonic_.end() && (*found)->mnemonic == mnemonic ? *found : nullptr;
}

std::optional<InstructionText> NativeMachine::decode_included(std::span<const uint8_t> code,
                                                              uint64_t address) const {
  const int size = set_->decode(code).bytes;
  if (size == 0) return std::nullopt;
  auto text = disassembler_.decode(code.first(size), address);
  if (!text || text->bytes != size || !find_operation(text->mnemonic)) return std::nullopt;
  return text;
}

std::array<uint8_t, 16> NativeMachine::instruction_of(std::span<const uint8_t> record) const {
  BYTECPU_CHECK(record.size() == static_cast<size_t>(layout_.record_bytes));
  std::array<uint8_t, 16> bytes{};
  std::ranges::copy(record.subspan(at_.insn, about_.instruction_bytes), bytes.begin());
  return bytes;
}

std::string NativeMachine::text_of_refused(std::span<const uint8_t> bytes, uint64_t address) const {
  const auto text = disassembler_.decode(bytes, address);
  if (std::ranges::equal(bytes.first(about_.filler.size()), about_.filler)) {
    return text ? to_string(*text) + ": what lies behind a program" : "what lies behind a program";
  }
  if (!text) return "???";
  if (text->bytes > about_.instruction_bytes) {
    return fmt::format("{} …: {} bytes, of which a record holds {}", text->mnemonic, text->bytes,
                       about_.instruction_bytes);
  }
  return fmt::format("{}: not in the table of {}", to_string(*text), about_.name);
}

Instruction NativeMachine::describe(std::span<const uint8_t> record) const {
  const auto bytes = instruction_of(record);
  const uint64_t pc = load(record.data() + at_.pc, about_.pc_bytes);
  const auto text = decode_included(bytes, pc - set_->decode(bytes).bytes);
  if (!text) return {.text = text_of_refused(bytes, pc)};
  const Operation* operation = find_operation(text->mnemonic);
  const bool has_operands = !text->operands.empty();
  const auto& group = operation->group;
  const bool loads_or_stores =
      (group == "move" || group == "extend") && text->operands.find('[') != text->operands.npos;
  const auto drawn = std::ranges::find(drawn_, operation->mnemonic);
  return {.operation = drawn == drawn_.end() ? -1 : static_cast<int>(drawn - drawn_.begin()),
          .name = operation->mnemonic,
          .group = loads_or_stores ? "memory" : group,
          .form = has_operands
                      ? fmt::format("{} {}", operation->mnemonic, disassembler_.kinds(text->operands))
                      : std::string(operation->mnemonic),
          .text = to_string(*text)};
}

size_t NativeMachine::listed_bytes(std::span<const uint8_t> image) const {
  const auto& [halt, filler] = std::tie(about_.halt, about_.filler);
  const auto ends_with = [&](size_t end, const std::vector<uint8_t>& unit) {
    return end >= unit.size() && std::ranges::equal(image.subspan(end - unit.size(), unit.size()), unit);
  };
  size_t end = code_bytes();
  if (ends_with(end, halt) && ends_with(end - halt.size(), filler)) end -= halt.size();
  if (ends_with(end, filler)) {
    while (ends_with(end, filler)) end -= filler.size();
    return end;
  }
  while (ends_with(end, halt) && ends_with(end - halt.size(), halt)) end -= halt.size();
  return end;
}

// An instruction that is not included has a line of its length too, so that those after it are in step.
std::vector<NativeMachine::Line> NativeMachine::lines(std::span<const uint8_t> image) const {
  std::vector<Line> result;
  const auto code = image.first(code_bytes());
  const auto add = [&](size_t at) {
    const auto rest = code.subspan(at);
    if (const auto text = decode_included(rest, at)) {
      result.push_back({at, static_cast<size_t>(text->bytes), to_string(*text)});
    } else if (const auto other = disassembler_.decode(rest, at)) {
      result.push_back({at, static_cast<size_t>(other->bytes), to_string(*other) + "  ; not included"});
    } else {
      result.push_back({at, std::min<size_t>(about_.alignment, rest.size()), "???"});
    }
  };
  const size_t end = listed_bytes(image), halt = about_.halt.size();
  for (size_t at = 0; at < end; at = result.back().at + result.back().bytes) add(at);
  const bool returns = end < code.size() && std::ranges::equal(code.last(halt), about_.halt) &&
                       !std::ranges::equal(code.subspan(end, halt), about_.halt);
  if (returns) add(code.size() - halt);
  return result;
}

std::optional<size_t> NativeMachine::instruction_line(std::span<const uint8_t> image,
                                                      std::span<const uint8_t> record) const {
  BYTECPU_CHECK(image.size() == static_cast<size_t>(layout_.memory_bytes));
  const auto included = decode_included(instruction_of(record), 0);
  const size_t wanted = load(record.data() + at_.pc, about_.pc_bytes) - (included ? included->bytes : 0);
  const auto all = lines(image);
  const auto found = std::ranges::find(all, wanted, &Line::at);
  return found == all.end() ? std::nullopt : std::optional<size_t>(found - all.begin());
}

// A line for each instruction, and for each 16 bytes of data that are not all zero: offset, bytes, text.
std::string NativeMachine::disassemble(std::span<const uint8_t> image) const {
  BYTECPU_CHECK(image.size() == static_cast<size_t>(layout_.memory_bytes));
  std::string result;
  for (const Line& line : lines(image)) {
    const int missing = about_.instruction_bytes - static_cast<int>(line.bytes);
    result +=
        fmt::format("{:04x}  {:02x}{:{}}{}\n", line.at, fmt::join(image.subspan(line.at, line.bytes), " "),
                    "", 2 + 3 * std::max(missing, 0), line.text);
  }
  constexpr size_t row = 16;
  for (size_t at = code_bytes(); at < image.size(); at += row) {
    const auto bytes = image.subspan(at, row);
    if (std::ranges::any_of(bytes, [](uint8_t byte) { return byte != 0; })) {
      result += fmt::format("{:04x}  {:02x}\n", at, fmt::join(bytes, " "));
    }
  }
  return result;
}

}  // namespace

std::unique_ptr<Machine> make_machine(std::unique_ptr<InstructionSet> set, int memory_bytes) {
  return std::make_unique<NativeMachine>(std::move(set), memory_bytes);
}

}  // namespace bytecpu::native
