// Numbers of float and bf16 in the CPU's kernels. Only for sources that are compiled for the processor at hand.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "model/compute/cpu/kernels.hpp"

namespace bytecpu::cpu {

inline float load(float x) { return x; }
inline float load(Bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline void store(float x, float& to) { to = x; }
inline void store(float x, Bf16& to) {  // to nearest, ties to even
  const auto bits = std::bit_cast<uint32_t>(x);
  to.bits = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x for x <= 0 within 2 units in the last place: 2^n · polynomial, coefficients of Cephes' expf.
inline float exp_negative(float x) {
  x = std::max(x, -87.0F);
  const float n = std::floor(x * 1.44269504F + 0.5F);
  const float r = x - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

}  // namespace bytecpu::cpu
