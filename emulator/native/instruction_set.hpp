// What a native machine's folder says of its processor: registers, the instructions it includes, how random
// programs are written with them. NativeMachine does the rest: running, recording, program structure, text.
#pragma once

#include <unicorn/unicorn.h>

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/native/code.hpp"
#include "emulator/native/disassembler.hpp"

namespace bytecpu::native {

// A jump of the instruction pool's: to where a register leads, one that no instruction included reads or writes, or by a
// displacement.
struct Jump {
  int id = 0;  // Unicorn's, of the register
  std::vector<uint8_t> code;
  Displacement by = {};
};

// A register as records show it.
struct Register {
  const char* name;
  int id;  // Unicorn's, of the whole register; records hold its low register_bytes
};

struct Description {
  std::string_view name;
  uc_arch engine;
  uc_mode engine_mode;
  int engine_model;  // of the processor: UC_CPU_…
  cs_arch disassembler;
  cs_mode disassembler_mode;
  Rewrite rewrite = nullptr;

  // Lengths of the fields INSN, WRITE_VALUE and flags. The flags are in the first byte of their field, the rest is
  // zero. Of a longer instruction, INSN holds the first bytes.
  int instruction_bytes, value_bytes, flags_bytes;
  // Lengths of the fields PC and ACCESS_OFFSET, both offsets in the memory image, and of a register: 2 and 4, or
  // 4 and 8 in the full layout.
  int offset_bytes = 2, register_bytes = 4;
  int pc_id;
  const char* flags_name;
  std::vector<std::string> flag_bits;  // of the byte that records hold, lowest first
  int flags_id;
  std::vector<Register> registers;
  // Indices in registers, or -1: what counts the repetitions of one instruction; the stack pointer; the link
  // register, without which calls push their return address.
  int repetitions = -1;
  int stack, link;
  // Of the registers: what holds the address of the data in random programs.
  int data;

  int alignment;                // of instructions
  uint64_t fetch_mode;          // added to the address where a run begins (Thumb's bit 0)
  std::vector<uint8_t> halt;    // the instruction that ends a program
  std::vector<uint8_t> filler;  // what is illegal and lies behind a given program, as long as the alignment
  // Between instructions that run one by one; no code where they cannot. The displacement of `next` is that of the
  // place in memory which holds where it leads.
  Jump went_on, branched, next;
  int room;              // code bytes that each instruction of a random program may take
  uint16_t elf_machine;  // EM_…; 0: no functions out of ELF objects

  // The layout that holds all of the processor's general registers.
  bool full() const { return register_bytes == 8; }
  bool has_pool() const { return !next.code.empty(); }
};

// How random programs use an operation.
enum Use : uint8_t { plain = 1, memory = 2, branch = 4, call = 8 };

// A row of the table of included mnemonics, as Capstone names them.
struct Operation {
  std::string_view mnemonic, group;
  uint8_t uses = 0;  // of Use; 0: runs in given programs, is not drawn in random ones
};

// The instruction at the head of some bytes.
struct Decoded {
  int bytes = 0;  // 0: not one that the machine includes
  bool halts = false;
  uint64_t shape = 0;  // equal for instructions that differ in immediates alone
  // Whether it does the same at any address, but for where the displacement leads: it is no call, no return
  // and reads no program counter.
  bool anywhere = false;
  Displacement displacement = {};
  // Whether it runs as often as a register says, and is fetched again each time.
  bool repeats = false;
};

// Where an instruction goes on, and the address that it holds, if any. Asked for when a program is loaded.
struct Flow {
  bool goes_on = true;  // perhaps, with the instruction after it: no jump without a condition, no return
  // What it reads or writes, or makes the address of: bytes from its start where `relative`, else an address.
  std::optional<int64_t> refers_to = {};
  bool relative = true;
  // Why a given program is not to have it: what the engine does otherwise than the processor, though not
  // where random programs use it. Empty: it is all right.
  std::string_view wrong = {};
};

class InstructionSet {
 public:
  virtual ~InstructionSet() = default;

  virtual const Description& about() const = 0;
  virtual std::span<const Operation> operations() const = 0;

  // `code` ends where the code does. Exact in what it accepts: no instruction that reads or writes a register
  // which records do not hold, and none that reads or writes memory in two places which do not lie one after the
  // other.
  virtual Decoded decode(std::span<const uint8_t> code) const = 0;

  // Of the instruction at the head of `code`: any that is included, and others that hold an address.
  virtual Flow flow(std::span<const uint8_t> code) const = 0;

  // Of the instruction at the head of `code`, which is included: the registers that it may write, a bit for each of
  // Description::registers, the first the lowest. More than it writes do no harm.
  virtual uint32_t may_write(std::span<const uint8_t> /*code*/) const { return ~uint32_t{0}; }

  // Whether Unicorn must not even translate the instruction at the head of `code`, which is not one included:
  // it ends the process at some that no processor knows either.
  virtual bool breaks_engine(std::span<const uint8_t> /*code*/) const { return false; }

  // Why the instruction at the head of `code`, which is not included, is left out, and what to do so that it is not
  // there; empty: there is no more to say than that. `text`: as Capstone writes it.
  virtual std::string why_left_out(std::string_view /*text*/, std::span<const uint8_t> /*code*/) const {
    return {};
  }

  // The byte that records hold, from the flags register and back.
  virtual uint8_t pack_flags(uint32_t raw) const = 0;
  virtual uint32_t unpack_flags(uint8_t flags) const = 0;

  // Writes one instruction of operations()[operation], or several where it needs its operands prepared; at
  // most `scope.left` of them, which is at least 1.
  virtual void write(size_t operation, Use use, const Scope& scope, Code& code) const = 0;
  // A branch with a condition, or without, its displacement 0, with what prepares its operand, at most `scope.left`
  // instructions; returns where it is.
  virtual size_t write_branch(size_t operation, const Scope& scope, Code& code) const = 0;
  // A branch that is always taken, its displacement 0; returns where it is.
  virtual size_t write_jump(Code& code) const = 0;
  // Only where an operation has the use `call`.
  virtual size_t write_call(Code& /*code*/) const { throw std::logic_error("no calls here"); }
  virtual void write_return(Code& /*code*/) const { throw std::logic_error("no calls here"); }
  // A loop of `turns`: one instruction that sets the counter; loop_end_instructions() that count down and
  // branch to `top`.
  virtual void write_loop_begin(const Scope& scope, uint32_t turns, Code& code) const = 0;
  virtual int loop_end_instructions() const = 0;
  virtual void write_loop_end(size_t top, Code& code) const = 0;
};

}  // namespace bytecpu::native
