// The table of the instructions that x86_64 includes, and how random programs write them.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::x86_64 {

// How an operation is written; `code` in its row is an opcode, a digit or a condition, as said here.
enum class Kind : uint8_t {
  given,  // in given programs only
  alu,    // digit of opcode 81
  test,
  mov,
  extend,  // opcode of the form from 8 bits, after 0F; 16 bits: the one after it
  lea,
  xchg,
  bswap,
  step,          // digit of FF: INC, DEC
  unary,         // digit of F7
  multiply,      // digit of F7
  divide,        // digit of F7
  shift,         // digit of C1
  double_shift,  // opcode by a number, after 0F; by CL: the one after it
  bit_scan,      // opcode after 0F
  count_zeros,   // opcode after F3 0F
  exchange,      // opcode after 0F: XADD, CMPXCHG
  setcc,         // condition
  cmov,          // condition
  simple,        // the whole opcode
  push,
  jcc,  // condition
  jmp,
  call,
};

struct Row {
  native::Operation operation;
  Kind kind;
  uint8_t code = 0;
};

// As Capstone names them; in the order of the machine's operations.
const std::vector<Row>& rows();
// The same, and what the full layout has besides.
const std::vector<Row>& full_rows();

}  // namespace bytecpu::x86_64
