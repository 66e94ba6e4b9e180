// Just enough of CUDA's C++ for the kernels of model/compute/cuda to run on the CPU, so that they are tested where
// there is no GPU. A block's threads take turns: each runs to its next synchronisation, the last thread
// first, and none goes on before all are there. All threads of a block must come through the same
// synchronisations, or end.
#pragma once

#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __device__
#define __global__ inline
#define __shared__ static

namespace cuda_on_cpu {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  Dim3 index;
  bool ended = false;
  uint64_t shown = 0;  // to the other threads of the warp
};

// Of the thread that runs.
inline Dim3 block_index, block_size;
inline std::vector<Thread> threads;
inline size_t current = 0;
inline ucontext_t scheduler;
inline std::function<void()> kernel;

inline void synchronize() { swapcontext(&threads[current].context, &scheduler); }

inline void begin_thread() {
  kernel();
  threads[current].ended = true;
}

// kernel<<<blocks, block>>>.
inline void launch(unsigned blocks, Dim3 block, std::function<void()> body) {
  kernel = std::move(body);
  block_size = block;
  constexpr size_t stack_bytes = 1 << 16;
  for (block_index = {0, 0, 0}; block_index.x < blocks; ++block_index.x) {
    threads.clear();
    threads.resize(block.x * block.y);
    for (size_t i = 0; i < threads.size(); ++i) {
      auto& t = threads[i];
      t.index = {static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x), 0};
      t.stack = std::make_unique<char[]>(stack_bytes);
      getcontext(&t.context);
      t.context.uc_stack = {.ss_sp = t.stack.get(), .ss_flags = 0, .ss_size = stack_bytes};
      t.context.uc_link = &scheduler;
      makecontext(&t.context, begin_thread, 0);
    }
    for (bool any = true; any;) {
      any = false;
      for (current = threads.size(); current-- > 0;) {
        if (threads[current].ended) continue;
        any = true;
        swapcontext(&scheduler, &threads[current].context);
      }
    }
  }
}

template <typename T>
T shuffle_xor(T value, int mask) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  std::memcpy(&threads[current].shown, &value, sizeof(T));
  synchronize();
  T other;
  std::memcpy(&other, &threads[current ^ static_cast<size_t>(mask)].shown, sizeof(T));
  synchronize();
  return other;
}

}  // namespace cuda_on_cpu

#define threadIdx (cuda_on_cpu::threads[cuda_on_cpu::current].index)
#define blockIdx (cuda_on_cpu::block_index)
#define blockDim (cuda_on_cpu::block_size)
#define __syncwarp() cuda_on_cpu::synchronize()
#define __shfl_xor_sync(lanes, value, mask) cuda_on_cpu::shuffle_xor(value, mask)

inline float rsqrtf(float x) { return 1 / std::sqrt(x); }

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

// Every thread of a warp holds the whole matrix; the last one stores it.
namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major };

template <typename Use, int M, int N, int K, typename T, typename Order = row_major>
struct fragment {
  static_assert(M == 16 && N == 16 && K == 16);
  float x[16][16];
};

template <typename Use, typename T, typename Order>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Order>& f, const T* from, unsigned row) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) {
      f.x[i][j] = __bfloat162float(std::is_same_v<Order, row_major> ? from[i * row + j] : from[j * row + i]);
    }
  }
}

template <typename F>
void fill_fragment(F& f, float value) {
  for (auto& r : f.x) {
    for (float& x : r) x = value;
  }
}

template <typename A, typename B, typename C>
void mma_sync(C& d, const A& a, const B& b, const C& c) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) {
      float sum = c.x[i][j];
      for (int k = 0; k < 16; ++k) sum += a.x[i][k] * b.x[k][j];
      d.x[i][j] = sum;
    }
  }
}

template <typename F>
void store_matrix_sync(float* to, const F& f, unsigned row, layout_t) {
  if (threadIdx.x != 0) return;  // the last to have its turn: who reads without synchronising reads too early
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) to[i * row + j] = f.x[i][j];
  }
}

}  // namespace nvcuda::wmma
