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
  // Which field of its row it is, from 0; a row is of fields next to each other and as wide, and ends behind WRITE_VALUE. For
  // most registers it is the number that instructions name it by (not for LR and SP of arm64).
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

  // Of an instruction of several words every byte is also at hand as a number with sign, since where its offsets and operands stand
  // depends on what is before them. How many.
  int64_t signed_bytes() const { return instruction.size() > 1 ? instruction_bits / 8 : 0; }

  // The words of the longest row behind the instruction, whose fields are the registers. By field, then by part.
  std::vector<int64_t> registers;
  int64_t register_parts = 1;
  int64_t register_count() const { return std::ssize(registers) / register_parts; }

  // The words that say where the memory is accessed, and how many bytes are read; -1 where no record says so.
  int64_t access_offset = -1, read_size = -1;

  // Hidden words, which are in no record: each is thought of before this word, and can be read from there on.
  // One comes before the first whole word behind the instruction's, whatever its place in the record.
  std::vector<int64_t> hidden;

  explicit WordLayout(const Layout& layout);
  int64_t count() const { return std::ssize(words); }
  // What a head chooses among are sources: the words of the record, of the next one, derived ones, hidden ones, in this order.
  // Derived ones follow from the record: windows, bytes of the instruction, registers that it names, zero. They are
  // I8 [N, derived(), 32], of records U8 [N, bytes], bits_of() them, and names_of() these.
  int64_t sources() const { return 2 * count() + derived() + std::ssize(hidden); }
  int64_t derived() const { return first_named() + naming_places() * register_parts + 1; }
  torch::Tensor derived_words(const torch::Tensor& records, const torch::Tensor& bits,
                              const torch::Tensor& names) const;
  // Which register each source is, by its place in the record or by name, I64 [N, sources] of bits_of(), where registers are of one
  // word: register_count() where it is none, or one of the next record.
  torch::Tensor registers_of_sources(const torch::Tensor& bits) const;
  // F32 [W + H, sources]: -1e9 where a word, or a hidden one, cannot read a source, else 0.
  torch::Tensor unseen_sources() const;

  // Numbers 0 … 31, distances and ends of bit fields, are adjacent bits of the instruction.
  static constexpr int64_t number_bits = 5;
  // How many it holds, and, of bits_of(), I8 [N, 32, 2 · numbers]: 1 at each number, then at what turns as far to the left.
  int64_t numbers() const { return std::max<int64_t>(0, instruction_bits - number_bits + 1); }
  torch::Tensor numbers_of(const torch::Tensor& bits) const;

  // An instruction names registers by number, in places that are not known. In each place a few adjacent bits, as many as number
  // all registers or one fewer, are read as a number. In an instruction of several words the highest bit of it may stand
  // elsewhere (x86-64 has it in a prefix): there one fewer is read, without and with that bit.
  // Only the first 48 bits are looked at: prefixes, opcode, ModRM and SIB of x86-64.
  static constexpr int64_t named_within_bits = 48;
  struct Naming {
    int64_t bits, added;  // the number is what so many bits say, and so much more
  };
  std::vector<Naming> namings;
  // How many places and ways to read them there are, and the numbers, I64 [N, places], of bits_of(): register_count() where
  // no register has that number. There may be no places.
  int64_t naming_places() const;
  torch::Tensor names_of(const torch::Tensor& bits) const;

 private:
  // Derived words before the named registers.
  int64_t first_named() const { return std::ssize(windows) + signed_bytes(); }
  // The words of the registers with these numbers: I8 [N, places · parts, 32]; 0 where there is none.
  torch::Tensor named_words(const torch::Tensor& bits, const torch::Tensor& names) const;
  torch::Tensor signed_bytes_of(const torch::Tensor& bits) const;
  // Bool [W + H, W + H] of words and hidden ones: whether one can read another one of the next record, or a hidden one.
  torch::Tensor sees() const;
  // Sets the words' numbers, `registers` and `namings`.
  void find_rows(const Layout& layout);
  void find_namings();
  // I64 [N, places]: what `width` bits from each bit on, all of the instruction's first `within` bits, are as a number.
  torch::Tensor fields_of_instruction(const torch::Tensor& bits, int64_t within, int64_t width) const;
};

// The eight bits of each byte, as -1 and 1: I8 [..., 8] of U8 [...].
torch::Tensor bits_of_bytes(const torch::Tensor& bytes);

// Bits as -1 and 1, 0 past the words' ends: I8 [N, words, 32], of records U8 [N, bytes].
torch::Tensor bits_of(const std::vector<Word>& words, const torch::Tensor& records);

// For mix_words(): I8 [N, 8, bytes + behind], of images U8 [N, bytes]; 0 behind them.
torch::Tensor planes_of(const torch::Tensor& images, int64_t behind);

}  // namespace bytecpu
