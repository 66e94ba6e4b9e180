#include "emulator/arm64/arm64.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <bit>

#include "emulator/arm64/encoding.hpp"
#include "emulator/arm64/table.hpp"
#include "emulator/arm64/text.hpp"
#include "emulator/error.hpp"
#include "emulator/native/native.hpp"

namespace bytecpu {
namespace {

using namespace native;

// Registers by their number in instructions; 31 is zero, or the stack pointer.
constexpr uint32_t data_register = 7, counter = 8, zero = 31;
enum Index { link_index = 9, stack_index = 10 };  // in records

using arm64::Kind;
using enum arm64::Alias;
using arm64::Row;

std::vector<Operation> operations_of(const std::vector<Row>& rows) {
  std::vector<Operation> all;
  for (const Row& row : rows) all.push_back(row.operation);
  return all;
}

const Description description = {
    .name = "arm64",
    .engine = UC_ARCH_ARM64,
    .engine_mode = UC_MODE_ARM,
    .engine_model = UC_CPU_ARM64_A72,  // does nothing at the hints of pointer authentication
    .disassembler = CS_ARCH_ARM64,
    .disassembler_mode = CS_MODE_ARM,
    .rewrite = arm64::rewrite,
    .instruction_bytes = 4,
    .value_bytes = 8,
    .flags_bytes = 2,
    .pc_id = UC_ARM64_REG_PC,
    .flags_name = "NZCV",
    .flag_bits = {"V", "C", "Z", "N"},
    .flags_id = UC_ARM64_REG_NZCV,
    .registers = {{"W0", UC_ARM64_REG_X0},
                  {"W1", UC_ARM64_REG_X1},
                  {"W2", UC_ARM64_REG_X2},
                  {"W3", UC_ARM64_REG_X3},
                  {"W4", UC_ARM64_REG_X4},
                  {"W5", UC_ARM64_REG_X5},
                  {"W6", UC_ARM64_REG_X6},
                  {"W7", UC_ARM64_REG_X7},
                  {"W8", UC_ARM64_REG_X8},
                  {"LR", UC_ARM64_REG_LR},
                  {"SP", UC_ARM64_REG_SP}},
    .stack = stack_index,
    .link = link_index,
    .data = data_register,
    .alignment = 4,
    .fetch_mode = 0,
    .halt = {0x00, 0x00, 0x40, 0xD4},
    .filler = {0x00, 0x00, 0x00, 0x00},  // UDF
    .went_on = {UC_ARM64_REG_X9, {0x20, 0x01, 0x1F, 0xD6}},
    .branched = {UC_ARM64_REG_X10, {0x40, 0x01, 0x1F, 0xD6}},
    .next = {UC_ARM64_REG_X11, {0x60, 0x01, 0x1F, 0xD6}},
    .room = 4,
    .elf_machine = EM_AARCH64,
};

// Of all registers.
const Description full_description = [] {
  Description d = description;
  d.name = "arm64-full";
  d.value_bytes = 16;  // of STP
  d.offset_bytes = 4;
  d.register_bytes = 8;
  d.went_on = d.branched = d.next = {};
  static const std::array<std::string, 29> names = [] {
    std::array<std::string, 29> all;
    for (size_t i = 0; i < all.size(); ++i) all[i] = fmt::format("X{}", i);
    return all;
  }();
  d.registers.clear();
  for (size_t i = 0; i < names.size(); ++i) {
    d.registers.push_back({names[i].c_str(), UC_ARM64_REG_X0 + static_cast<int>(i)});
  }
  d.registers.push_back({"X29", UC_ARM64_REG_X29});
  d.link = static_cast<int>(d.registers.size());
  d.registers.push_back({"LR", UC_ARM64_REG_LR});
  d.stack = static_cast<int>(d.registers.size());
  d.registers.push_back({"SP", UC_ARM64_REG_SP});
  return d;
}();

constexpr int flags_shift = 28;  // N, Z, C, V are bits 31 … 28

// Operands in their places.
constexpr uint32_t d(uint32_t r) { return r; }
constexpr uint32_t n(uint32_t r) { return r << 5; }
constexpr uint32_t m(uint32_t r) { return r << 16; }
constexpr uint32_t a(uint32_t r) { return r << 10; }
constexpr uint32_t immr(uint32_t value) { return value << 16; }
constexpr uint32_t imms(uint32_t value) { return value << 10; }

void add(Code& code, uint32_t word) {
  code.begin();
  code.put(word, 4);
}

class Arm64 final : public InstructionSet {
 public:
  explicit Arm64(bool full) : full_(full) {}
  const Description& about() const override { return full_ ? full_description : description; }
  std::span<const Operation> operations() const override {
    static const auto table = operations_of(arm64::rows()), full_table = operations_of(arm64::full_rows());
    return full_ ? full_table : table;
  }
  Decoded decode(std::span<const uint8_t> code) const override {
    if (code.size() < 4) return {};
    const uint32_t word = arm64::word_at(code);
    constexpr uint32_t operation_bits = 0xFFE0FC00;  // and a few of some immediates
    if (!arm64::includes(word, full_)) return {};
    // B and BL; B.cond, CBZ, CBNZ; TBZ, TBNZ
    const uint8_t width = (word & 0x7C000000) == 0x14000000   ? 26
                          : (word & 0x7E000000) == 0x34000000 ? 19
                          : (word & 0xFF000010) == 0x54000000 ? 19
                          : (word & 0x7E000000) == 0x36000000 ? 14
                                                              : 0;
    const bool links = (word & 0xFC000000) == 0x94000000, to_register = (word & 0xFE000000) == 0xD6000000,
               reads_pc = (word & 0xBF000000) == 0x18000000 || (word & 0x9F000000) == 0x10000000;
    return {.bytes = 4,
            .halts = word == arm64::hlt,
            .shape = word & operation_bits,
            .anywhere = !links && !to_register && !reads_pc,
            .displacement = {.bit = static_cast<uint8_t>(width == 26 ? 0 : 5), .width = width, .scale = 4}};
  }
  Flow flow(std::span<const uint8_t> code) const override {
    return code.size() < 4 ? Flow{} : arm64::flow(arm64::word_at(code));
  }
  // Of the full layout, whose registers have their numbers: the fields d or t, n where it is written back, t2; the link
  // register of calls.
  uint32_t may_write(std::span<const uint8_t> code) const override {
    if (!full_ || code.size() < 4) return ~uint32_t{0};
    const uint32_t word = arm64::word_at(code);
    const bool calls = (word & 0xFC000000) == 0x94000000 || (word & 0xFFFFFC1F) == 0xD63F0000;
    const auto bit = [](uint32_t number) { return uint32_t{1} << (number & 31); };
    constexpr uint32_t link = 30;
    return bit(word) | bit(word >> 5) | bit(word >> 10) | (calls ? bit(link) : 0);
  }
  std::string why_left_out(std::string_view text, std::span<const uint8_t> code) const override {
    if (!full_ && code.size() >= 4 && arm64::includes(arm64::word_at(code), true)) return "arm64-full has it";
    return arm64::why_left_out(text);
  }
  uint8_t pack_flags(uint32_t raw) const override { return static_cast<uint8_t>(raw >> flags_shift); }
  uint32_t unpack_flags(uint8_t flags) const override { return static_cast<uint32_t>(flags) << flags_shift; }

  void write(size_t operation, Use use, const Scope& scope, Code& code) const override;
  size_t write_branch(size_t operation, const Scope& scope, Code& code) const override {
    const Row& row = arm64::rows()[operation];
    uint32_t word = row.code;
    if (row.kind == Kind::compare_branch) {
      const uint32_t compared = scope.random.below(data_register);
      // A register is seldom zero of itself: often it is made 0 or 1 by AND.
      if (scope.left >= 2 && scope.chance(0.5)) add(code, 0x12000000 | n(compared) | d(compared));
      word |= d(compared);
    }
    if (row.kind == Kind::test_branch)
      word |= d(scope.random.below(data_register)) | scope.random.below(32) << 19;
    add(code, word);
    return code.size() - 4;
  }
  size_t write_jump(Code& code) const override {
    add(code, 0x14000000);  // B
    return code.size() - 4;
  }
  size_t write_call(Code& code) const override {
    add(code, 0x94000000);  // BL
    return code.size() - 4;
  }
  void write_return(Code& code) const override { add(code, 0xD65F03C0); }
  void write_loop_begin(const Scope&, uint32_t turns, Code& code) const override {
    add(code, 0x52800000 | turns << 5 | d(counter));  // MOVZ
  }
  int loop_end_instructions() const override { return 2; }
  void write_loop_end(size_t top, Code& code) const override {
    add(code, 0x71000400 | n(counter) | d(counter));  // SUBS by 1
    const uint32_t distance = static_cast<uint32_t>(top - code.size()) / 4;
    add(code, 0x54000001 | (distance & 0x7FFFF) << 5);  // B.NE
  }

 private:
  const bool full_;
};

void Arm64::write(size_t operation, Use, const Scope& scope, Code& code) const {
  const Row& row = arm64::rows()[operation];
  const auto below = [&](uint32_t bound) { return scope.random.below(bound); };
  const auto target = [&]() -> uint32_t {
    const uint32_t drawn = below(data_register + !scope.counter_in_use);
    return drawn == data_register ? counter : drawn;
  };
  const auto source = [&]() -> uint32_t {  // seldom zero
    const uint32_t drawn = below(2 * counter + 3);
    return drawn == 2 * counter + 2 ? zero : drawn % (counter + 1);
  };
  // Operands are drawn before they are put together: the order of draws is part of what a seed means.
  const uint32_t to = target(), from = source(), by = source(), plus = source();
  const uint32_t rd = d(row.alias & no_d ? zero : to), rn = n(row.alias & no_n ? zero : from),
                 rm = m(row.alias & no_m ? zero : by), ra = a(row.alias & no_a ? zero : plus);
  const uint32_t bit = below(32), other_bit = below(32), condition = below(14) << 12;
  const auto write = [&](uint32_t word) { add(code, word); };
  switch (row.kind) {
    case Kind::add_sub: {
      const uint32_t form = below(4);
      if (form == 0) return write(row.code | rd | rn | rm | below(3) << 22 | imms(bit));
      if (form == 1) return write(row.code | rd | rn | rm);
      // A number, of a register other than 31, which here is the stack pointer.
      const uint32_t number = (bit << 7 | other_bit << 2) >> below(12), shift = below(4) == 0 ? 1u << 22 : 0;
      return write((row.code + 0x06000000) | rd | n(from == zero ? 0 : from) | number << 10 | shift);
    }
    case Kind::logic: {
      if (below(2)) return write(row.code | rd | rn | rm);
      const uint32_t element = 2u << below(5);  // bits of the repeated pattern: 2 … 32
      const uint32_t pattern = element == 32 ? 0 : 0x3F & ~(2 * element - 1);
      const uint32_t ones = 1 + bit % (element - 1), rotation = other_bit % element;
      return write((row.code + 0x08000000) | rd | rn | immr(rotation) | imms(pattern | (ones - 1)));
    }
    case Kind::three:
      return write(row.code | rd | rn | rm);
    case Kind::two:
    case Kind::extend:
      return write(row.code | rd | rn);
    case Kind::multiply:
      return write(row.code | rd | rn | rm | ra);
    case Kind::move_wide: {
      const uint32_t number = below(1 << 16) >> below(16);
      return write(row.code | rd | number << 5 | below(2) << 21);
    }
    case Kind::shift: {
      if (below(2)) return write(row.code | rd | rn | rm);
      const uint32_t amount = 1 + bit % 31;
      switch (row.code >> 10 & 3) {
        case 0:
          return write(0x53000000 | immr(32 - amount) | imms(31 - amount) | rd | rn);
        case 1:
          return write(0x53007C00 | immr(amount) | rd | rn);
        case 2:
          return write(0x13007C00 | immr(amount) | rd | rn);
        default:
          return write(0x13800000 | imms(amount) | rd | rn | m(from));
      }
    }
    case Kind::bit_field:
    case Kind::insert: {
      const uint32_t first = row.kind == Kind::insert ? 1 + bit % 31 : bit,
                     width = 1 + other_bit % (32 - first);
      if (row.kind == Kind::insert) return write(row.code | immr(32 - first) | imms(width - 1) | rd | rn);
      return write(row.code | immr(first) | imms(first + width - 1) | rd | rn);
    }
    case Kind::extract:
      return write(row.code | imms(bit) | rd | rn | rm);
    case Kind::select:
      if (row.alias & same)
        return write(row.code | rd | n(from == zero ? 0 : from) | m(from == zero ? 0 : from) | condition);
      return write(row.code | rd | rn | rm | condition);
    case Kind::compare_select: {
      const bool number = below(2);
      return write(row.code | rn | (number ? m(bit) | 1 << 11 : rm) | condition | other_bit >> 1);
    }
    case Kind::access:
    case Kind::unscaled: {
      const uint32_t size = row.code >> 30, elements = scope.data_bytes >> size;
      const uint32_t value = d(row.code & 0x00C00000 ? to : from);  // loads and stores
      if (row.kind == Kind::unscaled) {
        return write(row.code | below(std::min(elements, 256u >> size)) << size << 12 | n(data_register) |
                     value);
      }
      if (scope.left >= 2 && scope.chance(0.2)) {  // an index, limited first by AND
        constexpr uint32_t most_index = 64;
        uint32_t index = target();
        const auto mask_bits = static_cast<uint32_t>(std::bit_width(std::min(elements, most_index))) - 1;
        write(0x12000000 | imms(mask_bits - 1) | n(index) | d(index));
        return write((row.code - 0x01000000) | 0x00205800 | m(index) | n(data_register) | value);
      }
      constexpr uint32_t most_offset = 1 << 12;
      return write(row.code | below(std::min(elements, most_offset)) << 10 | n(data_register) | value);
    }
    case Kind::pair: {
      const bool loads = row.code & 0x00400000;
      const uint32_t offset = below(std::min(scope.data_bytes / 4 - 1, 64u)) << 15;
      if (!loads) return write(row.code | offset | a(by) | n(data_register) | d(from));
      const uint32_t second = target();
      return write(row.code | offset | a(second == to ? to == 0 : second) | n(data_register) | d(to));
    }
    case Kind::nop:
      return write(row.code);
    case Kind::given:
    case Kind::b:
    case Kind::b_cond:
    case Kind::compare_branch:
    case Kind::test_branch:
    case Kind::call:
      break;
  }
  BYTECPU_CHECK(!"an operation that is not written so");
}

}  // namespace

std::unique_ptr<native::InstructionSet> make_arm64_instructions(bool full) {
  return std::make_unique<Arm64>(full);
}

std::unique_ptr<Machine> make_arm64(int memory_bytes) {
  return native::make_machine(make_arm64_instructions(false), memory_bytes);
}

std::unique_ptr<Machine> make_arm64_full(int memory_bytes) {
  return native::make_machine(make_arm64_instructions(true), memory_bytes);
}

}  // namespace bytecpu
