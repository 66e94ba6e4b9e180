// toy8's assembly language. A line holds one instruction, or nothing; `;` and `#` begin a comment; case does
// not matter.
//   MNEMONIC [operand ...]   operands are registers A … J, for LOADI a number 0 … 255, decimal or 0x…
//   .byte a b c d            four bytes, for what no instruction's text stands for
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bytecpu::toy8 {

// Memory image of the program, zero (HLT) after its end. Throws Error "name:line:column: message".
std::vector<uint8_t> assemble(std::string_view text, std::string_view name, size_t memory_bytes);

// Text that assembles to the same image; of the HLTs at its end only the first is written.
std::string disassemble(std::span<const uint8_t> image);

// Text and form of one instruction, 4 bytes, as the machine reads it: "ADD A B C", "ADD R R R"; "LOADI 30",
// "LOADI n";
// "???" where it is illegal.
std::string instruction_text(std::span<const uint8_t> code);
std::string instruction_form(std::span<const uint8_t> code);

}  // namespace bytecpu::toy8
