// A record as words of at most 32 bits, as the family "fields" sees it. Known from the layout alone: the fields,
// their order and widths.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "emulator/layout.hpp"

namespace bytecpu {

inline constexpr int64_t word_bytes = 4;

struct Word {
  int offset = 0, bytes = 0;  // in the record
  // Which of the fields in a row that are as wide its field is, from 0; 0 where it stands alone. So a register's
  // number is the one that instructions name it by.
  int number = 0;
  // Which word of its field it is.
  int part = 0;
};

struct WordLayout {
  // Fields in order; a field of more than 4 bytes is several words.
  std::vector<Word> words;
  // Of fields of more than 4 bytes, the 4 bytes from each byte on where no word begins: what an instruction of
  // any length holds can be read from there.
  std::vector<Word> windows;
  // Words that say what the instruction is and under what conditions it runs: those of INSN and of fields of at
  // most 2 bytes.
  std::vector<int64_t> selecting;

  // Words of INSN, and its bits.
  std::vector<int64_t> instruction;
  int64_t instruction_bits = 0;

  // The words of the longest row of fields as wide as each other behind the instruction's: the registers. By field, then
  // by part.
  std::vector<int64_t> registers;
  int64_t register_parts = 1;

  // Hidden words, which are in no record: each is thought of before this word, and can be read from there on.
  // One comes before the first whole word behind the instruction's, whatever its place in the record.
  std::vector<int64_t> hidden;

  explicit WordLayout(const Layout& layout);
  int64_t count() const { return std::ssize(words); }
  // Bool [W + H, W + H] of words and hidden ones: whether one can read another one of the next record, or a hidden one.
  torch::Tensor sees() const;

  // Numbers 0 … 31, distances and ends of bit fields, are adjacent bits of the instruction.
  static constexpr int64_t number_bits = 5;
  // How many it holds, and, of bits_of(), I8 [N, 32, 2 · numbers]: 1 at each number, then at what turns as far to the left.
  int64_t numbers() const { return std::max<int64_t>(0, instruction_bits - number_bits + 1); }
  torch::Tensor numbers_of(const torch::Tensor& bits) const;

  // Registers that the instruction may name: those whose numbers adjacent bits of it are, as many as number all
  // registers, or one fewer, as Thumb names half of them. In an instruction of several words the highest bit may
  // stand anywhere (x86-64 has it in a prefix): one fewer, and it is either. From each of its first bits on, as many as opcodes take.
  static constexpr int64_t naming_bits = 48;
  // In how many places one may be named, and, of bits_of(), the numbers there, I64 [N, places]; where no register has it,
  // as many as there are.
  int64_t naming_places() const;
  torch::Tensor names_of(const torch::Tensor& bits) const;
  // The words of registers that are so named, of bits_of() and names_of(): I8 [N, places · parts, 32]; 0 as a number where
  // there is none.
  torch::Tensor named_words(const torch::Tensor& bits, const torch::Tensor& names) const;
  int64_t register_count() const { return std::ssize(registers) / register_parts; }

 private:
  // Numbers of words, and the registers.
  void find_rows(const Layout& layout);
  // I64 [N, places]: what the `width` bits from each of the first bits of the instruction on are as a number.
  torch::Tensor fields_of_instruction(const torch::Tensor& bits, int64_t most, int64_t width) const;
  struct Naming {
    int64_t bits, added;  // the number is that of so many bits, and so much more
  };
  std::vector<Naming> namings() const;
};

// The eight bits of each byte, as -1 and 1: I8 [..., 8] of U8 [...].
torch::Tensor bits_of_bytes(const torch::Tensor& bytes);

// Bits as -1 and 1, 0 past the words' ends: I8 [N, words, 32], of records U8 [N, bytes].
torch::Tensor bits_of(const std::vector<Word>& words, const torch::Tensor& records);

// For mix_words(): I8 [N, 8, bytes + behind], of images U8 [N, bytes]; 0 behind them.
torch::Tensor planes_of(const torch::Tensor& images, int64_t behind);

}  // namespace bytecpu
