// What Capstone says of a machine's code: which instructions are included, and the text of programs and records.
#pragma once

#include <array>
#include <optional>
#include <unordered_set>

#include "emulator/machine.hpp"
#include "emulator/native/disassembler.hpp"
#include "emulator/native/instruction_set.hpp"
#include "emulator/native/record.hpp"

namespace bytecpu::native {

class Listing {
 public:
  // Both must outlive it.
  Listing(const InstructionSet& set, const Layout& layout);

  // The operations that random programs draw.
  std::span<const std::string_view> drawn() const { return drawn_; }
  const Disassembler& disassembler() const { return disassembler_; }
  // Whether Capstone calls an instruction as the machine's table does, or did so with another one of this
  // shape (Decoded::shape).
  bool includes(std::span<const uint8_t> instruction, uint64_t shape);

  // As of Machine.
  Instruction describe(std::span<const uint8_t> record) const;
  std::string disassemble(std::span<const uint8_t> image) const;
  std::optional<size_t> instruction_line(std::span<const uint8_t> image,
                                         std::span<const uint8_t> record) const;

 private:
  struct Line {
    size_t at, bytes;
    std::string text;
  };

  // The operation of an instruction that the machine includes; null where it does not.
  const Operation* find_operation(std::string_view mnemonic) const;
  // The instruction at the head of `code`; nothing where the machine includes none.
  std::optional<InstructionText> decode_included(std::span<const uint8_t> code, uint64_t address) const;
  // The bytes of the instruction in a record, and zeros: Capstone's longest.
  std::array<uint8_t, 16> instruction_of(std::span<const uint8_t> record) const;
  // Of an instruction that a record does not hold all of, so that its operands are not known.
  std::string text_of_longer(const InstructionText& text) const;
  // Why an instruction stops a program: text for one that is not included.
  std::string text_of_refused(std::span<const uint8_t> bytes, uint64_t address) const;
  // Of the code in an image, how much is listed in full: the halting instructions at its end count as one,
  // what lies behind a given program not at all.
  size_t listed_bytes(std::span<const uint8_t> image) const;
  std::vector<Line> lines(std::span<const uint8_t> image) const;

  const InstructionSet& set_;
  const Description& about_;
  const Layout& layout_;
  const Places at_;
  const size_t code_bytes_;
  std::vector<std::string_view> drawn_;
  // By mnemonic.
  std::vector<const Operation*> operations_;
  Disassembler disassembler_;
  // Of instructions that Capstone has been asked about.
  std::unordered_set<uint64_t> shapes_;
};

}  // namespace bytecpu::native
