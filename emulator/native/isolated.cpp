#include "emulator/native/isolated.hpp"

#include <algorithm>
#include <array>

#include "emulator/error.hpp"
#include "emulator/native/random_program.hpp"

namespace bytecpu::native {
namespace {

// Draws the ends and the middle of a range, and what it drew last, more often than the rest: registers that are
// the same, distances of 0 and 31, the first and the last place in memory.
class Edges final : public RandomSource {
 public:
  explicit Edges(RandomSource& random) : random_(random) {}
  uint32_t below(uint32_t bound) override {
    switch (random_.below(10)) {
      case 0:
        return last_ = 0;
      case 1:
        return last_ = bound - 1;
      case 2:
        return last_ = bound / 2;
      case 3:
        return last_ = (bound - 1) / 2;
      case 4:
        return last_ %= bound;
      default:
        return last_ = random_.below(bound);
    }
  }

 private:
  RandomSource& random_;
  uint32_t last_ = 0;
};

class Isolator {
 public:
  Isolator(RandomSource& random, const InstructionSet& set, const Disassembler& disassembler, int code_bytes,
           int data_bytes)
      : random_(random),
        edges_(random),
        set_(set),
        disassembler_(disassembler),
        code_bytes_(static_cast<size_t>(code_bytes)),
        data_bytes_(static_cast<uint32_t>(data_bytes)) {}

  Isolated write(size_t operation, int places) {
    const Operation& row = set_.operations()[operation];
    const int most = most_instructions(set_, static_cast<int>(code_bytes_));
    const int before = random_.below(places > 0 ? std::min(places, most) : most);
    Code behind;
    const bool back =
        (row.uses & branch) && before > set_.loop_end_instructions() && write_loop_end(row, before, behind);
    if (!back) write_any(before, behind);
    Isolated result{.code = {behind.bytes().begin(), behind.bytes().end()}};
    if (back) {
      result.begin = result.at = last_of(result.code);
      return result;
    }
    add(operation, row, result);
    return result;
  }

 private:
  // Instructions that do not run.
  void write_any(int count, Code& code) {
    const Scope scope{random_, 1, false, data_bytes_};
    const auto operations = set_.operations();
    while (code.instructions() < count && code.size() + 2 * slack_bytes <= code_bytes_) {
      const size_t drawn = random_.below(static_cast<uint32_t>(operations.size()));
      const uint8_t uses = operations[drawn].uses;
      if (uses & (plain | memory)) set_.write(drawn, uses & plain ? plain : memory, scope, code);
    }
  }

  // Half the times, where loops end with this branch: a loop, the branch its last instruction.
  bool write_loop_end(const Operation& row, int before, Code& code) {
    if (random_.below(2)) return false;
    const int body = random_.between(1, std::min<uint32_t>(before - 1, longest_body));
    Code loop;
    write_any(before - body - 1, loop);
    const size_t top = loop.size();
    write_any(loop.instructions() + body, loop);
    set_.write_loop_end(top, loop);
    const auto bytes = loop.bytes();
    if (!is(row, bytes.subspan(last_of(bytes)))) return false;
    code = std::move(loop);
    return true;
  }

  std::vector<size_t> places_of(std::span<const uint8_t> code) const {
    std::vector<size_t> places;
    for (size_t at = 0; at < code.size();) {
      places.push_back(at);
      const int bytes = set_.decode(code.subspan(at)).bytes;
      BYTECPU_CHECK(bytes > 0);
      at += static_cast<size_t>(bytes);
    }
    return places;
  }
  size_t last_of(std::span<const uint8_t> code) const { return places_of(code).back(); }
  bool is(const Operation& row, std::span<const uint8_t> code) const {
    const auto text = disassembler_.decode(code, 0);
    return text && text->mnemonic == row.mnemonic;
  }

  // What the operation's instruction is written as, with what prepares its operands.
  Code drawn(size_t operation, const Operation& row) {
    constexpr int most = 3;
    const Scope scope{edges_, most, false, data_bytes_};
    Code code;
    if (row.uses & branch) {
      set_.write_branch(operation, scope, code);
    } else if (row.uses & call) {
      set_.write_call(code);
      if (is(row, code.bytes())) return code;
      code = {};
      set_.write_return(code);
    } else {
      if (random_.below(8) == 0 && write_of_loop(row, scope, code)) return code;
      const bool both = (row.uses & plain) && (row.uses & memory);
      const bool access = both ? random_.below(2) == 0 : row.uses & memory;
      set_.write(operation, access ? memory : plain, scope, code);
    }
    return code;
  }

  // Loops count by instructions whose forms may be theirs alone.
  bool write_of_loop(const Operation& row, const Scope& scope, Code& code) const {
    if ((row.uses & plain) == 0) return false;
    Code loop;
    set_.write_loop_begin(scope, scope.random.between(1, most_turns), loop);
    set_.write_loop_end(0, loop);
    const auto places = places_of(loop.bytes());
    for (size_t i = 0; i + 1 < places.size(); ++i) {
      const auto instruction = loop.bytes().subspan(places[i], places[i + 1] - places[i]);
      if (!is(row, instruction)) continue;
      code.add(instruction);
      return true;
    }
    return false;
  }

  void add(size_t operation, const Operation& row, Isolated& result) {
    Code code = drawn(operation, row);
    const auto places = places_of(code.bytes());
    size_t number =
        places.size() - 1;  // of the instruction; that of an operation with another name is the last
    while (number > 0 && !is(row, code.bytes().subspan(places[number]))) --number;
    if (!is(row, code.bytes().subspan(places[number]))) number = places.size() - 1;

    const size_t at = places[number];
    const Decoded decoded = set_.decode(code.bytes().subspan(at));
    const auto instruction = code.bytes().subspan(at, static_cast<size_t>(decoded.bytes));
    result.begin = result.code.size();
    result.preparation = static_cast<int>(number);
    result.at = result.begin + at;
    const size_t next = result.at + instruction.size();
    if (decoded.displacement.width > 0) {
      const size_t target = (row.uses & branch) && !result.code.empty() && random_.below(4) == 0
                                ? backward(result.code)
                                : forward(row, next);
      decoded.displacement.set(instruction, static_cast<int64_t>(target - result.at));
    }
    result.code.insert(result.code.end(), code.bytes().begin(),
                       code.bytes().begin() + static_cast<ptrdiff_t>(at + instruction.size()));
  }

  // Where a branch or call leads that instructions from `next` on follow; as far as in random programs.
  size_t forward(const Operation& row, size_t next) {
    const auto& about = set_.about();
    const size_t step = static_cast<size_t>(about.alignment), room = code_bytes_ - about.halt.size() - next,
                 skipped = longest_skip * static_cast<size_t>(about.room),
                 most = (row.uses & call) ? room : std::min(room, skipped);
    BYTECPU_CHECK(most >= step);
    return next + step * (1 + edges_.below(static_cast<uint32_t>(most / step)));
  }

  // Where a branch behind this code leads, as far back as in random programs, loops aside.
  size_t backward(std::span<const uint8_t> code) {
    const auto places = places_of(code);
    const auto most = std::min<size_t>(places.size(), longest_body);
    return places[places.size() - 1 - edges_.below(static_cast<uint32_t>(most))];
  }

  RandomSource& random_;
  Edges edges_;
  const InstructionSet& set_;
  const Disassembler& disassembler_;
  const size_t code_bytes_;
  const uint32_t data_bytes_;
};

}  // namespace

Isolated isolate(RandomSource& random, const InstructionSet& set, const Disassembler& disassembler,
                 size_t operation, int places, int code_bytes, int data_bytes) {
  return Isolator(random, set, disassembler, code_bytes, data_bytes).write(operation, places);
}

uint32_t telling_number(RandomSource& random, std::span<const uint32_t> others) {
  constexpr std::array<uint32_t, 5> ends = {0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF};
  constexpr std::array<uint32_t, 5> bytes = {0x00, 0x01, 0xFF, 0x80, 0x7F};
  const auto one_of = [&](const auto& all) { return all[random.below(static_cast<uint32_t>(all.size()))]; };
  const Scope scope{random, 0, false, 0};
  switch (random.below(8)) {
    case 0:
    case 1:
      return one_of(ends);
    case 2: {  // first drawn, then put together: in an order that is the same everywhere
      uint32_t value = 0;
      for (int i = 0; i < 4; ++i) value = value << 8 | one_of(bytes);
      return value;
    }
    case 3:
      return random.below(34);
    case 4:
      if (!others.empty()) {
        const uint32_t other = one_of(others);
        return random.below(2) ? other : other + random.below(3) - 1;
      }
      return one_of(ends);
    case 5: {
      const uint32_t value = scope.value();
      return random.below(2) ? value : 0 - value;
    }
    default:
      return scope.word();
  }
}

}  // namespace bytecpu::native
