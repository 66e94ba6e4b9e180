#include "emulator/x86_64/x86_64.hpp"

#include <elf.h>

#include <algorithm>
#include <bit>

#include "emulator/error.hpp"
#include "emulator/native/native.hpp"
#include "emulator/x86_64/encoding.hpp"
#include "emulator/x86_64/table.hpp"

namespace bytecpu {
namespace {

using namespace native;

enum Number { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9 };
constexpr Number data_register = rsi, counter = r9;

using x86_64::Kind;
using x86_64::Row;

std::vector<Operation> operations_of(const std::vector<Row>& rows) {
  std::vector<Operation> all;
  for (const Row& row : rows) all.push_back(row.operation);
  return all;
}

const Description description = {
    .name = "x86_64",
    .engine = UC_ARCH_X86,
    .engine_mode = UC_MODE_64,
    .engine_model = UC_CPU_X86_HASWELL,  // has LZCNT and TZCNT
    .disassembler = CS_ARCH_X86,
    .disassembler_mode = CS_MODE_64,
    .instruction_bytes = 9,  // the longest of random programs
    .value_bytes = 8,
    .flags_bytes = 1,
    .pc_id = UC_X86_REG_RIP,
    .flags_name = "FLAGS",
    .flag_bits = {"CF", "", "PF", "OF", "", "", "ZF", "SF"},
    .flags_id = UC_X86_REG_EFLAGS,
    .registers = {{"EAX", UC_X86_REG_RAX},
                  {"ECX", UC_X86_REG_RCX},
                  {"EDX", UC_X86_REG_RDX},
                  {"EBX", UC_X86_REG_RBX},
                  {"ESP", UC_X86_REG_RSP},
                  {"EBP", UC_X86_REG_RBP},
                  {"ESI", UC_X86_REG_RSI},
                  {"EDI", UC_X86_REG_RDI},
                  {"R8D", UC_X86_REG_R8},
                  {"R9D", UC_X86_REG_R9}},
    .stack = rsp,
    .link = -1,
    .data = data_register,
    .alignment = 1,
    .fetch_mode = 0,
    .halt = {0xF4},
    .filler = {0xCC},                                 // INT3
    .went_on = {UC_X86_REG_R13, {0x41, 0xFF, 0xE5}},  // JMP R13, R14, R15
    .branched = {UC_X86_REG_R14, {0x41, 0xFF, 0xE6}},
    .next = {UC_X86_REG_R15, {0x41, 0xFF, 0xE7}},
    .room = 6,
    .elf_machine = EM_X86_64,
};

// Of all registers and lengths.
const Description full_description = [] {
  Description d = description;
  d.name = "x86_64-full";
  d.instruction_bytes = 15;
  d.value_bytes = 16;  // as long as that of arm64-full
  d.flags_bytes = 7;   // one, and zeros to the record's end
  d.offset_bytes = 4;
  d.register_bytes = 8;
  d.repetitions = rcx;
  // JMP by 32 bits, and JMP [RIP + …]: no register is free.
  d.went_on = d.branched = {.code = {0xE9, 0, 0, 0, 0}, .by = {.bit = 8, .width = 32, .origin = 5}};
  d.next = {.code = {0xFF, 0x25, 0, 0, 0, 0}, .by = {.bit = 16, .width = 32, .origin = 6}};
  d.registers = {
      {"RAX", UC_X86_REG_RAX}, {"RCX", UC_X86_REG_RCX}, {"RDX", UC_X86_REG_RDX}, {"RBX", UC_X86_REG_RBX},
      {"RSP", UC_X86_REG_RSP}, {"RBP", UC_X86_REG_RBP}, {"RSI", UC_X86_REG_RSI}, {"RDI", UC_X86_REG_RDI},
      {"R8", UC_X86_REG_R8},   {"R9", UC_X86_REG_R9},   {"R10", UC_X86_REG_R10}, {"R11", UC_X86_REG_R11},
      {"R12", UC_X86_REG_R12}, {"R13", UC_X86_REG_R13}, {"R14", UC_X86_REG_R14}, {"R15", UC_X86_REG_R15}};
  return d;
}();

// Flags as EFLAGS has them, but OF, which the byte holds in a bit that is always 0 there.
constexpr uint32_t cf = 1 << 0, pf = 1 << 2, zf = 1 << 6, sf = 1 << 7, of = 1 << 11, always_one = 1 << 1;
constexpr int of_shift = 8;  // from bit 11 to bit 3

// Register or memory, the operand that ModRM's field rm says.
struct Operand {
  int reg = -1;  // -1: memory at the data register + index · scale + offset
  int index = -1;
  uint32_t scale = 1, offset = 0;
};

struct Instruction {
  std::array<uint8_t, 2> opcode{};  // one byte, or 0F and one
  bool operand16 = false, f3 = false;
  int field = 0;  // ModRM's field reg: a register or a digit
  Operand operand;
  int immediate_bytes = 0;
  uint32_t immediate = 0;
};

void encode(const Instruction& i, Code& code) {
  code.begin();
  const auto put = [&](uint32_t value, int bytes = 1) { code.put(value, bytes); };
  const bool in_memory = i.operand.reg < 0;
  const int base = in_memory ? data_register : i.operand.reg;
  const bool indexed = in_memory && i.operand.index >= 0;
  if (i.operand16) put(0x66);
  if (i.f3) put(0xF3);
  const int rex = (i.field > 7) << 2 | (indexed && i.operand.index > 7) << 1 | (base > 7);
  if (rex) put(0x40 | rex);
  put(i.opcode[0]);
  if (i.opcode[0] == 0x0F) put(i.opcode[1]);
  const int reg = (i.field & 7) << 3;
  if (!in_memory) {
    put(0xC0 | reg | (base & 7));
  } else {
    const int offset_bytes = i.operand.offset == 0 ? 0 : i.operand.offset < 128 ? 1 : 4;
    put((offset_bytes == 4 ? 0x80 : offset_bytes << 6) | reg | (indexed ? 4 : base & 7));
    if (indexed) put(std::countr_zero(i.operand.scale) << 6 | (i.operand.index & 7) << 3 | (base & 7));
    put(i.operand.offset, offset_bytes);
  }
  put(i.immediate, i.immediate_bytes);
}

bool fits_byte(uint32_t value) { return value + 128 < 256; }

class X86_64 final : public InstructionSet {
 public:
  explicit X86_64(bool full) : full_(full) {}
  const Description& about() const override { return full_ ? full_description : description; }
  std::span<const Operation> operations() const override {
    static const auto table = operations_of(x86_64::rows()), full_table = operations_of(x86_64::full_rows());
    return full_ ? full_table : table;
  }
  Decoded decode(std::span<const uint8_t> code) const override { return x86_64::decode(code, extent()); }
  Flow flow(std::span<const uint8_t> code) const override { return x86_64::flow(code, extent()); }
  bool breaks_engine(std::span<const uint8_t> code) const override { return x86_64::breaks_engine(code); }
  std::string why_left_out(std::string_view text, std::span<const uint8_t> code) const override {
    if (!full_ && x86_64::decode(code, x86_64::full).bytes > 0) return "x86_64-full has it";
    return x86_64::why_left_out(text);
  }
  uint8_t pack_flags(uint32_t raw) const override {
    return static_cast<uint8_t>((raw & (cf | pf | zf | sf)) | (raw & of) >> of_shift);
  }
  uint32_t unpack_flags(uint8_t flags) const override {
    return (flags & (cf | pf | zf | sf)) | (static_cast<uint32_t>(flags) << of_shift & of) | always_one;
  }

  void write(size_t operation, Use use, const Scope& scope, Code& code) const override;
  size_t write_branch(size_t operation, const Scope&, Code& code) const override {
    const Row& row = x86_64::rows()[operation];
    code.add({static_cast<uint8_t>(row.kind == Kind::jmp ? 0xEB : 0x70 | row.code), 0});
    return code.size() - 2;
  }
  size_t write_jump(Code& code) const override {
    code.add({0xEB, 0});
    return code.size() - 2;
  }
  size_t write_call(Code& code) const override {
    code.add({0xE8, 0, 0, 0, 0});
    return code.size() - 5;
  }
  void write_return(Code& code) const override { code.add({0xC3}); }
  void write_loop_begin(const Scope&, uint32_t turns, Code& code) const override {
    code.add({0x41, 0xB8 | (counter & 7), static_cast<uint8_t>(turns), 0, 0, 0});  // MOV R9D, turns
  }
  int loop_end_instructions() const override { return 2; }
  void write_loop_end(size_t top, Code& code) const override {
    encode({.opcode = {0xFF}, .field = 1, .operand = {counter}}, code);  // DEC R9D
    code.add({0x75, static_cast<uint8_t>(top - (code.size() + 2))});     // JNE top
  }

 private:
  const x86_64::Extent& extent() const { return full_ ? x86_64::full : x86_64::compact; }

  const bool full_;
};

// Draws operands.
struct Draw {
  const Scope& scope;
  Code& code;

  int target() const {
    constexpr std::array free = {rax, rcx, rdx, rbx, rbp, rdi, r8, counter};
    return free[scope.random.below(free.size() - scope.counter_in_use)];
  }
  int source() const { return static_cast<int>(scope.random.below(x86_64::registers)); }
  int byte_register() const { return static_cast<int>(scope.random.below(4)); }  // AL CL DL BL
  uint32_t number() const {
    const uint32_t value = scope.value();
    return scope.random.below(2) ? value : 0 - value;
  }
  // Data of `bytes`, at a multiple of them. Indexed where there is room for the instruction that limits the
  // index.
  Operand data(uint32_t bytes) const {
    constexpr uint32_t most_index = 64;
    if (scope.left >= 2 && scope.chance(0.2)) {
      const uint32_t count = std::min(std::bit_floor(scope.data_bytes / bytes), most_index);
      const int index = target();
      encode({.opcode = {0x83}, .field = 4, .operand = {index}, .immediate_bytes = 1, .immediate = count - 1},
             code);  // AND
      return {-1, index, bytes, scope.random.below(scope.data_bytes / bytes - count + 1) * bytes};
    }
    return {-1, -1, 1, scope.random.below(scope.data_bytes / bytes) * bytes};
  }
  Operand operand(bool in_memory) const { return in_memory ? data(4) : Operand{source()}; }
  Operand changed(bool in_memory) const { return in_memory ? data(4) : Operand{target()}; }
};

void X86_64::write(size_t operation, Use use, const Scope& scope, Code& code) const {
  const Row& row = x86_64::rows()[operation];
  const Draw draw{scope, code};
  const bool in_memory = use == memory;
  const auto below = [&](uint32_t bound) { return scope.random.below(bound); };
  const auto opcode = [](int byte) { return std::array{static_cast<uint8_t>(byte), uint8_t{0}}; };
  const auto after_0f = [](int byte) { return std::array{uint8_t{0x0F}, static_cast<uint8_t>(byte)}; };
  switch (row.kind) {
    case Kind::alu: {
      const bool compares = row.code == 7;
      const uint32_t form = below(3);
      if (form == 0) {  // by a number
        uint32_t number = draw.number();
        if (in_memory) number = static_cast<uint32_t>(static_cast<int8_t>(number));
        const int bytes = fits_byte(number) ? 1 : 4;
        const auto operand = compares ? draw.operand(in_memory) : draw.changed(in_memory);
        return encode({opcode(bytes == 1 ? 0x83 : 0x81), false, false, row.code, operand, bytes, number},
                      code);
      }
      if (form == 1 && in_memory) {  // to a register
        const int target = compares ? draw.source() : draw.target();
        return encode({.opcode = opcode(row.code * 8 + 3), .field = target, .operand = draw.data(4)}, code);
      }
      const auto operand = compares ? draw.operand(in_memory) : draw.changed(in_memory);
      return encode({.opcode = opcode(row.code * 8 + 1), .field = draw.source(), .operand = operand}, code);
    }
    case Kind::test:
      return encode({.opcode = opcode(0x85), .field = draw.source(), .operand = draw.operand(in_memory)},
                    code);
    case Kind::mov: {
      if (!in_memory) {
        const int target = draw.target();
        if (below(2))
          return encode({.opcode = opcode(0x89), .field = draw.source(), .operand = {target}}, code);
        return encode({opcode(0xC7), false, false, 0, {target}, 4, draw.number()}, code);
      }
      switch (below(6)) {
        case 0:
          return encode({.opcode = opcode(0x88), .field = draw.byte_register(), .operand = draw.data(1)},
                        code);
        case 1:
          return encode({opcode(0x89), true, false, draw.source(), draw.data(2)}, code);
        case 2:
        case 3:
          return encode({.opcode = opcode(0x89), .field = draw.source(), .operand = draw.data(4)}, code);
        default: {
          const auto operand = draw.data(4);
          return encode({.opcode = opcode(0x8B), .field = draw.target(), .operand = operand}, code);
        }
      }
    }
    case Kind::extend: {
      const bool from16 = below(2);
      const auto operand = in_memory ? draw.data(from16 ? 2 : 1)
                           : from16  ? Operand{draw.source()}
                                     : Operand{draw.byte_register()};
      return encode({.opcode = after_0f(row.code + from16), .field = draw.target(), .operand = operand},
                    code);
    }
    case Kind::lea: {
      const Operand address{-1, below(2) ? static_cast<int>(below(4)) : -1, 1u << below(4), below(128)};
      return encode({.opcode = opcode(0x8D), .field = draw.target(), .operand = address}, code);
    }
    case Kind::xchg:
      return encode({.opcode = opcode(0x87), .field = draw.target(), .operand = {draw.target()}}, code);
    case Kind::bswap: {
      const int target = draw.target();
      if (target > 7) return code.add({0x41, 0x0F, static_cast<uint8_t>(0xC8 | (target & 7))});
      return code.add({0x0F, static_cast<uint8_t>(0xC8 | target)});
    }
    case Kind::step:
      return encode({.opcode = opcode(0xFF), .field = row.code, .operand = draw.changed(in_memory)}, code);
    case Kind::unary:
      return encode({.opcode = opcode(0xF7), .field = row.code, .operand = draw.changed(in_memory)}, code);
    case Kind::multiply: {
      const uint32_t form = row.code == 5 ? below(3) : 0;  // IMUL also with two and three operands
      const auto operand = draw.operand(in_memory);
      if (form == 0) return encode({.opcode = opcode(0xF7), .field = row.code, .operand = operand}, code);
      if (form == 1)
        return encode({.opcode = after_0f(0xAF), .field = draw.target(), .operand = operand}, code);
      return encode({opcode(0x6B), false, false, draw.target(), operand, 1, draw.number() & 0xFF}, code);
    }
    case Kind::divide: {
      if (scope.left < 2) return code.add({0x90});
      // The dividend's high half is prepared, so that most quotients are in range.
      if (row.code == 6) {
        code.add({0x31, 0xD2});  // XOR EDX, EDX
      } else {
        code.add({0x99});  // CDQ
      }
      constexpr std::array divisors = {rcx, rbx, rbp, rdi, r8};
      const Operand operand =
          in_memory ? Draw{{scope.random, 1, scope.counter_in_use, scope.data_bytes}, code}.data(4)
                    : Operand{divisors[below(divisors.size())]};
      return encode({.opcode = opcode(0xF7), .field = row.code, .operand = operand}, code);
    }
    case Kind::shift: {
      const uint32_t form = below(3);
      const auto operand = draw.changed(in_memory);
      if (form == 0) return encode({opcode(0xC1), false, false, row.code, operand, 1, 1 + below(31)}, code);
      const bool by_cl = form == 2 && !(in_memory && row.code >= 4);  // what the machine includes
      return encode({.opcode = opcode(by_cl ? 0xD3 : 0xD1), .field = row.code, .operand = operand}, code);
    }
    case Kind::double_shift: {
      const Operand operand{draw.target()};
      if (below(2))
        return encode({after_0f(row.code), false, false, draw.source(), operand, 1, 1 + below(31)}, code);
      return encode({.opcode = after_0f(row.code + 1), .field = draw.source(), .operand = operand}, code);
    }
    case Kind::bit_scan: {
      const auto operand = draw.operand(in_memory);
      return encode({.opcode = after_0f(row.code), .field = draw.target(), .operand = operand}, code);
    }
    case Kind::count_zeros: {
      auto operand = draw.operand(in_memory);
      // With the prefixes, an index and an offset of 32 bits it would be a byte longer than records hold.
      if (operand.index >= 0) operand.offset %= 128;
      return encode({after_0f(row.code), false, true, draw.target(), operand}, code);
    }
    case Kind::exchange: {
      const auto operand = draw.changed(in_memory);
      return encode({.opcode = after_0f(row.code), .field = draw.target(), .operand = operand}, code);
    }
    case Kind::setcc: {
      const auto operand = in_memory ? draw.data(1) : Operand{draw.byte_register()};
      return encode({.opcode = after_0f(0x90 | row.code), .operand = operand}, code);
    }
    case Kind::cmov: {
      const auto operand = draw.operand(in_memory);
      return encode({.opcode = after_0f(0x40 | row.code), .field = draw.target(), .operand = operand}, code);
    }
    case Kind::simple:
      return code.add({row.code});
    case Kind::push: {
      if (scope.left < 2) return code.add({0x90});
      code.add({static_cast<uint8_t>(0x50 | below(8))});  // what is pushed is popped at once
      const int target = draw.target();
      return code.add({static_cast<uint8_t>(0x58 | (target > 7 ? rax : target))});
    }
    case Kind::given:
    case Kind::jcc:
    case Kind::jmp:
    case Kind::call:
      break;
  }
  BYTECPU_CHECK(!"an operation that is not written so");
}

}  // namespace

std::unique_ptr<native::InstructionSet> make_x86_64_instructions(bool full) {
  return std::make_unique<X86_64>(full);
}

std::unique_ptr<Machine> make_x86_64(int memory_bytes) {
  return native::make_machine(make_x86_64_instructions(false), memory_bytes);
}

std::unique_ptr<Machine> make_x86_64_full(int memory_bytes) {
  return native::make_machine(make_x86_64_instructions(true), memory_bytes);
}

}  // namespace bytecpu
