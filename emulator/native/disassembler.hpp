// Capstone: the text of instructions.
#pragma once

#include <capstone/capstone.h>

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace bytecpu::native {

struct InstructionText {
  int bytes;
  std::string mnemonic, operands;
};
std::string to_string(const InstructionText& text);

// Writes an instruction as its machine does, where Capstone's releases write it in different ways.
using Rewrite = void (*)(std::span<const uint8_t> instruction, InstructionText& text);

class Disassembler {
 public:
  Disassembler(cs_arch arch, cs_mode mode, Rewrite rewrite = nullptr);
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;
  ~Disassembler();

  // The instruction at the head of `code`; nothing where there is none.
  std::optional<InstructionText> decode(std::span<const uint8_t> code, uint64_t address) const;
  // Kinds of operands: r register, m memory, n number, c another word, with its number where it has one
  // ("lsl n"): "r, r, n".
  std::string kinds(std::string_view operands) const;

 private:
  void forget_conditions() const;

  csh handle_ = 0;
  const bool thumb_;
  const Rewrite rewrite_;
  cs_insn* instruction_ = nullptr;
  std::set<std::string, std::less<>> registers_;
};

}  // namespace bytecpu::native
