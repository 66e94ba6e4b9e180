// Launches of the kernels: how many blocks of how many threads.
#include <cuda_bf16.h>
#include <mma.h>

#include <type_traits>

#include "model/compute/cuda/attention.cuh"
#include "model/compute/cuda/class_loss.cuh"
#include "model/compute/cuda/kernels.hpp"
#include "model/compute/cuda/layer_norm.cuh"
#include "model/compute/cuda/mlp.cuh"

namespace bytecpu::cuda {
namespace {

const __nv_bfloat16* in(const Bf16* p) { return reinterpret_cast<const __nv_bfloat16*>(p); }
__nv_bfloat16* in(Bf16* p) { return reinterpret_cast<__nv_bfloat16*>(p); }
cudaStream_t on(void* stream) { return static_cast<cudaStream_t>(stream); }

unsigned blocks(int64_t work, int64_t a_block) {
  return static_cast<unsigned>((work + a_block - 1) / a_block);
}

constexpr int rows_a_block = 8, threads = 256;
const dim3 row_block(device::warp, rows_a_block), head_block(device::warp, device::heads_a_block);

// Calls run with the number of eights that a lane holds of a row, as a type's value.
template <typename Run>
void for_width(int64_t width, Run run) {
  switch ((width + 8 * device::warp - 1) / (8 * device::warp)) {
    case 1:
      return run(std::integral_constant<int, 1>());
    case 2:
      return run(std::integral_constant<int, 2>());
    case 3:
      return run(std::integral_constant<int, 3>());
    default:
      return run(std::integral_constant<int, 4>());
  }
}

}  // namespace

void layer_norm(const Bf16* x, Bf16* y, float* inverse, int64_t rows, int64_t width, void* stream) {
  for_width(width, [&](auto chunks) {
    device::layer_norm<chunks.value><<<blocks(rows, rows_a_block), row_block, 0, on(stream)>>>(
        in(x), in(y), inverse, rows, static_cast<int>(width));
  });
}

void layer_norm_backward(const Bf16* dy, const Bf16* y, const float* inverse, const Bf16* add, Bf16* dx,
                         int64_t rows, int64_t width, void* stream) {
  for_width(width, [&](auto chunks) {
    device::layer_norm_backward<chunks.value><<<blocks(rows, rows_a_block), row_block, 0, on(stream)>>>(
        in(dy), in(y), inverse, in(add), in(dx), rows, static_cast<int>(width));
  });
}

void relu_squared(const Bf16* x, Bf16* y, int64_t count, void* stream) {
  device::relu_squared<<<blocks(count / 8, threads), threads, 0, on(stream)>>>(in(x), in(y), count / 8);
}

void relu_squared_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t count, void* stream) {
  device::relu_squared_backward<<<blocks(count / 8, threads), threads, 0, on(stream)>>>(in(x), in(dy), in(dx),
                                                                                        count / 8);
}

void short_attention(const Bf16* qkv, Bf16* out, int64_t rows, int heads, int size, bool causal,
                     void* stream) {
  const auto kernel = size == 32 ? device::short_attention<32> : device::short_attention<64>;
  kernel<<<blocks(rows * heads, device::heads_a_block), head_block, 0, on(stream)>>>(
      in(qkv), in(out), rows * heads, heads, causal);
}

void short_attention_backward(const Bf16* qkv, const Bf16* dout, Bf16* dqkv, int64_t rows, int heads,
                              int size, bool causal, void* stream) {
  const auto kernel =
      size == 32 ? device::short_attention_backward<32> : device::short_attention_backward<64>;
  kernel<<<blocks(rows * heads, device::heads_a_block), head_block, 0, on(stream)>>>(
      in(qkv), in(dout), in(dqkv), rows * heads, heads, causal);
}

void cross_entropy(const Bf16* logits, const int64_t* targets, float* nats, int64_t* best, Bf16* gradient,
                   int64_t rows, int64_t classes, int64_t stride, void* stream) {
  device::cross_entropy<<<blocks(rows, rows_a_block), row_block, 0, on(stream)>>>(
      in(logits), targets, nats, best, in(gradient), rows, static_cast<int>(classes), stride);
}

}  // namespace bytecpu::cuda
