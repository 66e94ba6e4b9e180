// The table of the instructions that arm64 includes, and how random programs write them.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/native/instruction_set.hpp"

namespace bytecpu::arm64 {

// How an operation is written; `code` in its row is the instruction with its operands zero.
enum class Kind : uint8_t {
  given,     // in given programs only
  add_sub,   // the shifted form; a number: 06000000 more
  logic,     // the shifted form; a number: 08000000 more
  three,     // registers d, n, m
  two,       // registers d, n
  multiply,  // registers d, n, m, a
  move_wide,
  shift,      // by a register; by a number: as UBFM, SBFM, EXTR
  bit_field,  // SBFM, BFM, UBFM of a field to the right (the aliases …BFX, BFXIL)
  insert,     // the same of a field to the left (…BFIZ, BFI)
  extend,     // SBFM, UBFM of 8 or 16 bits from bit 0
  extract,
  select,
  compare_select,  // CCMP, CCMN
  access,          // scaled offset
  unscaled,
  pair,
  b,
  b_cond,
  compare_branch,
  test_branch,
  call,
  nop,
};

// Operands that an alias fixes: to zero, or to be the same.
enum Alias : uint8_t { none = 0, no_d = 1, no_n = 2, no_m = 4, no_a = 8, same = 16 };

struct Row {
  native::Operation operation;
  Kind kind;
  uint32_t code = 0;
  uint8_t alias = none;
};

// As Capstone names them; in the order of the machine's operations.
const std::vector<Row>& rows();
// The same, and what the full layout has besides.
const std::vector<Row>& full_rows();

}  // namespace bytecpu::arm64
