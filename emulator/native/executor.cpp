#include "emulator/native/executor.hpp"

#include <algorithm>
#include <array>
#include <bit>
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
      address_(addresses_of(about_, layout.memory_bytes)),
      full_(about_.full()),
      code_bytes_(code_region_bytes(about_, layout.memory_bytes)),
      listing_(listing),
      code_(fixed_bytes()),
      data_(data_bytes()),
      engine_(about_.engine, about_.engine_mode, about_.engine_model),
      fetched_(static_cast<Fetched*>(std::calloc(static_cast<size_t>(code_bytes()), sizeof(Fetched)))),
      first_known_(static_cast<size_t>(code_bytes())),
      record_(layout.record_bytes) {
  BYTECPU_CHECK(fetched_ != nullptr);
  ids_.push_back(about_.flags_id);
  for (const Register& r : about_.registers) ids_.push_back(r.id);
  values_.resize(ids_.size());
  for (uint64_t& value : values_) pointers_.push_back(&value);
  BYTECPU_CHECK(address_.code + code_.bytes().size() <= address_.data);
  if (!full_) pool_.emplace(engine_, about_);
  const size_t fetched = GuestMemory::whole_pages(static_cast<size_t>(code_bytes())),
               all = code_.bytes().size();
  engine_.map(address_.code, code_.bytes().first(fetched), UC_PROT_READ | UC_PROT_EXEC);
  if (fetched < all) engine_.map(address_.code + fetched, code_.bytes().subspan(fetched), UC_PROT_READ);
  engine_.map(address_.data, data_, UC_PROT_READ | UC_PROT_WRITE);
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
        guard(user, [&](Executor& executor) { executor.on_instruction(address - executor.address_.code); });
      },
      address_.code, address_.data - 1);
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
  load_image(start.first(layout_.memory_bytes));
  std::ranges::fill(record_, 0);
  taken_ = 0;
  last_.reset();
  inner_reads_ = 0;
  written_ = ~uint32_t{0};
  stopped_ = stay_ = false;
  failure_ = nullptr;
  begin_ = std::chrono::steady_clock::now();
  if (pool_) pool_->reserve(code_bytes());

  values_[0] = set_.unpack_flags(state[at_.flags]);
  const int register_bytes = about_.register_bytes;
  for (size_t i = 1; i < values_.size(); ++i) {
    values_[i] = load(state + at_.registers + register_bytes * static_cast<int>(i - 1), register_bytes);
  }
  check(uc_reg_write_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size())),
        "writing registers");

  uint64_t offset = load(state + at_.pc, about_.offset_bytes);
  if (offset % about_.alignment != 0) stop(StopReason::memory_fault);
  stay_ = !pool_ || !mostly_known(offset);
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

// In the full layout, what is known of the code stays where the same program runs again.
void Executor::load_image(std::span<const uint8_t> image) {
  const auto fixed = image.first(static_cast<size_t>(fixed_bytes()));
  const bool again = full_ && translated_ && std::equal(fixed.begin(), fixed.end(), code());
  in_place_ = again;
  if (!again) {
    std::ranges::copy(fixed, code());
    if (first_known_ < end_known_) {
      std::fill(fetched_.get() + first_known_, fetched_.get() + end_known_, Fetched{});
    }
    first_known_ = static_cast<size_t>(code_bytes());
    end_known_ = 0;
  }
  std::memcpy(data(), image.data() + fixed.size(), static_cast<size_t>(data_bytes()));
}

// Whether at least half of the instructions from `offset` on are ones that earlier programs had. It takes
// twice as long to translate one alone as in place.
bool Executor::mostly_known(uint64_t offset) {
  for (uint64_t at = offset; at < static_cast<uint64_t>(code_bytes());) {
    const std::span<const uint8_t> rest(code() + at, code_bytes() - at);
    const Decoded decoded = set_.decode(rest);
    if (decoded.bytes == 0 || decoded.halts) break;
    if (decoded.anywhere) pool_->prefetch(pool_->key_of(rest.first(decoded.bytes), decoded.displacement));
    at += decoded.bytes;
  }
  int known = 0, fresh = 0;
  while (offset < static_cast<uint64_t>(code_bytes())) {
    const size_t before = pool_->size();
    const Fetched& fetched = fetch(offset);
    if (fetched.halts || fetched.illegal) break;
    if (fetched.alone) ++(pool_->size() == before ? known : fresh);
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
  const uc_err error = pool_->run(fetched_[offset].alone);
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
      if (!stopped_) pool_->next(fetched_[offset_].alone);
      return;
    }
  }
  left_ = offset_;
  uc_emu_stop(engine_.get());
}

uint64_t Executor::run_in_place(uint64_t offset) {
  uc_engine* engine = engine_.get();
  if (!in_place_) {
    if (translated_) engine_.forget_translations(address_.code, address_.code + code_bytes());
    set_exits();
    translated_ = in_place_ = true;
  }
  entered_ = false;
  left_.reset();
  constexpr uint64_t until = 0;  // exits stand for it
  const uc_err error = uc_emu_start(engine, (address_.code + offset) | about_.fetch_mode, until, 0, 0);
  if (left_) return *left_;
  if (stopped_) return offset;
  uint64_t pc = 0;
  check(uc_reg_read(engine, about_.pc_id, &pc), "reading a register");
  if (std::ranges::find(exits_, pc) != exits_.end()) {
    before_instruction(pc - address_.code);  // no hook was called
  } else if (!can_fetch(pc - address_.code)) {
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
  // To the end of the last page that may be fetched from: Unicorn translates it before it is refused.
  const int end =
      std::min(fixed_bytes(), static_cast<int>(GuestMemory::whole_pages(static_cast<size_t>(code_bytes()))));
  for (int at = 0; at < end; at += about_.alignment) {
    if (set_.breaks_engine({code() + at, static_cast<size_t>(end - at)})) {
      exits_.push_back(address_.code + at);
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
  first_known_ = std::min(first_known_, offset);
  end_known_ = std::max(end_known_, offset + 1);
  const auto [bytes, halts, shape, anywhere, displacement, repeats] = set_.decode(rest);
  const auto instruction = rest.first(bytes);
  const bool alone = pool_ && bytes > 0 && anywhere && !halts;
  if (alone) {
    const auto key = pool_->key_of(instruction, displacement);
    fetched.alone = pool_->find(key);
    if (!fetched.alone && listing_.includes(instruction, shape)) fetched.alone = pool_->add(key, bytes);
  }
  if (fetched.alone || (!alone && listing_.includes(instruction, shape))) {
    fetched.bytes = static_cast<int8_t>(bytes);
    fetched.halts = halts;
    fetched.repeats = repeats;
    if (full_) fetched.writes = set_.may_write(instruction);
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
  const Fetched& fetched = fetch(offset);
  if (fetched.repeats && ends_repetition(offset)) return;
  if (taken_ >= limits_.steps) return stop(StopReason::step_limit);

  uint8_t* record = record_.data();
  store_offset(record + at_.pc, offset);
  std::memset(record + at_.insn, 0, about_.instruction_bytes);
  std::memcpy(record + at_.insn, code() + offset, std::min<int>(fetched.bytes, about_.instruction_bytes));
  if (full_) {
    read_registers();
    written_ = fetched.writes;
  } else {
    read_all_registers();
  }
  out_->bytes.insert(out_->bytes.end(), record_.begin(), record_.end());
  if (record[at_.read_size] | record[at_.write_size])
    std::memset(record + at_.access_offset, 0, at_.registers - at_.access_offset);
  ++taken_;
  last_ = offset;

  if (full_ && (fetched.illegal || fetched.halts)) {
    read_all_registers();  // none may have changed behind may_write()
    BYTECPU_CHECK(std::equal(record_.begin() + at_.registers, record_.end(),
                             out_->bytes.end() - (at_.end - at_.registers)));
  }
  if (fetched.illegal) return stop(StopReason::illegal_instruction);
  if (fetched.halts) return stop(StopReason::halted);
  if (limits_.time.count() > 0 && taken_ % steps_between_looks == 0 &&
      std::chrono::steady_clock::now() - begin_ >= limits_.time) {
    stop(StopReason::time_limit);
  }
}

void Executor::read_all_registers() {
  uint8_t* record = record_.data();
  uc_reg_read_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size()));
  record[at_.flags] = set_.pack_flags(static_cast<uint32_t>(values_[0]));
  if (full_) {
    std::memcpy(record + at_.registers, &values_[1], 8 * (values_.size() - 1));
  } else {
    for (size_t i = 1; i < values_.size(); ++i) store(record + at_.registers + 4 * (i - 1), values_[i], 4);
  }
}

// Of the full layout: flags, and the registers that may have changed, as reading all takes longer than all else.
void Executor::read_registers() {
  constexpr int most = 4;
  if (std::popcount(written_) > most) return read_all_registers();
  std::array<int, most + 1> ids = {ids_[0]};
  std::array<void*, most + 1> pointers = {pointers_[0]};
  std::array<int, most> changed{};
  int count = 0;
  for (uint32_t left = written_; left != 0; left &= left - 1) {
    const int r = std::countr_zero(left);
    changed[static_cast<size_t>(count++)] = r;
    ids[static_cast<size_t>(count)] = ids_[static_cast<size_t>(r) + 1];
    pointers[static_cast<size_t>(count)] = pointers_[static_cast<size_t>(r) + 1];
  }
  uc_reg_read_batch(engine_.get(), ids.data(), pointers.data(), count + 1);
  uint8_t* record = record_.data();
  record[at_.flags] = set_.pack_flags(static_cast<uint32_t>(values_[0]));
  for (int i = 0; i < count; ++i) {
    const int r = changed[static_cast<size_t>(i)];
    store(record + at_.registers + 8 * r, values_[static_cast<size_t>(r) + 1], 8);
  }
}

// Unicorn comes by once more where no repetition is left. That is none.
bool Executor::ends_repetition(uint64_t offset) const {
  if (last_ != offset || about_.repetitions < 0) return false;
  uint64_t left = 0;
  check(uc_reg_read(engine_.get(), about_.registers[about_.repetitions].id, &left), "reading a register");
  return left == 0;
}

// Where an access lies in the memory image; nothing where not all of it does.
std::optional<uint64_t> Executor::image_offset(uint64_t address, uint64_t size) const {
  const auto within = [&](uint64_t base, uint64_t bytes) {
    return address >= base && address - base <= bytes && size <= bytes - (address - base);
  };
  if (within(address_.data, data_bytes())) return layout_.data_offset + (address - address_.data);
  if (within(address_.code, fixed_bytes())) return address - address_.code;
  return std::nullopt;
}

// Of an access so far, that it goes on here: parts that lie one after the other are one access. `size_at`: the place
// of the field READ_SIZE or WRITE_SIZE. Returns the bytes before this part. Of two reads in different places, which CMPS
// has, the second one counts.
uint64_t Executor::note_access(int size_at, uint64_t offset, uint64_t size) {
  uint8_t* record = record_.data();
  uint64_t begun = record[size_at];
  const bool goes_on = begun > 0 && offset == load(record + at_.access_offset, about_.offset_bytes) + begun;
  if (!goes_on) {
    BYTECPU_CHECK(begun == 0 || (full_ && size_at == at_.read_size));
    begun = 0;
    store_offset(record + at_.access_offset, offset);
  }
  record[size_at] = static_cast<uint8_t>(begun + size);
  return begun;
}

// Not called for what is fetched. Of a read across two pages it is called twice more, for what is read of each. A pair of
// loads that lie one after the other is one read.
void Executor::on_read(uint64_t address, uint64_t size) {
  if (inner_reads_ > 0) {
    --inner_reads_;
    return;
  }
  const auto offset = image_offset(address, size);
  if (!offset) return stop(StopReason::memory_fault);
  constexpr uint64_t page = 4096;
  if (address % page + size > page) inner_reads_ = 2;
  note_access(at_.read_size, *offset, size);
}

// A pair of stores that lie one after the other is one write. Where the instruction has read elsewhere, the
// offset is the write's.
void Executor::on_write(uint64_t address, uint64_t size, uint64_t value) {
  const auto offset = image_offset(address, size);
  if (!offset || *offset < static_cast<uint64_t>(layout_.data_offset)) {
    const bool code =
        address >= address_.code && address < address_.code + static_cast<uint64_t>(fixed_bytes());
    return stop(code ? StopReason::code_write : StopReason::memory_fault);
  }
  const uint64_t begun = note_access(at_.write_size, *offset, size);
  BYTECPU_CHECK(begun + size <= static_cast<uint64_t>(about_.value_bytes));
  store(record_.data() + at_.write_value + begun, value, static_cast<int>(size));
}

}  // namespace bytecpu::native
