// toy8's instructions: the one table behind assembler, disassembler, random programs and the firmware's
// decoder. It is plain C, like the firmware; firmware.c has what an instruction does. Encoding: 4 bytes, opcode
// and three operands. Registers are 1 … 10 for A … J; 0 means "no operand", so the zeros tell the number of
// operands. Operands beyond those that an instruction takes are ignored.
#pragma once

#include <stdint.h>

enum toy8_opcode {
  TOY8_HLT,
  TOY8_CLR,
  TOY8_INC,
  TOY8_DEC,
  TOY8_SHL,
  TOY8_SHR,
  TOY8_ROL,
  TOY8_ROR,
  TOY8_NOT,
  TOY8_PUSH,
  TOY8_POP,
  TOY8_LOADI,
  TOY8_SWAP,
  TOY8_ADD,
  TOY8_SUB,
  TOY8_MUL,
  TOY8_DIV,
  TOY8_AND,
  TOY8_OR,
  TOY8_XOR,
  TOY8_MOV,
  TOY8_OPCODES
};

enum {
  TOY8_REGISTERS = 10,
  TOY8_RECORD_BYTES = 16,
  TOY8_INSTRUCTION_BYTES = 4,
  TOY8_LARGEST_MEMORY = 1024,  // PC, one byte, counts instructions
  // Offsets in a record.
  TOY8_PC = 0,
  TOY8_ACC = 1,
  TOY8_IR = 2,
  TOY8_A = 6
};

struct toy8_instruction {
  char mnemonic[6];
  uint8_t fewest, most;  // register operands; every number between is a form of its own
  uint8_t number;        // 1: the first operand is a number 0 … 255, not a register
};

// By opcode.
static const struct toy8_instruction toy8_instructions[TOY8_OPCODES] = {
    {"HLT", 0, 0, 0},    // stop
    {"CLR", 0, 1, 0},    // x ← 0, x being ACC or R
    {"INC", 0, 1, 0},    // x ← sat(x + 1)
    {"DEC", 0, 1, 0},    // x ← sat(x − 1)
    {"SHL", 0, 1, 0},    // x ← x << 1
    {"SHR", 0, 1, 0},    // x ← x >> 1
    {"ROL", 0, 1, 0},    // x rotated left by one
    {"ROR", 0, 1, 0},    // x rotated right by one
    {"NOT", 0, 1, 0},    // x ← ~x
    {"PUSH", 1, 1, 0},   // ACC ← R
    {"POP", 1, 1, 0},    // R ← ACC
    {"LOADI", 0, 0, 1},  // ACC ← n
    {"SWAP", 1, 2, 0},   // ACC ↔ R; R ↔ S
    {"ADD", 1, 3, 0},    // ACC ← sat(ACC + R); R ← sat(R + S); T ← sat(R + S); the others likewise
    {"SUB", 1, 3, 0},   {"MUL", 1, 3, 0}, {"DIV", 1, 3, 0},                    // x / 0 is 255
    {"AND", 1, 3, 0},   {"OR", 1, 3, 0},  {"XOR", 1, 3, 0}, {"MOV", 2, 2, 0},  // R ← S
};

// Register operands of an instruction, or -1 if it is illegal: an opcode over 20, a register over 10, or an
// operand missing.
static inline int toy8_operands(const uint8_t* code) {
  if (code[0] >= TOY8_OPCODES) return -1;
  const struct toy8_instruction* instruction = &toy8_instructions[code[0]];
  int count = 0;
  while (count < instruction->most && code[1 + count] != 0) {
    if (code[1 + count] > TOY8_REGISTERS) return -1;
    ++count;
  }
  return count < instruction->fewest ? -1 : count;
}
