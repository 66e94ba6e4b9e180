// The CUDA kernels' own source, run on the CPU, against LibTorch in double.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/cuda_on_cpu.hpp"
//
#include "model/compute/cuda/attention.cuh"
#include "model/compute/cuda/class_loss.cuh"
#include "model/compute/cuda/layer_norm.cuh"
#include "model/compute/cuda/mlp.cuh"

namespace bytecpu {
namespace {

namespace device = cuda::device;
using cuda_on_cpu::launch;
using torch::Tensor;

constexpr double tolerance = 2e-2;  // of the greatest magnitude; bf16 has 8 bits

Tensor random(c10::IntArrayRef shape) { return torch::randn(shape).to(torch::kBFloat16); }
Tensor wide(const Tensor& x) { return x.detach().to(torch::kDouble); }
__nv_bfloat16* numbers(const Tensor& x) { return static_cast<__nv_bfloat16*>(x.data_ptr()); }

void expect_close(const Tensor& fast, const Tensor& plain, const char* what) {
  const double difference = (wide(fast) - plain).abs().max().item<double>();
  EXPECT_LT(difference, tolerance * plain.abs().max().item<double>()) << what;
}

class CudaKernels : public testing::Test {
 protected:
  CudaKernels() { torch::manual_seed(1); }
};

TEST_F(CudaKernels, LayerNormAndItsGradientEqualThePlainOnes) {
  for (const int64_t width : {8, 128, 256, 520, 768}) {
    constexpr int64_t rows = 11;
    const auto x = random({rows, width}) * 3 + 1, dy = random({rows, width}), add = random({rows, width});
    auto y = torch::empty_like(x), dx = torch::empty_like(x), inverse = torch::empty({rows});
    launch(2, {32, 8}, [&] {
      device::layer_norm<4>(numbers(x), numbers(y), inverse.data_ptr<float>(), rows, static_cast<int>(width));
    });
    launch(2, {32, 8}, [&] {
      device::layer_norm_backward<4>(numbers(dy), numbers(y), inverse.data_ptr<float>(), numbers(add),
                                     numbers(dx), rows, static_cast<int>(width));
    });
    const auto leaf = wide(x).requires_grad_();
    const auto plain = torch::layer_norm(leaf, {width});
    plain.backward(wide(dy));
    expect_close(y, plain.detach(), "output");
    expect_close(dx, leaf.grad() + wide(add), "gradient");
  }
}

TEST_F(CudaKernels, SquaredRectifierAndItsGradientEqualThePlainOnes) {
  const auto x = random({5, 24}), dy = random({5, 24});
  auto y = torch::empty_like(x), dx = torch::empty_like(x);
  launch(2, {8}, [&] { device::relu_squared(numbers(x), numbers(y), 15); });
  launch(2, {8}, [&] { device::relu_squared_backward(numbers(x), numbers(dy), numbers(dx), 15); });
  expect_close(y, wide(x).relu().square(), "output");
  expect_close(dx, 2 * wide(x).relu() * wide(dy), "gradient");
}

template <int Size>
void expect_attention(bool causal) {
  constexpr int64_t rows = 3, heads = 3, width = heads * Size;
  const auto qkv = random({rows, 16, 3 * width}), dout = random({rows, 16, width});
  auto out = torch::full_like(dout, NAN), dqkv = torch::full_like(qkv, NAN);
  launch(3, {32, device::heads_a_block},
         [&] { device::short_attention<Size>(numbers(qkv), numbers(out), rows * heads, heads, causal); });
  launch(3, {32, device::heads_a_block}, [&] {
    device::short_attention_backward<Size>(numbers(qkv), numbers(dout), numbers(dqkv), rows * heads, heads,
                                           causal);
  });
  const auto leaf = wide(qkv).requires_grad_();
  const auto parts = leaf.view({rows, 16, 3, heads, Size}).permute({2, 0, 3, 1, 4});
  auto scores = torch::matmul(parts[0], parts[1].transpose(2, 3)) / std::sqrt(1.0 * Size);
  if (causal) scores = scores + torch::full({16, 16}, -1e9, torch::kDouble).triu(1);
  const auto plain = torch::matmul(scores.softmax(-1), parts[2]).transpose(1, 2).reshape({rows, 16, width});
  plain.backward(wide(dout));
  expect_close(out, plain.detach(), "output");
  expect_close(dqkv, leaf.grad(), "gradient");
}

TEST_F(CudaKernels, ShortAttentionAndItsGradientEqualThePlainOnes) {
  for (const bool causal : {false, true}) {
    expect_attention<32>(causal);
    expect_attention<64>(causal);
  }
}

TEST_F(CudaKernels, CrossEntropyAndItsGradientEqualThePlainOnes) {
  constexpr int64_t rows = 19, classes = 257, stride = 264;
  const auto logits = random({rows, stride}) * 4;
  logits[7].slice(0, 0, classes) = 1;  // of equal ones the first is best
  const auto targets = torch::randint(0, classes, {rows}, torch::kLong);
  auto nats = torch::empty({rows}), gradient = torch::full_like(logits, NAN);
  auto best = torch::empty({rows}, torch::kLong);
  launch(3, {32, 8}, [&] {
    device::cross_entropy(numbers(logits), targets.data_ptr<int64_t>(), nats.data_ptr<float>(),
                          best.data_ptr<int64_t>(), numbers(gradient), rows, classes, stride);
  });
  const auto leaf = wide(logits.slice(1, 0, classes)).contiguous().requires_grad_();
  const auto plain = at::cross_entropy_loss(leaf, targets, {}, at::Reduction::None);
  plain.sum().backward();
  EXPECT_TRUE(torch::allclose(nats.to(torch::kDouble), plain.detach(), 1e-5, 1e-5));
  EXPECT_TRUE(torch::equal(best, leaf.detach().argmax(-1)));
  EXPECT_EQ(best[7].item<int64_t>(), 0);
  expect_close(gradient.slice(1, 0, classes), leaf.grad(), "gradient");
  EXPECT_EQ(gradient.slice(1, classes).abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace bytecpu
