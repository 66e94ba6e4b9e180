#include "model/compute/cpu/processor.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdio>
#include <cstdlib>

namespace bytecpu::cpu {
namespace {

struct Named {
  unsigned bit;
  const char* name;
};
constexpr Named names[] = {
    {sse4_2, "SSE4.2"},
    {avx, "AVX"},
    {avx2, "AVX2"},
    {fma, "FMA"},
    {bmi2, "BMI2"},
    {avx512f, "AVX-512 F"},
    {avx512bw, "AVX-512 BW"},
    {avx512dq, "AVX-512 DQ"},
    {avx512vl, "AVX-512 VL"},
    {avx512vbmi, "AVX-512 VBMI"},
    {avx512vnni, "AVX-512 VNNI"},
    {avx512bf16, "AVX-512 BF16"},
    {avx512fp16, "AVX-512 FP16"},
};

#if defined(__x86_64__)
// Not every compiler whose kernels may have it knows its name in __builtin_cpu_supports().
bool has_fp16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
         (edx >> 23 & 1) != 0;
}
#endif

}  // namespace

unsigned instruction_sets_here() {
  unsigned there = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) there |= sse4_2;
  if (__builtin_cpu_supports("avx")) there |= avx;
  if (__builtin_cpu_supports("avx2")) there |= avx2;
  if (__builtin_cpu_supports("fma")) there |= fma;
  if (__builtin_cpu_supports("bmi2")) there |= bmi2;
  if (__builtin_cpu_supports("avx512f")) there |= avx512f;
  if (__builtin_cpu_supports("avx512bw")) there |= avx512bw;
  if (__builtin_cpu_supports("avx512dq")) there |= avx512dq;
  if (__builtin_cpu_supports("avx512vl")) there |= avx512vl;
  if (__builtin_cpu_supports("avx512vbmi")) there |= avx512vbmi;
  if (__builtin_cpu_supports("avx512vnni")) there |= avx512vnni;
  if (__builtin_cpu_supports("avx512bf16")) there |= avx512bf16;
  if (has_fp16()) there |= avx512fp16;
#endif
  return there;
}

const char* missing_instruction_set(unsigned needed, unsigned there) {
  for (const auto& [bit, name] : names) {
    if ((needed & bit) && !(there & bit)) return name;
  }
  return nullptr;
}

}  // namespace bytecpu::cpu

// In C, and before the constructors of C++: what those and the C++ library's templates are compiled to may be
// the kernels'. The linker takes it along by this name.
extern "C" __attribute__((constructor(101))) void bytecpu_check_processor() {
  using namespace bytecpu::cpu;
  const char* missing = missing_instruction_set(compiled_for, instruction_sets_here());
  if (!missing) return;
  std::fprintf(
      stderr,
      "bytecpu: this program was built for a processor with %s, which this one has not: configure and "
      "build it again here, or for both with -DBYTECPU_ARCH=x86-64-v3 (x86-64: for any)\n",
      missing);
  std::_Exit(1);
}
