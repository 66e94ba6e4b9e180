// Data alone: this is compiled as the kernels are, and read on any processor.
#include "model/compute/cpu/processor.hpp"

namespace bytecpu::cpu {

constinit const unsigned compiled_for = 0
#ifdef __SSE4_2__
                                        | sse4_2
#endif
#ifdef __AVX__
                                        | avx
#endif
#ifdef __AVX2__
                                        | avx2
#endif
#ifdef __FMA__
                                        | fma
#endif
#ifdef __BMI2__
                                        | bmi2
#endif
#ifdef __AVX512F__
                                        | avx512f
#endif
#ifdef __AVX512BW__
                                        | avx512bw
#endif
#ifdef __AVX512DQ__
                                        | avx512dq
#endif
#ifdef __AVX512VL__
                                        | avx512vl
#endif
#ifdef __AVX512VBMI__
                                        | avx512vbmi
#endif
#ifdef __AVX512VNNI__
                                        | avx512vnni
#endif
#ifdef __AVX512BF16__
                                        | avx512bf16
#endif
#ifdef __AVX512FP16__
                                        | avx512fp16
#endif
    ;

}  // namespace bytecpu::cpu
