#include "emulator/thumb/thumb.hpp"

#include <algorithm>
#include <array>

#include "emulator/error.hpp"
#include "emulator/native/native.hpp"

namespace bytecpu {
namespace {

using namespace native;

constexpr uint32_t data_register = 7, counter = 6;
constexpr uint16_t breakpoint = 0xBE00;  // BKPT #0 halts

// What an instruction's operands are, and where. Registers are R0 … R7.
enum class Kind : uint8_t {
  three,    // registers d, n, m; or a number of 3 bits in the place of m
  shift,    // registers d, m and a number of 5 bits
  number,   // register d and a number of 8 bits
  two,      // registers d, m
  access,   // registers t, base n, index m
  offset,   // registers t, base n and a number of 5 bits, scaled
  b,        // 11 bits
  b_cond,   // 8 bits
  nothing,  // BKPT, which halts, and NOP
};

// One encoding; where a mnemonic has several, random programs use the one that has a use.
struct Row {
  Operation operation;
  Kind kind;
  uint16_t code, mask;  // the instruction is code where mask is 1, its operands are elsewhere
  uint16_t size = 0;    // of an access
};

const std::vector<Row> rows = [] {
  std::vector<Row> all = {
      {{"lsls", "shift", plain}, Kind::shift, 0x0000, 0xF800},
      {{"lsrs", "shift", plain}, Kind::shift, 0x0800, 0xF800},
      {{"asrs", "shift", plain}, Kind::shift, 0x1000, 0xF800},
      {{"adds", "arithmetic", plain}, Kind::three, 0x1800, 0xFE00},
      {{"subs", "arithmetic", plain}, Kind::three, 0x1A00, 0xFE00},
      {{"adds", "arithmetic"}, Kind::three, 0x1C00, 0xFE00},
      {{"subs", "arithmetic"}, Kind::three, 0x1E00, 0xFE00},
      {{"movs", "move", plain}, Kind::number, 0x2000, 0xF800},
      {{"cmp", "compare", plain}, Kind::number, 0x2800, 0xF800},
      {{"adds", "arithmetic"}, Kind::number, 0x3000, 0xF800},
      {{"subs", "arithmetic"}, Kind::number, 0x3800, 0xF800},
      {{"ands", "logic", plain}, Kind::two, 0x4000, 0xFFC0},
      {{"eors", "logic", plain}, Kind::two, 0x4040, 0xFFC0},
      {{"lsls", "shift"}, Kind::two, 0x4080, 0xFFC0},
      {{"lsrs", "shift"}, Kind::two, 0x40C0, 0xFFC0},
      {{"asrs", "shift"}, Kind::two, 0x4100, 0xFFC0},
      {{"adcs", "arithmetic", plain}, Kind::two, 0x4140, 0xFFC0},
      {{"sbcs", "arithmetic", plain}, Kind::two, 0x4180, 0xFFC0},
      {{"rors", "shift", plain}, Kind::two, 0x41C0, 0xFFC0},
      {{"tst", "compare", plain}, Kind::two, 0x4200, 0xFFC0},
      {{"rsbs", "arithmetic", plain}, Kind::two, 0x4240, 0xFFC0},
      {{"cmp", "compare"}, Kind::two, 0x4280, 0xFFC0},
      {{"cmn", "compare", plain}, Kind::two, 0x42C0, 0xFFC0},
      {{"orrs", "logic", plain}, Kind::two, 0x4300, 0xFFC0},
      {{"muls", "multiply", plain}, Kind::two, 0x4340, 0xFFC0},
      {{"bics", "logic", plain}, Kind::two, 0x4380, 0xFFC0},
      {{"mvns", "logic", plain}, Kind::two, 0x43C0, 0xFFC0},
      {{"str", "memory"}, Kind::access, 0x5000, 0xFE00},
      {{"strh", "memory"}, Kind::access, 0x5200, 0xFE00},
      {{"strb", "memory"}, Kind::access, 0x5400, 0xFE00},
      {{"ldrsb", "memory"}, Kind::access, 0x5600, 0xFE00},
      {{"ldr", "memory"}, Kind::access, 0x5800, 0xFE00},
      {{"ldrh", "memory"}, Kind::access, 0x5A00, 0xFE00},
      {{"ldrb", "memory"}, Kind::access, 0x5C00, 0xFE00},
      {{"ldrsh", "memory"}, Kind::access, 0x5E00, 0xFE00},
      {{"str", "memory", memory}, Kind::offset, 0x6000, 0xF800, 4},
      {{"ldr", "memory", memory}, Kind::offset, 0x6800, 0xF800, 4},
      {{"strb", "memory", memory}, Kind::offset, 0x7000, 0xF800, 1},
      {{"ldrb", "memory", memory}, Kind::offset, 0x7800, 0xF800, 1},
      {{"strh", "memory", memory}, Kind::offset, 0x8000, 0xF800, 2},
      {{"ldrh", "memory", memory}, Kind::offset, 0x8800, 0xF800, 2},
      {{"sxth", "extend", plain}, Kind::two, 0xB200, 0xFFC0},
      {{"sxtb", "extend", plain}, Kind::two, 0xB240, 0xFFC0},
      {{"uxth", "extend", plain}, Kind::two, 0xB280, 0xFFC0},
      {{"uxtb", "extend", plain}, Kind::two, 0xB2C0, 0xFFC0},
      {{"rev", "bits", plain}, Kind::two, 0xBA00, 0xFFC0},
      {{"rev16", "bits", plain}, Kind::two, 0xBA40, 0xFFC0},
      {{"revsh", "bits", plain}, Kind::two, 0xBAC0, 0xFFC0},
      {{"bkpt", "halt"}, Kind::nothing, breakpoint, 0xFFFF},
      {{"nop", "nop", plain}, Kind::nothing, 0xBF00, 0xFFFF},
      {{"b", "branch", branch}, Kind::b, 0xE000, 0xF800},
  };
  constexpr std::array conditions = {"beq", "bne", "bhs", "blo", "bmi", "bpl", "bvs",
                                     "bvc", "bhi", "bls", "bge", "blt", "bgt", "ble"};
  for (uint16_t cc = 0; cc < conditions.size(); ++cc) {
    all.push_back(
        {{conditions[cc], "branch", branch}, Kind::b_cond, static_cast<uint16_t>(0xD000 | cc << 8), 0xFF00});
  }
  return all;
}();

const std::vector<Operation> table = [] {
  std::vector<Operation> all;
  for (const Row& row : rows) all.push_back(row.operation);
  return all;
}();

const Description description = {
    .name = "thumb",
    .engine = UC_ARCH_ARM,
    .engine_mode = UC_MODE_THUMB,
    .engine_model = UC_CPU_ARM_CORTEX_A15,
    .disassembler = CS_ARCH_ARM,
    .disassembler_mode = CS_MODE_THUMB,
    .instruction_bytes = 4,
    .value_bytes = 4,
    .flags_bytes = 2,
    .pc_id = UC_ARM_REG_PC,
    .flags_name = "NZCV",
    .flag_bits = {"V", "C", "Z", "N"},
    .flags_id = UC_ARM_REG_APSR_NZCV,
    .registers = {{"R0", UC_ARM_REG_R0},
                  {"R1", UC_ARM_REG_R1},
                  {"R2", UC_ARM_REG_R2},
                  {"R3", UC_ARM_REG_R3},
                  {"R4", UC_ARM_REG_R4},
                  {"R5", UC_ARM_REG_R5},
                  {"R6", UC_ARM_REG_R6},
                  {"R7", UC_ARM_REG_R7}},
    .stack = -1,
    .link = -1,
    .data = data_register,
    .alignment = 2,
    .fetch_mode = 1,
    .halt = {0x00, 0xBE},
    .filler = {0x00, 0xDE},  // UDF
    .went_on = {UC_ARM_REG_R8, {0x40, 0x47}},
    .branched = {UC_ARM_REG_R9, {0x48, 0x47}},
    .next = {UC_ARM_REG_R10, {0x50, 0x47}},
    .room = 2,
    .elf_machine = 0,
};

constexpr int flags_shift = 28;  // N, Z, C, V are bits 31 … 28

void add(Code& code, uint32_t word) {
  code.begin();
  code.put(word, 2);
}

class Thumb final : public InstructionSet {
 public:
  const Description& about() const override { return description; }
  std::span<const Operation> operations() const override { return table; }
  Decoded decode(std::span<const uint8_t> code) const override {
    if (code.size() < 2) return {};
    const auto word = static_cast<uint16_t>(code[0] | code[1] << 8);
    const auto row = std::ranges::find_if(rows, [&](const Row& r) { return (word & r.mask) == r.code; });
    if (row == rows.end()) return {};
    const uint8_t width = row->kind == Kind::b ? 11 : row->kind == Kind::b_cond ? 8 : 0;
    return {.bytes = 2,
            .halts = word == breakpoint,
            .shape = row->kind == Kind::nothing ? word : row->code,
            .anywhere = true,
            .displacement = {.bit = 0, .width = width, .scale = 2, .origin = 4}};
  }
  Flow flow(std::span<const uint8_t> code) const override {
    return {.goes_on = code.size() < 2 || (code[1] & 0xF8) != 0xE0};  // B
  }
  uint8_t pack_flags(uint32_t raw) const override { return static_cast<uint8_t>(raw >> flags_shift); }
  uint32_t unpack_flags(uint8_t flags) const override { return static_cast<uint32_t>(flags) << flags_shift; }

  void write(size_t operation, Use, const Scope& scope, Code& code) const override {
    const Row& row = rows[operation];
    const uint32_t d = scope.random.below(data_register - scope.counter_in_use), n = scope.random.below(8),
                   m = scope.random.below(8), number = scope.random.below(256);
    switch (row.kind) {
      case Kind::three:
        return add(code, row.code | m << 6 | n << 3 | d);
      case Kind::shift:
        return add(code, row.code | (1 + number % 31) << 6 | n << 3 | d);
      case Kind::number:
        return add(code, row.code | d << 8 | number);
      case Kind::two:
        return add(code, row.code | n << 3 | d);
      case Kind::offset: {
        constexpr uint32_t most_offset = 32;
        const bool loads = row.code & 0x0800;
        const uint32_t offset = number % std::min(scope.data_bytes / row.size, most_offset);
        return add(code, row.code | offset << 6 | data_register << 3 | (loads ? d : n));
      }
      case Kind::nothing:
        return add(code, row.code);
      case Kind::access:
      case Kind::b:
      case Kind::b_cond:
        break;
    }
    BYTECPU_CHECK(!"an operation that is not written so");
  }
  size_t write_branch(size_t operation, const Scope&, Code& code) const override {
    add(code, rows[operation].code);
    return code.size() - 2;
  }
  size_t write_jump(Code& code) const override {
    add(code, 0xE000);  // B
    return code.size() - 2;
  }
  void write_loop_begin(const Scope&, uint32_t turns, Code& code) const override {
    add(code, 0x2000 | counter << 8 | turns);  // MOVS
  }
  int loop_end_instructions() const override { return 2; }
  void write_loop_end(size_t top, Code& code) const override {
    add(code, 0x3801 | counter << 8);                            // SUBS by 1
    add(code, 0xD100 | (((top - code.size() - 4) / 2) & 0xFF));  // BNE
  }
};

}  // namespace

std::unique_ptr<Machine> make_thumb(int memory_bytes) {
  return native::make_machine(std::make_unique<Thumb>(), memory_bytes);
}

}  // namespace bytecpu
