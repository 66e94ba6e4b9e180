// What the machines have in common whose instruction set Unicorn executes itself.
//
// Memory image: code, then data, half each; 256 … 4096 bytes in all, a multiple of 32. In the guest the code
// is at code_address and the data at data_address, whatever the length, so that pointers look alike.
// Record: PC, INSN, FLAGS, the registers' low 32 bits, and WRITE_OFFSET, WRITE_SIZE, WRITE_VALUE.
// A step fetches the instruction at PC, writes the record, then executes. So PC is where the next instruction
// is fetched unless this one branches, INSN is not executed yet, the registers are those before it, and the
// write (an offset in the memory image; all zero where there is none) is the one of the instruction before.
// The record of the instruction that halts, is not included or faults is the trace's last one.
#pragma once

#include <memory>

#include "emulator/machine.hpp"
#include "emulator/native/instruction_set.hpp"

namespace bytecpu::native {

inline constexpr uint64_t code_address = 0x10000, data_address = 0x11000;

// memory_bytes as above; otherwise throws Error.
std::unique_ptr<Machine> make_machine(std::unique_ptr<InstructionSet> set, int memory_bytes);

}  // namespace bytecpu::native
