// Whether the processor has the instructions that the kernels were compiled with. Where it has not, a program says
// so in one line and ends, before main: the first of them would end it with "Illegal instruction".
#pragma once

namespace bytecpu::cpu {

// Bits, of the instruction sets that BYTECPU_ARCH tends to bring. A processor that has these has what comes with
// them.
enum InstructionSet : unsigned {
  sse4_2 = 1 << 0,
  avx = 1 << 1,
  avx2 = 1 << 2,
  fma = 1 << 3,
  bmi2 = 1 << 4,
  avx512f = 1 << 5,
  avx512bw = 1 << 6,
  avx512dq = 1 << 7,
  avx512vl = 1 << 8,
  avx512vbmi = 1 << 9,
  avx512vnni = 1 << 10,
  avx512bf16 = 1 << 11,
  avx512fp16 = 1 << 12,
};

// Those that the compiler may have used in the kernels.
extern const unsigned compiled_for;
// Those that this processor, and its operating system, have.
unsigned instruction_sets_here();
// The name of one that is needed and not there; null where all are.
const char* missing_instruction_set(unsigned needed, unsigned there);

}  // namespace bytecpu::cpu
