// What the machines have in common whose instruction set Unicorn executes itself.
//
// Memory image: code, then data, half each; 256 … 4096 bytes in all, a multiple of 32. In the guest the code
// is at code_address and the data at data_address, whatever the length, so that pointers look alike.
// Record: PC, INSN; ACCESS_OFFSET, READ_SIZE, WRITE_SIZE, WRITE_VALUE; the registers' low 32 bits; flags.
// A step fetches an instruction, writes the record, then executes. So PC is the offset of the instruction that is
// fetched, INSN holds its bytes, registers and flags are those before it, and the access (an offset in the memory
// image; all zero where there is none) is the one of the instruction before. Where that one reads and writes in
// different places, the offset is the write's. The record of the instruction that halts, is not included or
// faults is the trace's last one.
// State 0 is given, nothing is fetched yet: PC is where the first instruction is, INSN and the access are zero.
// State 1 has fetched it: the same PC, the same registers.
#pragma once

#include <memory>

#include "emulator/machine.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

inline constexpr uint64_t code_address = 0x10000, data_address = 0x11000;

// The full layout: all general registers, 64 bits each; 4 KB … 16 MB of memory, a multiple of 4 KB, in regions that
// Layout::regions names: three eighths code, one eighth read-only data, three eighths data, one eighth stack. Code and
// read-only data are at full_code_address, where linkers put programs; data and stack follow, on a page of 4 KB of
// their own. Code is what is fetched from, code and read-only data are not written.
inline constexpr uint64_t full_code_address = 0x400000;

// memory_bytes as above; otherwise throws Error.
std::unique_ptr<Machine> make_machine(std::unique_ptr<InstructionSet> set, int memory_bytes);

}  // namespace bytecpu::native
