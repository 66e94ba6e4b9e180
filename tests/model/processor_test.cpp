#include "model/compute/cpu/processor.hpp"

#include <gtest/gtest.h>

namespace bytecpu::cpu {
namespace {

TEST(Processor, HasWhatTheKernelsWereCompiledFor) {
  EXPECT_EQ(missing_instruction_set(compiled_for, instruction_sets_here()), nullptr);
}

TEST(Processor, OneWithoutAnInstructionSetThatIsNeededIsToldItsName) {
  EXPECT_STREQ(missing_instruction_set(avx2 | fma | avx512f, avx2 | fma), "AVX-512 F");
  EXPECT_STREQ(missing_instruction_set(avx2 | fma, 0), "AVX2");
  EXPECT_STREQ(missing_instruction_set(avx512bf16 | avx512fp16, avx512bf16), "AVX-512 FP16");
  EXPECT_EQ(missing_instruction_set(avx2, avx2 | avx512f), nullptr);
  EXPECT_EQ(missing_instruction_set(0, 0), nullptr);
}

}  // namespace
}  // namespace bytecpu::cpu
