#include "emulator/native/random_program.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

constexpr double default_memory_share = 0.25, default_branch_share = 0.1, default_loop_share = 0.05;
constexpr double back_share = 0.25;  // of branches
constexpr uint32_t longest_subroutine = 5;
constexpr int shortest_detour = 4;

// Draws from the operations that have a use, by weight.
class Choice {
 public:
  Choice(std::span<const Operation> operations, std::span<const double> weights, uint8_t uses) {
    size_t drawn = 0;  // index among the operations that are drawn at all, as weights are given
    for (size_t i = 0; i < operations.size(); ++i) {
      if (!operations[i].uses) continue;
      const double weight = weights.empty() ? 1 : weights[drawn];
      ++drawn;
      if ((operations[i].uses & uses) == 0 || weight == 0) continue;
      operations_.push_back(i);
      sums_.push_back(sum_ += weight);
    }
  }
  bool empty() const { return operations_.empty(); }
  size_t draw(RandomSource& random) const {
    constexpr uint32_t fine = 1u << 31;
    const double drawn = sum_ * random.below(fine) / fine;
    return operations_[std::upper_bound(sums_.begin(), sums_.end(), drawn) - sums_.begin()];
  }

 private:
  std::vector<size_t> operations_;
  std::vector<double> sums_;
  double sum_ = 0;
};

class Writer {
 public:
  Writer(RandomSource& random, const ProgramOptions& options, const InstructionSet& set, int code_bytes,
         int data_bytes)
      : random_(random),
        set_(set),
        operations_(set.operations()),
        plain_(operations_, options.operation_weights, plain),
        memory_(operations_, options.operation_weights, memory),
        branch_(operations_, options.operation_weights, branch | call),
        memory_share_(options.memory_share.value_or(default_memory_share)),
        branch_share_(options.branch_share.value_or(default_branch_share)),
        loop_share_(options.loop_share.value_or(default_loop_share)),
        code_bytes_(code_bytes),
        data_bytes_(data_bytes) {}

  std::vector<uint8_t> write(int instructions) {
    most_ = instructions - 1;
    while (left() > 0) {
      if (left() >= 2 + set_.loop_end_instructions() && scope().chance(loop_share_)) {
        write_loop();
      } else {
        write_one(left());
      }
    }
    bind_skips(true);
    code_.add(set_.about().halt);
    write_subroutine();
    return {code_.bytes().begin(), code_.bytes().end()};
  }

 private:
  struct Skip {
    size_t at;
    int until;  // instructions written when its target is reached
  };

  // Instructions that may still be written, the halting one and the subroutine aside; 0 when bytes run out.
  int left() const {
    const int reserved = slack_bytes + subroutine_ * set_.about().room;
    return static_cast<int>(code_.size()) + reserved > code_bytes_ ? 0 : most_ - code_.instructions();
  }
  Scope scope(int most = 0) const {
    return {random_, most, in_loop_ || in_subroutine_, static_cast<uint32_t>(data_bytes_)};
  }

  // Makes the branch or call at `at` go to here, or to `target`.
  void bind(size_t at) { bind(at, code_.size()); }
  void bind(size_t at, size_t target) {
    const auto instruction = code_.bytes().subspan(at);
    const Decoded decoded = set_.decode(instruction);
    decoded.displacement.set(instruction.first(decoded.bytes), static_cast<int64_t>(target - at));
  }

  void bind_skips(bool all) {
    std::erase_if(skips_, [&](const Skip& skip) {
      if (!all && code_.instructions() < skip.until) return false;
      bind(skip.at);
      return true;
    });
  }

  void write_one(int most) {
    bind_skips(false);
    const Scope here = scope(most);
    const double drawn = random_.below(1u << 20) / static_cast<double>(1u << 20);
    if (drawn < branch_share_ && !branch_.empty() && write_branch(most)) return;
    const bool access = (drawn < branch_share_ + memory_share_ && !memory_.empty()) || plain_.empty();
    set_.write((access ? memory_ : plain_).draw(random_), access ? memory : plain, here, code_);
  }

  // False where there is no room for what was drawn.
  bool write_branch(int most) {
    const size_t operation = branch_.draw(random_);
    if (operations_[operation].uses & branch) {
      if (most < 2) return false;
      if (most >= shortest_detour && scope().chance(back_share)) {
        write_detour(operation, most);
        return true;
      }
      const int skipped = random_.between(1, std::min<uint32_t>(most - 1, longest_skip));
      const size_t at = set_.write_branch(operation, scope(most - skipped), code_);
      skips_.push_back({at, code_.instructions() + skipped});
      return true;
    }
    if (in_subroutine_) return false;
    if (subroutine_ == 0) {
      if (in_block_ || most < 4) return false;
      subroutine_ = random_.between(2, std::min<uint32_t>(most - 2, longest_subroutine));
      most_ -= subroutine_;
    }
    calls_.push_back(set_.write_call(code_));
    return true;
  }

  // So many instructions; no branch among them leads further than behind them.
  void write_block(int instructions) {
    const bool outside = !std::exchange(in_block_, true);
    const int end = code_.instructions() + instructions;
    while (code_.instructions() < end) write_one(end - code_.instructions());
    bind_skips(true);
    if (outside) in_block_ = false;
  }

  //        jump over
  // back:  block
  //        jump past
  // over:  between
  //        branch or jump back
  // past:
  // At most `most` instructions, of which no more than longest_body lie on the way back.
  void write_detour(size_t operation, int most) {
    const auto spare = std::min(static_cast<uint32_t>(most - shortest_detour), longest_body - 2);
    const int between = random_.below(spare + 1), block = 1 + random_.below(spare - between + 1);
    const size_t over = set_.write_jump(code_), back = code_.size();
    write_block(block);
    const size_t past = set_.write_jump(code_);
    bind(over);
    write_block(between);
    // Loops of compiled code often go back by a jump.
    const bool always = scope().chance(0.5);
    const Scope here = scope(most - 3 - block - between);
    bind(always ? set_.write_jump(code_) : set_.write_branch(operation, here, code_), back);
    bind(past);
  }

  void write_loop() {
    bind_skips(true);  // none may jump past the counter's start
    const int room = left() - 1 - set_.loop_end_instructions();
    set_.write_loop_begin(scope(), random_.between(1, most_turns), code_);
    const size_t top = code_.size();
    in_loop_ = true;
    write_block(random_.between(1, std::min<uint32_t>(room, longest_body)));
    in_loop_ = false;
    set_.write_loop_end(top, code_);
  }

  void write_subroutine() {
    if (subroutine_ == 0) return;
    for (const size_t at : calls_) bind(at);
    in_subroutine_ = true;
    write_block(subroutine_ - 1);
    set_.write_return(code_);
  }

  RandomSource& random_;
  const InstructionSet& set_;
  const std::span<const Operation> operations_;
  const Choice plain_, memory_, branch_;
  const double memory_share_, branch_share_, loop_share_;
  const int code_bytes_, data_bytes_;

  Code code_;
  int most_ = 0;        // instructions before the halting one
  int subroutine_ = 0;  // instructions of it, the return included
  bool in_loop_ = false, in_block_ = false, in_subroutine_ = false;
  std::vector<Skip> skips_;
  std::vector<size_t> calls_;
};

}  // namespace

int most_instructions(const InstructionSet& set, int code_bytes) {
  return (code_bytes - slack_bytes) / set.about().room;
}

void check(const ProgramOptions& options, const InstructionSet& set, int code_bytes) {
  const auto& about = set.about();
  const int most = most_instructions(set, code_bytes);
  if (options.min_instructions < 1 || options.min_instructions > options.max_instructions ||
      options.max_instructions > most) {
    throw Error("programs of {} to {} instructions: use 1 ≤ min ≤ max ≤ {}, what fits {} bytes of code",
                options.min_instructions, options.max_instructions, most, code_bytes);
  }
  if (options.window_steps != 0) {
    throw Error("{}'s traces are whole programs: a window cannot start at any instruction", about.name);
  }
  for (const auto& [name, share] : {std::pair{"small_operands", std::optional(options.small_operands)},
                                    {"memory_share", options.memory_share},
                                    {"branch_share", options.branch_share},
                                    {"loop_share", options.loop_share},
                                    {"anywhere_share", std::optional(options.anywhere_share)}}) {
    if (share && !(*share >= 0 && *share <= 1)) throw Error("{} is {}; use 0 … 1", name, *share);
  }
  const auto& weights = options.operation_weights;
  if (weights.empty()) return;
  const auto operations = set.operations();
  const auto drawn =
      std::count_if(operations.begin(), operations.end(), [](const auto& o) { return o.uses; });
  if (static_cast<std::ptrdiff_t>(weights.size()) != drawn) {
    throw Error("{} operation weights, but {} draws from {} operations", weights.size(), about.name, drawn);
  }
  for (const double weight : weights) {
    if (!(weight >= 0) || !std::isfinite(weight))
      throw Error("an operation's weight is {}; use 0 or more", weight);
  }
  if (Choice(operations, weights, plain | memory).empty()) {
    throw Error("operation weights leave {} nothing but branches to draw", about.name);
  }
}

std::vector<uint8_t> random_program(RandomSource& random, const ProgramOptions& options,
                                    const InstructionSet& set, int code_bytes, int data_bytes) {
  const int instructions = random.between(options.min_instructions, options.max_instructions);
  while (true) {  // the last loop or detour, or the subroutine, may pass the end where instructions are long
    auto program = Writer(random, options, set, code_bytes, data_bytes).write(instructions);
    if (program.size() <= static_cast<size_t>(code_bytes)) return program;
  }
}

std::vector<uint8_t> idle_code(RandomSource& random, const ProgramOptions& options, const InstructionSet& set,
                               int code_bytes, int data_bytes, size_t most) {
  std::vector<uint8_t> code;
  std::vector<size_t> ends = {0};  // of instructions, up to `most`
  while (true) {
    const size_t begin = code.size();
    const auto program = random_program(random, options, set, code_bytes, data_bytes);
    code.insert(code.end(), program.begin(), program.end());
    for (size_t at = begin; at < code.size();) {
      const int bytes = set.decode(std::span(code).subspan(at)).bytes;
      BYTECPU_CHECK(bytes > 0);
      at += static_cast<size_t>(bytes);
      if (at > most) {
        code.resize(ends[random.below(static_cast<uint32_t>(ends.size()))]);
        return code;
      }
      ends.push_back(at);
    }
  }
}

}  // namespace bytecpu::native
