#include "emulator/x86_64/encoding.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace bytecpu::x86_64 {
namespace {

// What follows an opcode, and which prefixes it may have.
enum Form : uint16_t {
  none = 0,            // not included
  plain = 1 << 0,      // nothing but the immediate
  modrm = 1 << 1,      // register and register or memory
  digit = 1 << 2,      // register or memory; the other field selects the operation: see `digits`
  in_opcode = 1 << 3,  // a register in the low three bits of the opcode
  only_register = 1 << 4,
  only_memory = 1 << 5,
  imm8 = 1 << 6,
  imm32 = 1 << 7,         // 16 bits with an operand-size prefix
  imm64 = 1 << 8,         // as imm32; 64 bits with REX.W
  word = 1 << 9,          // the operand-size prefix is allowed
  wide = 1 << 10,         // REX.W is allowed
  always_wide = 1 << 11,  // only with REX.W
  repeat = 1 << 12,       // with the prefix F3 it is another instruction
  test_imm = 1 << 13,     // has its immediate only if the digit is 0 (TEST)
  imm16 = 1 << 14,
  string = 1 << 15,  // REP is allowed, and REPNE before what compares
};

struct Encoding {
  uint16_t form = none;
  uint8_t digits = 0xFF;  // bit d: /d is included
};

using Table = std::array<Encoding, 256>;

constexpr Table one_byte = [] {
  Table t;
  constexpr uint16_t any = word | wide;
  for (int op = 0x00; op < 0x40; op += 8) {  // ADD OR ADC SBB AND SUB XOR CMP
    t[op] = t[op + 2] = {modrm};
    t[op + 1] = t[op + 3] = {modrm | any};
    t[op + 4] = {plain | imm8};
    t[op + 5] = {plain | imm32 | any};
  }
  for (int r = 0; r < 8; ++r) {
    t[0x50 + r] = t[0x58 + r] = {in_opcode};      // PUSH, POP
    if (r > 0) t[0x90 + r] = {in_opcode | wide};  // XCHG EAX
    t[0xB0 + r] = {in_opcode | imm8};             // MOV
    t[0xB8 + r] = {in_opcode | imm64 | any};      // MOV, MOVABS
  }
  t[0x63] = {modrm | always_wide};  // MOVSXD
  t[0x68] = {plain | imm32};        // PUSH
  t[0x6A] = {plain | imm8};
  t[0x69] = {modrm | imm32 | any};  // IMUL
  t[0x6B] = {modrm | imm8 | any};
  for (int cc = 0; cc < 16; ++cc) t[0x70 + cc] = {plain | imm8};  // Jcc
  t[0x80] = {digit | imm8};
  t[0x81] = {digit | imm32 | any};
  t[0x83] = {digit | imm8 | any};
  t[0x84] = {modrm};  // TEST
  t[0x85] = {modrm | any};
  t[0x86] = {modrm | only_register};  // XCHG
  t[0x87] = {modrm | only_register | any};
  t[0x88] = t[0x8A] = {modrm};  // MOV
  t[0x89] = t[0x8B] = {modrm | any};
  t[0x8D] = {modrm | only_memory | wide};  // LEA
  t[0x90] = {plain | word};                // NOP
  t[0x98] = t[0x99] = {plain | any};       // CWDE, CDQ and their other widths
  t[0xA8] = {plain | imm8};                // TEST
  t[0xA9] = {plain | imm32 | any};
  t[0xC0] = {digit | imm8, 0xBF};  // ROL ROR RCL RCR SHL SHR SAR
  t[0xC1] = {digit | imm8 | any, 0xBF};
  t[0xD0] = t[0xD2] = {digit, 0xBF};
  t[0xD1] = t[0xD3] = {digit | any, 0xBF};
  t[0xC3] = {plain};               // RET
  t[0xC6] = {digit | imm8, 0x01};  // MOV
  t[0xC7] = {digit | imm32 | any, 0x01};
  t[0xC9] = {plain};                    // LEAVE
  t[0xE8] = t[0xE9] = {plain | imm32};  // CALL, JMP
  t[0xEB] = {plain | imm8};
  t[0xF4] = {plain};                          // HLT
  t[0xF5] = t[0xF8] = t[0xF9] = {plain};      // CMC CLC STC
  t[0xF6] = {digit | imm8 | test_imm, 0xFD};  // TEST NOT NEG MUL IMUL DIV IDIV
  t[0xF7] = {digit | imm32 | test_imm | any, 0xFD};
  t[0xFE] = {digit, 0x03};  // INC DEC
  t[0xFF] = {digit | any, 0x03};
  return t;
}();

constexpr Table two_bytes = [] {  // after 0F
  Table t;
  constexpr uint16_t any = word | wide;
  t[0x1F] = {digit | only_memory | any, 0x01};  // NOP
  for (int cc = 0; cc < 16; ++cc) {
    t[0x40 + cc] = {modrm | any};    // CMOVcc
    t[0x80 + cc] = {plain | imm32};  // Jcc
    t[0x90 + cc] = {digit, 0x01};    // SETcc
  }
  t[0xA3] = t[0xAB] = t[0xB3] = t[0xBB] = {modrm | only_register | any};  // BT BTS BTR BTC
  t[0xBA] = {digit | imm8 | any, 0xF0};
  t[0xA4] = t[0xAC] = {modrm | only_register | imm8 | wide};  // SHLD, SHRD
  t[0xA5] = t[0xAD] = {modrm | only_register | wide};
  t[0xAF] = {modrm | any};      // IMUL
  t[0xB0] = t[0xC0] = {modrm};  // CMPXCHG, XADD
  t[0xB1] = t[0xC1] = {modrm | any};
  t[0xB6] = t[0xBE] = {modrm | any};  // MOVZX, MOVSX
  t[0xB7] = t[0xBF] = {modrm | wide};
  t[0xBC] = t[0xBD] = {modrm | repeat | any};                    // BSF, BSR; TZCNT, LZCNT
  for (int r = 0; r < 8; ++r) t[0xC8 + r] = {in_opcode | wide};  // BSWAP
  return t;
}();

// What the full layout has besides.
constexpr Table one_byte_full = [] {
  Table t = one_byte;
  constexpr uint16_t any = word | wide;
  t[0x8F] = {digit, 0x01};                                       // POP
  t[0xFF].digits = 0x57;                                         // INC DEC CALL JMP PUSH
  t[0xC2] = {plain | imm16};                                     // RET
  t[0xC3] = {plain | repeat};                                    // RET with a REP that means nothing
  for (int op = 0xE0; op <= 0xE3; ++op) t[op] = {plain | imm8};  // LOOPNE LOOPE LOOP JRCXZ
  t[0xFC] = {plain};                                             // CLD
  for (const int op : {0xA4, 0xA6, 0xAA, 0xAC, 0xAE}) {          // MOVS CMPS STOS LODS SCAS
    t[op] = {plain | string};
    t[op + 1] = {plain | string | any};
  }
  return t;
}();

constexpr Table two_bytes_full = [] {
  Table t = two_bytes;
  t[0x1F].form &= static_cast<uint16_t>(~only_memory);  // NOP
  return t;
}();

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> code) : code_(code) {}
  // 0 past the end; then the instruction is not whole.
  uint8_t next() { return at_ < code_.size() ? code_[at_++] : (++at_, 0); }
  uint8_t peek() const { return at_ < code_.size() ? code_[at_] : 0; }
  void skip(size_t bytes) { at_ += bytes; }
  size_t at() const { return at_; }
  bool whole(size_t most) const { return at_ <= code_.size() && at_ <= most; }

 private:
  std::span<const uint8_t> code_;
  size_t at_ = 0;
};

Encoding encoding_of(bool two, uint8_t opcode, const Extent& extent) {
  if (extent.full) return (two ? two_bytes_full : one_byte_full)[opcode];
  return (two ? two_bytes : one_byte)[opcode];
}

// Prefixes and opcode.
struct Head {
  bool operand16 = false, f3 = false, f2 = false, notrack = false;
  uint8_t rex = 0;
  bool two = false;  // after 0F
  uint8_t opcode = 0;
};

Head read_head(Reader& reader, const Extent& extent) {
  Head head;
  for (;; reader.skip(1)) {
    if (reader.peek() == 0x66 && !head.operand16) {
      head.operand16 = true;
    } else if (reader.peek() == 0xF3 && !head.f3) {
      head.f3 = true;
    } else if (extent.full && reader.peek() == 0xF2 && !head.f2 && !head.f3) {
      head.f2 = true;
    } else if (extent.full && reader.peek() == 0x3E && !head.notrack) {
      head.notrack = true;
    } else {
      break;
    }
  }
  if ((reader.peek() & 0xF0) == 0x40) head.rex = reader.next();
  head.opcode = reader.next();
  head.two = head.opcode == 0x0F;
  if (head.two) head.opcode = reader.next();
  return head;
}

// Length of a NOP as assemblers pad with it, prefixes of no meaning before it: 66 … 90, or 66 … 2E 0F 1F of
// memory. 0 for anything else.
int padding_bytes(std::span<const uint8_t> code) {
  Reader reader(code);
  while (reader.peek() == 0x66) reader.skip(1);
  if (reader.peek() == 0x2E) reader.skip(1);
  const uint8_t opcode = reader.next();
  if (opcode == 0x0F) {
    if (reader.next() != 0x1F) return 0;
    const uint8_t fields = reader.next();
    const int mod = fields >> 6, digit = fields >> 3 & 7, rm = fields & 7;
    if (mod == 3 || digit != 0) return 0;
    const int base = rm == 4 ? reader.next() & 7 : rm;
    reader.skip(mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0);
  } else if (opcode != 0x90) {
    return 0;
  }
  return reader.at() <= std::min(code.size(), longest_padding) ? static_cast<int>(reader.at()) : 0;
}

}  // namespace

native::Decoded decode(std::span<const uint8_t> code, const Extent& extent) {
  constexpr std::array<uint8_t, 4> endbr64 = {0xF3, 0x0F, 0x1E, 0xFA};
  if (code.size() >= 4 && std::equal(endbr64.begin(), endbr64.end(), code.begin()))
    return {.bytes = 4, .shape = 0xFA1E0FF3, .anywhere = true};

  if (!code.empty() && (code[0] == 0x66 || code[0] == 0x2E)) {
    if (const int bytes = padding_bytes(code)) {
      return {.bytes = bytes, .shape = 0x1F0F662E, .anywhere = true};
    }
  }

  Reader reader(code);
  const auto [operand16, f3, f2, notrack, rex, two, opcode] = read_head(reader, extent);
  const bool w = rex & 8;
  const auto [form, digits] = encoding_of(two, opcode, extent);
  const bool compares = (opcode & 0xF6) == 0xA6;  // of strings
  if ((f2 && !(form & string && compares)) || (notrack && (two || opcode != 0xFF))) return {};
  if (form == none || (operand16 && (w || !(form & word))) || (w && !(form & (wide | always_wide))) ||
      (!w && form & always_wide) || (f3 && !(form & (repeat | string)))) {
    return {};
  }

  uint64_t shape = opcode | two << 8 | operand16 << 9 | f3 << 10 | f2 << 11 | notrack << 12 |
                   static_cast<uint64_t>(rex) << 16;
  bool immediate = true, reads_pc = false, goes_by_operand = false;
  const bool repeats = (form & string) && (f2 || f3);
  const auto included = [&](int number) { return number < extent.registers; };
  if (form & in_opcode) {
    if (!included((opcode & 7) | (rex & 1) << 3)) return {};
  } else if (form & (modrm | digit)) {
    const uint8_t fields = reader.next();
    const int mod = fields >> 6, reg = fields >> 3 & 7, rm = fields & 7;
    shape |= static_cast<uint64_t>(fields) << 24;
    if (form & digit) {
      if (!(digits >> reg & 1) || rex & 4) return {};  // REX.R means nothing here; Unicorn may refuse it
      if (form & test_imm) immediate = reg == 0;
      // CALL, JMP, PUSH: of 64 bits, and NOTRACK before the first two alone.
      if (!two && opcode == 0xFF && reg >= 2 && (operand16 || w)) return {};
      goes_by_operand = !two && opcode == 0xFF && (reg == 2 || reg == 4);  // CALL, JMP
      if (notrack && !goes_by_operand) return {};
    } else if (!included(reg | (rex & 4) << 1)) {
      return {};
    }
    // Unicorn gets CF and OF wrong where SHL, SHR, SAR shift memory by CL.
    const bool by_cl = !two && (opcode == 0xD2 || opcode == 0xD3);
    if (mod != 3 && by_cl && reg >= 4) return {};
    if (mod == 3) {
      if (form & only_memory || !included(rm | (rex & 1) << 3)) return {};
    } else {
      if (form & only_register) return {};
      int base = rm;
      bool has_base = true;
      if (rm == 4) {
        const uint8_t sib = reader.next();
        shape |= static_cast<uint64_t>(sib) << 32;
        base = sib & 7;
        const int index = (sib >> 3 & 7) | (rex & 2) << 2;
        if (index != 4 && !included(index)) return {};  // 4: no index
        has_base = base != 5 || mod != 0;
      } else {
        has_base = rm != 5 || mod != 0;
        reads_pc = !has_base;
      }
      if (has_base && !included(base | (rex & 1) << 3)) return {};
      reader.skip(mod == 1 ? 1 : mod == 2 || !has_base ? 4 : 0);
    }
  } else if (form & plain && opcode == 0x90 && rex & 1) {
    return {};  // XCHG R8, RAX
  }
  if (immediate) {
    if (form & imm8) reader.skip(1);
    if (form & imm16) reader.skip(2);
    if (form & imm64 && w) reader.skip(8);
    if (form & imm32 || (form & imm64 && !w)) reader.skip(operand16 ? 2 : 4);
  }
  // CMPXCHG of 32 bits: see flow().
  if (extent.full && two && opcode == 0xB1 && !w && !operand16) return {};
  if (!reader.whole(extent.most_bytes)) return {};
  const auto bytes = static_cast<uint8_t>(reader.at());
  const bool call = !two && opcode == 0xE8, ret = !two && (opcode == 0xC2 || opcode == 0xC3);
  const bool near = two ? (opcode & 0xF0) == 0x80 : call || opcode == 0xE9;  // by 32 bits
  const bool counts = extent.full && (opcode & 0xFC) == 0xE0;
  const bool is_short = !two && ((opcode & 0xF0) == 0x70 || opcode == 0xEB || counts);  // by 8
  const uint8_t width = near ? 32 : is_short ? 8 : 0;
  return {.bytes = bytes,
          .halts = !two && opcode == 0xF4,
          .shape = shape,
          .anywhere = !call && !ret && !goes_by_operand && !reads_pc && !repeats,
          .displacement = {.bit = static_cast<uint8_t>(8 * bytes - width), .width = width, .origin = bytes},
          .repeats = repeats};
}

native::Flow flow(std::span<const uint8_t> code, const Extent& extent) {
  const int bytes = decode(code, extent).bytes;
  if (bytes == 0 || padding_bytes(code)) return {};
  Reader reader(code);
  const Head head = read_head(reader, extent);
  native::Flow flow;
  const bool returns = head.opcode == 0xC3 || head.opcode == 0xC2,
             jumps = head.opcode == 0xE9 || head.opcode == 0xEB ||
                     (head.opcode == 0xFF && (reader.peek() >> 3 & 7) == 4);
  flow.goes_on = head.two || (!returns && !jumps);
  // CMPXCHG of 32 bits: where the accumulator is equal, Unicorn clears its upper half.
  if (head.two && head.opcode == 0xB1 && !(head.rex & 8) && !head.operand16) {
    flow.wrong = "the upper half of RAX after it is not the processor's";
  }
  const auto form = encoding_of(head.two, head.opcode, extent).form;
  if (!(form & (modrm | digit))) return flow;
  const uint8_t fields = reader.next();
  const int mod = fields >> 6, rm = fields & 7;
  bool has_base = mod != 0 || rm != 5;
  flow.relative = !has_base;
  if (rm == 4 && mod != 3) has_base = (reader.next() & 7) != 5 || mod != 0;
  if (mod == 2 || (mod == 0 && !has_base)) {  // a displacement of 32 bits
    int32_t displacement = 0;
    std::memcpy(&displacement, &code[reader.at()], sizeof displacement);
    flow.refers_to = displacement + (flow.relative ? bytes : 0);
  }
  return flow;
}

std::string why_left_out(std::string_view text) {
  const auto mnemonic = text.substr(0, text.find(' '));
  const auto has = [&](std::string_view part) { return text.find(part) != text.npos; };
  const auto is = [&](std::initializer_list<std::string_view> those) {
    return std::ranges::find(those, mnemonic) != those.end();
  };
  // Instructions of the x87 are the only ones that begin with F.
  if (has("xmm") || has("ymm") || has("zmm") || has(" mm") || has("st(") || mnemonic.starts_with('f')) {
    return "floating point and vectors are left out; compile with -mgeneral-regs-only, or -fno-tree-vectorize";
  }
  if (has("fs:") || has("gs:")) {
    return "thread-local data is left out; compile with -fno-stack-protector, and without thread-local variables";
  }
  if (mnemonic == "lock" || (mnemonic == "xchg" && has("["))) return "atomic access to memory is left out";
  if (is({"syscall", "sysenter", "int", "int1"})) return "there is no operating system here";
  if (is({"ud2", "int3"})) return "the program stops itself, as abort and what cannot be reached do";
  if (mnemonic == "popcnt") return "Unicorn 2.0.1 does not know it; compile with -mno-popcnt";
  if (is({"shl", "shr", "sar", "shld", "shrd"}) && has("[")) {
    return "Unicorn 2.0.1 gets its flags wrong; compile with -O1 or above, or shift a variable of its own";
  }
  if (mnemonic == "cmpxchg") return "Unicorn 2.0.1 gets the upper half of RAX wrong";
  if (is({"in", "out", "insb", "outsb", "insd", "outsd", "cli", "sti", "iretq", "cpuid", "rdtsc", "rdtscp",
          "rdrand", "rdseed"})) {
    return "it is not a function of registers and memory";
  }
  return {};
}

bool breaks_engine(std::span<const uint8_t> code) {
  constexpr std::array<uint8_t, 10> prefixes = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF2, 0xF3};
  const auto is_prefix = [&](uint8_t byte) {
    return (byte & 0xF0) == 0x40 || std::ranges::find(prefixes, byte) != prefixes.end();
  };
  const auto opcode = std::ranges::find_if_not(code, is_prefix);
  if (opcode == code.end()) return false;
  if (*opcode == 0xF0) return true;
  const auto fields = opcode + 1;
  if (*opcode != 0xFF || fields == code.end()) return false;
  const int digit = *fields >> 3 & 7;
  return *fields >> 6 == 3 && (digit == 3 || digit == 5);
}

}  // namespace bytecpu::x86_64
