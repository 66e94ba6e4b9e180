// How instructions of arm64 are written where Capstone's releases differ: by the names in the table, with all
// their operands. Capstone 4 writes "movz w0, #0x1" and "bfi w0, wzr, #3, #2", Capstone 5 "mov w0, #1" and "bfc w0,
// #3, #2"; and the other way round "hint #0x7" and "xpaclri".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "emulator/native/disassembler.hpp"

namespace bytecpu::arm64 {

// Why an instruction that is not included is left out, as Capstone writes it, and what to compile with instead; empty: there is
// no more to say.
std::string why_left_out(std::string_view text);

void rewrite(std::span<const uint8_t> instruction, native::InstructionText& text);

}  // namespace bytecpu::arm64
