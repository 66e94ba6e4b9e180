#include "emulator/native/executor.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/error.hpp"
#include "emulator/native/native.hpp"

namespace bytecpu::native {
namespace {

// Steps between two looks at the clock.
constexpr uint64_t steps_between_looks = 1024;
// Of an instruction, one by one: code that runs more often is translated in place.
constexpr int most_visits = 8;

void check(uc_err error, std::string_view what) {
  if (error != UC_ERR_OK) throw Error("Unicorn: {}: {}", what, uc_strerror(error));
}

}  // namespace

Executor::Executor(const InstructionSet& set, const Layout& layout, Listing& listing)
    : set_(set),
      about_(set.about()),
      layout_(layout),
      at_(about_),
      listing_(listing),
      code_(code_bytes()),
      data_(data_bytes()),
      engine_(about_.engine, about_.engine_mode, about_.engine_model),
      pool_(engine_, about_),
      fetched_(code_bytes()),
      record_(layout.record_bytes) {
  ids_.push_back(about_.flags_id);
  for (const Register& r : about_.registers) ids_.push_back(r.id);
  values_.resize(ids_.size());
  for (uint64_t& value : values_) pointers_.push_back(&value);
  BYTECPU_CHECK(code_address + code_.bytes().size() <= data_address);
  engine_.map(code_address, code_, UC_PROT_READ | UC_PROT_EXEC);
  engine_.map(data_address, data_, UC_PROT_READ | UC_PROT_WRITE);
  add_hooks();
}

template <typename Callback>
void Executor::hook(int type, Callback* callback, uint64_t first, uint64_t last) {
  uc_hook handle;
  const uc_err error =
      uc_hook_add(engine_.get(), &handle, type, reinterpret_cast<void*>(callback), this, first, last);
  check(error, "adding a hook");
}

void Executor::add_hooks() {
  hook(
      UC_HOOK_CODE,
      +[](uc_engine*, uint64_t address, uint32_t, void* user) {
        guard(user, [&](Executor& executor) { executor.on_instruction(address - code_address); });
      },
      code_address, data_address - 1);
  // That there are two is a gain by itself: a lone hook is inlined, and that costs more to translate than it
  // saves.
  hook(
      UC_HOOK_CODE,
      +[](uc_engine*, uint64_t address, uint32_t, void* user) {
        guard(user,
              [&](Executor& executor) { executor.after_alone(address == InstructionPool::after_branch); });
      },
      InstructionPool::after_instruction, InstructionPool::after_branch);
  hook(
      UC_HOOK_MEM_READ, +[](uc_engine*, uc_mem_type, uint64_t address, int size, int64_t, void* user) {
        guard(user, [&](Executor& executor) { executor.on_read(address, size); });
      });
  hook(
      UC_HOOK_MEM_WRITE, +[](uc_engine*, uc_mem_type, uint64_t address, int size, int64_t value, void* user) {
        guard(user, [&](Executor& executor) { executor.on_write(address, size, value); });
      });
  check(uc_ctl_exits_enable(engine_.get()), "enabling exits");
  // Exceptions of the processor. Of the instructions included only a division raises one.
  hook(
      UC_HOOK_INTR, +[](uc_engine*, uint32_t, void* user) {
        guard(user, [](Executor& executor) { executor.stop(StopReason::divide_error); });
      });
}

void Executor::run(std::span<const uint8_t> starts, const Limits& limits, TraceBatch& out) {
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

void Executor::run_one(std::span<const uint8_t> start) {
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

  values_[0] = set_.unpack_flags(state[at_.flags]);
  for (size_t i = 1; i < values_.size(); ++i) values_[i] = load(state + at_.registers + 4 * (i - 1), 4);
  check(uc_reg_write_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size())),
        "writing registers");

  uint64_t offset = load(state + at_.pc, offset_bytes);
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
bool Executor::mostly_known(uint64_t offset) {
  for (uint64_t at = offset; at < static_cast<uint64_t>(code_bytes());) {
    const std::span<const uint8_t> rest(code() + at, code_bytes() - at);
    const Decoded decoded = set_.decode(rest);
    if (decoded.bytes == 0 || decoded.halts) break;
    if (decoded.anywhere) pool_.prefetch(pool_.key_of(rest.first(decoded.bytes), decoded.displacement));
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
uint64_t Executor::run_alone(uint64_t offset) {
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
void Executor::after_alone(bool branched) {
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

uint64_t Executor::run_in_place(uint64_t offset) {
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
void Executor::set_exits() {
  const bool had_any = !exits_.empty();
  exits_.clear();
  for (int at = 0; at < code_bytes(); at += about_.alignment) {
    if (set_.breaks_engine({code() + at, static_cast<size_t>(code_bytes() - at)})) {
      exits_.push_back(code_address + at);
    }
  }
  if (had_any || !exits_.empty()) {
    check(uc_ctl_set_exits(engine_.get(), exits_.data(), exits_.size()), "setting exits");
  }
}

StopReason Executor::stop_of(uc_err error) const {
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

const Executor::Fetched& Executor::fetch(size_t offset) {
  Fetched& fetched = fetched_[offset];
  if (fetched.bytes != 0) return fetched;
  const std::span<const uint8_t> rest(code() + offset, code_bytes() - offset);
  const auto [bytes, halts, shape, anywhere, displacement] = set_.decode(rest);
  const auto instruction = rest.first(bytes);
  const bool alone = bytes > 0 && anywhere && !halts;
  if (alone) {
    const auto key = pool_.key_of(instruction, displacement);
    fetched.alone = pool_.find(key);
    if (!fetched.alone && listing_.includes(instruction, shape)) fetched.alone = pool_.add(key, bytes);
  }
  if (fetched.alone || (!alone && listing_.includes(instruction, shape))) {
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

// In place. A branch ends what is translated: before it is the place to go back to one instruction at a time.
void Executor::on_instruction(uint64_t offset) {
  if (entered_ && !stay_ && can_fetch(offset) && fetch(offset).branches) {
    left_ = offset;
    uc_emu_stop(engine_.get());
    return;
  }
  entered_ = true;
  before_instruction(offset);
}

void Executor::before_instruction(uint64_t offset) {
  if (!can_fetch(offset)) return stop(StopReason::memory_fault);
  if (taken_ >= limits_.steps) return stop(StopReason::step_limit);
  const Fetched& fetched = fetch(offset);

  uint8_t* record = record_.data();
  store(record + at_.pc, offset, offset_bytes);
  std::memset(record + at_.insn, 0, about_.instruction_bytes);
  std::memcpy(record + at_.insn, code() + offset, std::min<int>(fetched.bytes, about_.instruction_bytes));
  uc_reg_read_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size()));
  record[at_.flags] = set_.pack_flags(static_cast<uint32_t>(values_[0]));
  for (size_t i = 1; i < values_.size(); ++i) store(record + at_.registers + 4 * (i - 1), values_[i], 4);
  out_->bytes.insert(out_->bytes.end(), record_.begin(), record_.end());
  if (record[at_.read_size] | record[at_.write_size])
    std::memset(record + at_.access_offset, 0, at_.registers - at_.access_offset);
  ++taken_;

  if (fetched.illegal) return stop(StopReason::illegal_instruction);
  if (fetched.halts) return stop(StopReason::halted);
  if (limits_.time.count() > 0 && taken_ % steps_between_looks == 0 &&
      std::chrono::steady_clock::now() - begin_ >= limits_.time) {
    stop(StopReason::time_limit);
  }
}

// Where an access lies in the memory image; nothing where not all of it does.
std::optional<uint64_t> Executor::image_offset(uint64_t address, uint64_t size) const {
  const auto within = [&](uint64_t base, uint64_t bytes) {
    return address >= base && address - base <= bytes && size <= bytes - (address - base);
  };
  if (within(data_address, data_bytes())) return layout_.data_offset + (address - data_address);
  if (within(code_address, code_bytes())) return address - code_address;
  return std::nullopt;
}

// Of an access so far, that it goes on here: parts that lie one after the other are one access. `size_at`: the place
// of the field READ_SIZE or WRITE_SIZE. Returns the bytes before this part.
uint64_t Executor::note_access(int size_at, uint64_t offset, uint64_t size) {
  uint8_t* record = record_.data();
  const uint64_t begun = record[size_at];
  if (begun == 0) {
    store(record + at_.access_offset, offset, offset_bytes);
  } else {
    BYTECPU_CHECK(offset == load(record + at_.access_offset, offset_bytes) + begun);
  }
  record[size_at] = static_cast<uint8_t>(begun + size);
  return begun;
}

// Not called for what is fetched. A pair of loads that lie one after the other is one read.
void Executor::on_read(uint64_t address, uint64_t size) {
  const auto offset = image_offset(address, size);
  if (!offset) return stop(StopReason::memory_fault);
  note_access(at_.read_size, *offset, size);
}

// A pair of stores that lie one after the other is one write. Where the instruction has read elsewhere, the
// offset is the write's.
void Executor::on_write(uint64_t address, uint64_t size, uint64_t value) {
  const auto offset = image_offset(address, size);
  if (!offset || *offset < static_cast<uint64_t>(layout_.data_offset)) {
    const bool code = address >= code_address && address < code_address + code_bytes();
    return stop(code ? StopReason::code_write : StopReason::memory_fault);
  }
  const uint64_t begun = note_access(at_.write_size, *offset, size);
  BYTECPU_CHECK(begun + size <= static_cast<uint64_t>(about_.value_bytes));
  store(record_.data() + at_.write_value + begun, value, static_cast<int>(size));
}

}  // namespace bytecpu::native
