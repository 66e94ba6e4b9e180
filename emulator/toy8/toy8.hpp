// The paper's CPU (arXiv 2402.19155): 8-bit, accumulator and ten registers, saturating arithmetic, no jumps.
//
// Record, 16 bytes: PC in instructions; ACC; IR as fetched (OP, ADDR1, ADDR2, ADDR3); registers A … J.
// A step fetches (IR ← the instruction at PC; PC ← min(PC + 1, last)), writes the record, then executes. So
// the record of HLT, and of an illegal instruction, is the trace's last one. A first PC outside of the memory
// is a memory_fault without a record. Without a limit on steps, a trace ends (step_limit) after as
// many steps as there are instructions in memory: without HLT, PC would stay at the last instruction for ever.
#pragma once

#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu {

// memory_bytes: 64 … 1024, a multiple of 16; otherwise throws Error.
std::unique_ptr<Machine> make_toy8(int memory_bytes);

}  // namespace bytecpu
