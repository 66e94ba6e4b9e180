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
// Of a program, to tell whether most of it is new.
constexpr int most_looked_at = 256;

void check(uc_err error, std::string_view what) {
  if (error != UC_ERR_OK) throw Error("Unicorn: {}: {}", what, uc_strerror(error));
}

}  // namespace

Executor::Executor(const InstructionSet& set, const Layout& layout, Listing& listing)
    : set_(set),
      about_(set.about()),
      layout_(layout),
      address_(addresses_of(about_, layout.memory_bytes)),
      full_(about_.full()),
      code_bytes_(code_region_bytes(about_, layout.memory_bytes)),
      listing_(listing),
      code_(fixed_bytes()),
      data_(data_bytes()),
      engine_(about_.engine, about_.engine_mode, about_.engine_model),
      recorder_(set, layout, engine_),
      fetched_(static_cast<Fetched*>(std::calloc(static_cast<size_t>(code_bytes()), sizeof(Fetched)))),
      first_known_(static_cast<size_t>(code_bytes())) {
  require_memory_hooks();
  BYTECPU_CHECK(fetched_ != nullptr);
  BYTECPU_CHECK(address_.code + code_.bytes().size() <= address_.data);
  if (about_.has_pool()) pool_.emplace(engine_, about_);
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
        guard(user, [&](Executor& executor) {
          if (!std::exchange(executor.skips_read_, false))
            executor.stop_if(executor.recorder_.on_read(address, size));
        });
      });
  hook(
      UC_HOOK_MEM_WRITE, +[](uc_engine*, uc_mem_type, uint64_t address, int size, int64_t value, void* user) {
        guard(user, [&](Executor& executor) {
          executor.stop_if(executor.recorder_.on_write(address, size, value));
        });
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
  const auto state = start.subspan(static_cast<size_t>(layout_.memory_bytes));
  out_->bytes.insert(out_->bytes.end(), start.begin(), start.end());
  load_image(start.first(layout_.memory_bytes));
  taken_ = 0;
  last_.reset();
  stopped_ = stay_ = skips_read_ = false;
  failure_ = nullptr;
  begin_ = std::chrono::steady_clock::now();
  if (pool_ && pool_->reserve(code_bytes())) forget_fetched();

  recorder_.begin(state);
  uint64_t offset = load(state.data(), about_.offset_bytes);  // PC
  if (offset % about_.alignment != 0) stop(StopReason::memory_fault);
  stay_ = !pool_ || in_place_ || !mostly_known(offset);
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
  if (!full_ || !std::equal(fixed.begin(), fixed.end(), code())) {
    in_place_ = false;
    std::ranges::copy(fixed, code());
    forget_fetched();
  }
  std::memcpy(data(), image.data() + fixed.size(), static_cast<size_t>(data_bytes()));
}

void Executor::forget_fetched() {
  if (first_known_ < end_known_)
    std::fill(fetched_.get() + first_known_, fetched_.get() + end_known_, Fetched{});
  first_known_ = static_cast<size_t>(code_bytes());
  end_known_ = 0;
}

// Whether at least half of the instructions from `offset` on are ones that earlier programs had. It takes
// twice as long to translate one alone as in place.
bool Executor::mostly_known(uint64_t offset) {
  int left = most_looked_at;
  for (uint64_t at = offset; at < static_cast<uint64_t>(code_bytes()) && left > 0; --left) {
    const std::span<const uint8_t> rest(code() + at, code_bytes() - at);
    const Decoded decoded = set_.decode(rest);
    if (decoded.bytes == 0 || decoded.halts) break;
    if (decoded.anywhere && pool_->can_hold(decoded.bytes))
      pool_->prefetch(pool_->key_of(rest.first(decoded.bytes), decoded.displacement));
    at += decoded.bytes;
  }
  int known = 0, fresh = 0;
  for (left = most_looked_at; offset < static_cast<uint64_t>(code_bytes()) && left > 0; --left) {
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
      if (stopped_) return;
      pool_->next(fetched_[offset_].alone);
      skips_read_ = pool_->reads_next();
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
  bool included = false;
  if (pool_ && bytes > 0 && anywhere && !halts && pool_->can_hold(bytes)) {
    const auto key = pool_->key_of(instruction, displacement);
    fetched.alone = pool_->find(key);
    included = fetched.alone || listing_.includes(instruction, shape);
    if (included && !fetched.alone && !stay_) fetched.alone = pool_->add(key, bytes);
  } else {
    included = listing_.includes(instruction, shape);
  }
  if (included) {
    fetched.bytes = static_cast<int8_t>(bytes);
    fetched.halts = halts;
    fetched.repeats = repeats;
    if (full_) fetched.writes = set_.may_write(instruction);
    fetched.branches = fetched.alone && displacement.width > 0;
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

  recorder_.add(offset, {code() + offset, static_cast<size_t>(fetched.bytes)}, fetched.writes, out_->bytes);
  ++taken_;
  last_ = offset;

  if (full_ && (fetched.illegal || fetched.halts)) recorder_.check_registers(out_->bytes);
  if (fetched.illegal) return stop(StopReason::illegal_instruction);
  if (fetched.halts) return stop(StopReason::halted);
  if (limits_.time.count() > 0 && taken_ % steps_between_looks == 0 &&
      std::chrono::steady_clock::now() - begin_ >= limits_.time) {
    stop(StopReason::time_limit);
  }
}

// Unicorn comes by once more where no repetition is left. That is none.
bool Executor::ends_repetition(uint64_t offset) const {
  if (last_ != offset || about_.repetitions < 0) return false;
  uint64_t left = 0;
  check(uc_reg_read(engine_.get(), about_.registers[about_.repetitions].id, &left), "reading a register");
  return left == 0;
}

}  // namespace bytecpu::native
