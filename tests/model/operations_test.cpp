// The operations with kernels against the plain ones: values and gradients.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <vector>

#include "model/compute/arithmetic.hpp"
#include "model/compute/attention.hpp"
#include "model/compute/backend.hpp"
#include "model/compute/class_loss.hpp"
#include "model/compute/embedding.hpp"
#include "model/compute/greedy.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/mlp.hpp"
#include "model/compute/pointer.hpp"
#include "model/compute/scan.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using Operation = std::function<Tensor(const std::vector<Tensor>&)>;

struct Setting {
  torch::ScalarType type;
  torch::DeviceType device = torch::kCPU;
};

// Runs the operation with the kernels on `inputs`, and composed of LibTorch's in double on the CPU; output
// and gradients must agree within `tolerance` of the largest magnitude.
void expect_equal(const Operation& operation, const std::vector<Tensor>& inputs, Setting setting,
                  double tolerance) {
  const auto run = [&](torch::ScalarType precision, torch::DeviceType device, bool kernels) {
    std::vector<Tensor> leaves, results;
    for (const auto& input : inputs) {
      // Both start from the values as the setting's type rounds them.
      leaves.push_back(input.is_floating_point()
                           ? input.to(setting.type).to(device, precision).detach().requires_grad_()
                           : input.to(device));
    }
    use_kernels() = kernels;
    const auto out = operation(leaves);
    torch::manual_seed(5);
    (out * torch::randn(out.sizes()).to(device, out.scalar_type())).sum().backward();
    use_kernels() = true;
    results.push_back(out.detach().to(torch::kCPU, torch::kDouble));
    for (const auto& leaf : leaves) {
      if (leaf.is_floating_point()) results.push_back(leaf.grad().to(torch::kCPU, torch::kDouble));
    }
    return results;
  };
  const auto fast = run(setting.type, setting.device, true), plain = run(torch::kDouble, torch::kCPU, false);
  ASSERT_EQ(fast.size(), plain.size());
  for (size_t i = 0; i < fast.size(); ++i) {
    const double scale = plain[i].abs().max().item<double>();
    EXPECT_LT((fast[i] - plain[i]).abs().max().item<double>(), tolerance * scale)
        << (i ? "gradient of input " : "output ") << i;
  }
}

class Operations : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (GetParam().device == torch::kCUDA && !torch::cuda::is_available()) GTEST_SKIP() << "needs a GPU";
    torch::manual_seed(1);
  }
  void expect(const Operation& operation, const std::vector<Tensor>& inputs) {
    expect_equal(operation, inputs, GetParam(), GetParam().type == torch::kFloat ? 1e-5 : 2e-2);
  }
};
INSTANTIATE_TEST_SUITE_P(Settings, Operations,
                         testing::Values(Setting{torch::kFloat}, Setting{torch::kBFloat16},
                                         Setting{torch::kBFloat16, torch::kCUDA}),
                         [](const auto& chosen) {
                           return std::string(chosen.param.device == torch::kCUDA  ? "gpu"
                                              : chosen.param.type == torch::kFloat ? "float"
                                                                                   : "bf16");
                         });

TEST_P(Operations, LayerNormEqualsThePlainOne) {
  for (const int64_t width : {3, 16, 128, 200}) {
    expect([](const auto& in) { return layer_norm(in[0]); }, {torch::randn({7, 5, width}) * 3 + 1});
  }
}

TEST_P(Operations, ResidualMlpEqualsThePlainOne) {
  expect([](const auto& in) { return residual_mlp(in[0], in[1], in[2]); },
         {torch::randn({6, 4, 24}), torch::randn({24, 48}) * 0.2, torch::randn({48, 24}) * 0.2});
}

TEST_P(Operations, ResidualGeluMlpEqualsThePlainOne) {
  expect(
      [](const auto& in) {
        return residual_gelu_mlp(in[0], {in[1], in[2]}, {in[3], in[4]});
      },
      {torch::randn({6, 4, 24}), torch::randn({24, 96}) * 0.5, torch::randn({96}),
       torch::randn({96, 24}) * 0.2, torch::randn({24})});
}

std::vector<Tensor> attention_inputs(int64_t positions, int64_t width) {
  return {torch::randn({3, positions, width}), torch::randn({width, 3 * width}) * 0.2,
          torch::randn({width, width}) * 0.2};
}

TEST_P(Operations, ResidualAttentionEqualsThePlainOne) {
  for (const bool causal : {false, true}) {
    for (const int64_t positions : {1, 5, 16, 100}) {  // odd sizes, and more than a block of queries
      expect([&](const auto& in) { return residual_attention(in[0], in[1], in[2], 2, causal); },
             attention_inputs(positions, 24));
    }
  }
}

TEST_P(Operations, ResidualAttentionWithBiasesEqualsThePlainOne) {
  for (const int64_t positions : {7, 16}) {
    expect(
        [](const auto& in) {
          return residual_attention(in[0], {in[1], in[2]}, {in[3], in[4]}, 2, true);
        },
        {torch::randn({3, positions, 64}), torch::randn({64, 192}) * 0.2, torch::randn({192}),
         torch::randn({64, 64}) * 0.2, torch::randn({64})});
  }
}

TEST_P(Operations, CrossAttentionEqualsThePlainOne) {
  for (const int64_t queries : {1, 16, 130}) {
    expect([](const auto& in) { return cross_attention(in[0], in[1], 4); },
           {torch::randn({3, queries, 32}), torch::randn({3, 37, 64})});
  }
}

// Shapes that the processor's bf16 instructions may serve: heads of a vector, less, more, and several.
TEST_P(Operations, AttentionOfWholeVectorsEqualsThePlainOne) {
  for (const int64_t size : {6, 8, 16, 24, 32, 64}) {
    for (const int64_t positions : {5, 16, 48, 144}) {
      for (const bool causal : {false, true}) {
        expect([&](const auto& in) { return residual_attention(in[0], in[1], in[2], 2, causal); },
               attention_inputs(positions, 2 * size));
      }
    }
    for (const int64_t queries : {1, 16, 37, 300}) {
      for (const int64_t keys : {37, 64}) {
        expect([](const auto& in) { return cross_attention(in[0], in[1], 2); },
               {torch::randn({3, queries, 2 * size}), torch::randn({3, keys, 4 * size})});
      }
    }
  }
}

TEST_P(Operations, ClassLossEqualsThePlainOne) {
  const auto targets = torch::randint(0, 257, {33}, torch::kLong);
  expect([](const auto& in) { return class_loss(in[0], in[1]).mean; },
         {torch::randn({33, 257}) * 4, targets});
  const auto logits = (torch::randn({33, 257}) * 4).to(GetParam().type);
  const auto fast = class_loss(logits.to(GetParam().device), targets.to(GetParam().device)),
             plain = class_loss(logits.to(torch::kDouble), targets);
  EXPECT_TRUE(torch::equal(fast.best.to(torch::kCPU), plain.best));
  EXPECT_TRUE(torch::allclose(fast.nats.to(torch::kCPU, torch::kDouble), plain.nats, 1e-5, 1e-5));
}

TEST_P(Operations, ClassLossOfTargetsNearlySureHasTheirGradient) {
  const auto [type, device] = GetParam();
  for (const double lead : {4.0, 9.0, 14.0}) {  // a target's probability: 0.18, 0.97, 0.9998
    auto logits = torch::zeros({2, 257}, torch::kDouble);
    logits.select(1, 7) = lead;
    const auto targets = torch::full({2}, 7, torch::kLong);
    const double expected = (logits.softmax(1)[0][7].item<double>() - 1) / 2;
    auto fast = logits.to(device, type).set_requires_grad(true);
    class_loss(fast, targets.to(device)).mean.backward();
    EXPECT_NEAR(fast.grad()[0][7].item<double>() / expected, 1, 0.01) << lead;
  }
}

TEST_P(Operations, LossOfSymbolLogitsEqualsThePlainOne) {
  expect(
      [](const auto& in) {
        return class_loss(symbol_logits(in[0], in[1]).reshape({-1, 257}), in[2]).mean;
      },
      {torch::randn({5, 8, 24}), torch::randn({257, 24}), torch::randint(0, 257, {40}, torch::kLong)});
}

// Parts of larger tensors, as caches hold them; one query, as when the next record is decoded.
TEST_P(Operations, AttentionToPartsOfATensorWithoutGradientsEqualsThePlainOne) {
  torch::NoGradGuard no_grad;
  const auto [type, device] = GetParam();
  for (const int64_t queries : {1, 2, 5, 16}) {
    const auto qkv = torch::randn({3, queries, 3 * 64}).to(device, type);
    const auto room = torch::randn({3, 40, 2 * 64}).to(device, type);
    const auto q = qkv.slice(2, 0, 64), kv = room.slice(1, 0, 37);
    for (const bool causal : {false, true}) {
      const auto fast = cross_attention(q, kv, 2, causal).to(torch::kDouble);
      use_kernels() = false;
      const auto plain = cross_attention(q.to(torch::kDouble), kv.to(torch::kDouble), 2, causal);
      use_kernels() = true;
      EXPECT_TRUE(torch::allclose(fast, plain, 0, type == torch::kFloat ? 1e-5 : 2e-2)) << queries;
    }
  }
}

// Bits as -1, 0 and 1.
Tensor random_planes(int64_t items, int64_t planes, int64_t length) {
  return torch::randint(-1, 2, {items, planes, length}, torch::kLong).to(torch::kChar);
}

// In float whatever the products are in.
TEST_P(Operations, WordsEqualThePlainOnes) {
  const Setting setting{torch::kFloat, GetParam().device};
  const auto item = torch::randint(0, 3, {7}, torch::kLong), shift = torch::randint(0, 5, {7}, torch::kLong);
  for (const int64_t words : {1, 19, 40}) {
    expect_equal([](const auto& in) { return mix_words(in[0], in[1], in[2]); },
                 {torch::randn({7, 4, words}), random_planes(3, 32, words), item}, setting, 1e-5);
    expect_equal([](const auto& in) { return mix_words(in[0], in[1], in[2], in[3]); },
                 {torch::randn({7, 2, words}), random_planes(3, 8, words + 3 + 4), item, shift}, setting,
                 1e-5);
  }
  expect_equal([](const auto& in) { return rotate_words(in[0], in[1]); },
               {torch::randn({9, 32}), torch::randn({9, 32})}, setting, 1e-5);
  for (const int64_t words : {1, 13}) {
    expect_equal([](const auto& in) { return sum_words(in[0], in[1]); },
                 {torch::randn({7, 3, words}), torch::randn({7, words, 32})}, setting, 1e-5);
  }
}

TEST_P(Operations, ArithmeticEqualsThePlainOne) {
  const Setting setting{torch::kFloat, GetParam().device};
  auto bits = torch::randn({50, 5, 32});
  bits.slice(0, 0, 20).slice(2, 8) = -1;   // small, so that quotients are more than 0 and 1
  bits.slice(0, 0, 30).select(1, 1) = -1;  // by 0
  bits[1].fill_(1);                        // the least number by -1
  bits[1][0].slice(0, 0, 31).fill_(-1);
  for (const int64_t words : {1, 3, 5}) {
    const auto made = arithmetic(bits.to(setting.device), words).cpu();
    const int64_t count = arithmetic_results(words, 5 - words);
    EXPECT_EQ(made.size(1), count);
    use_kernels() = false;
    EXPECT_TRUE(torch::equal(made, arithmetic(bits, words)));
    use_kernels() = true;
    expect_equal([&](const auto& in) { return mix_numbers(in[0], made.to(in[0].device())); },
                 {torch::randn({50, 2, count})}, setting, 1e-5);
  }
}

TEST_P(Operations, ScanOfBitsEqualsThePlainOne) {
  for (const int64_t channels : {4, 24, 64}) {
    expect([](const auto& in) { return scan_bits(in[0], in[1].tanh()); },
           {torch::randn({5, 32, 2 * channels}) * 2, torch::randn({5, channels})});
  }
}

TEST_P(Operations, ScanOfSequencesEqualsThePlainOne) {
  expect(
      [](const auto& in) {
        return scan(in[0], {40, 0, 1, 3}, in[1].tanh());
      },
      {torch::randn({44, 48}) * 2, torch::randn({4, 24})});
  expect([](const auto& in) { return scan(in[0], {17, 2}); }, {torch::randn({19, 16}) * 2});
}

TEST_P(Operations, PointersMoveAsThePlainOnes) {
  for (const int64_t places : {2, 7, 40}) {
    expect(
        [&](std::vector<Tensor> in) {
          for (auto& x : in) x = x.to(torch::promote_types(x.scalar_type(), torch::kFloat));
          return move_pointers({.scores = in[0],
                                .stops = in[1].sigmoid(),
                                .targets = in[2].softmax(1),
                                .advances = in[3].sigmoid(),
                                .jumps = in[4].sigmoid(),
                                .start = torch::ones_like(in[1]).softmax(1)});
        },
        {torch::randn({3, 9, places}) * 2, torch::randn({3, places}), torch::randn({3, places}),
         torch::randn({3, 9}), torch::randn({3, 9}) - 2});
  }
}

TEST(Words, AreReadWhereTheyLie) {
  // A memory of the bytes 0 … 9: the word at address 2 is 05 04 03 02, one further on 06 05 04 03.
  auto planes = torch::zeros({1, 8, 10}, torch::kChar);
  for (int64_t byte = 0; byte < 10; ++byte) {
    for (int64_t bit = 0; bit < 8; ++bit) planes[0][bit][byte] = byte >> bit & 1 ? 1 : -1;
  }
  auto weights = torch::zeros({1, 1, 6});
  weights[0][0][2] = 1;
  const auto item = torch::zeros({1}, torch::kLong);
  const auto value = [&](const Tensor& word) {
    return word.gt(0)
        .to(torch::kLong)
        .mul(torch::pow(2, torch::arange(32, torch::kLong)))
        .sum()
        .item<int64_t>();
  };
  EXPECT_EQ(value(mix_words(weights, planes, item)), 0x05040302);
  EXPECT_EQ(value(mix_words(weights, planes, item, item + 1)), 0x06050403);
  // Turned by 8: to the right.
  const auto distance =
      torch::nn::functional::one_hot(torch::full({1}, 8, torch::kLong), 32).to(torch::kFloat);
  EXPECT_EQ(value(rotate_words(distance, mix_words(weights, planes, item).view({1, 32}))), 0x02050403);
}

TEST(Words, HaveProductsQuotientsAndRemainders) {
  using Numbers = std::vector<int64_t>;
  const auto results_of = [](const Numbers& given, int64_t words) {
    const auto numbers = torch::tensor(given, torch::kLong).view({1, -1, 1});
    const auto bits = numbers.bitwise_right_shift(torch::arange(32, torch::kLong)).bitwise_and(1) * 2 - 1;
    const auto all = arithmetic(bits.to(torch::kFloat), words).to(torch::kLong).contiguous();
    return Numbers(all.data_ptr<int64_t>(), all.data_ptr<int64_t>() + all.numel());
  };
  const auto results = [&](int64_t a, int64_t b) { return results_of({a, b}, 1); };
  EXPECT_EQ(results(7, 2), (Numbers{14, 0, 0, 3, 1, 3, 1}));
  EXPECT_EQ(results(-7, 2), (Numbers{-14, 1, -1, 0x7FFFFFFC, 1, -3, -1}));
  EXPECT_EQ(results(-7, -2), (Numbers{14, -9, 0, 0, -7, 3, -1}));
  EXPECT_EQ(results(5, 0), (Numbers{0, 0, 0, 0, 5, 0, 5}));
  const int64_t least = std::numeric_limits<int32_t>::min();
  EXPECT_EQ(results(least, -1), (Numbers{least, 0x7FFFFFFF, 0, 0, least, least, 0}));
  // Products of (0, 1), (0, 2), (1, 2); quotients and remainders of (0, 1), (0, 2), (1, 0), (1, 2).
  EXPECT_EQ(results_of({7, 5, 3}, 2),
            (Numbers{35, 0, 0, 21, 0, 0, 15, 0, 0, 1, 2, 1, 2, 2, 1, 2, 1, 0, 5, 0, 5, 1, 2, 1, 2}));
}

// A carry: kept where one bit is set, made where both are, lost where none is.
TEST(Words, AScanAdds) {
  const int64_t a = 0x0fffa5c3, b = 0x10005a3d;
  auto gates = torch::zeros({1, 32, 8});
  for (int64_t i = 0; i < 32; ++i) {
    const auto of = static_cast<double>((a >> i & 1) + (b >> i & 1));
    gates[0][i][0] = of == 1 ? 20 : -20;  // keeps
    gates[0][i][4] = of == 2 ? 20 : -20;  // gives
  }
  const auto carry = scan_bits(gates, torch::full({1, 4}, -1.0)).select(2, 0)[0];
  for (int64_t i = 0; i < 32; ++i) {
    const int64_t low = (int64_t{2} << i) - 1;
    EXPECT_EQ(carry[i].item<double>() > 0, (a & low) + (b & low) > low) << i;
  }
}

TEST_P(Operations, GreedyChoicesEqualThePlainOnes) {
  const auto [type, device] = GetParam();
  const auto given = torch::randint(0, 257, {40}, torch::kLong).to(device);
  auto logits = (torch::randn({40, 257}) * 4).to(device, type);
  logits[3][256] = 50;  // the last class is never the best
  logits[4][7] = logits[4][9] = 60;
  const auto fast = greedy(logits, given);
  use_kernels() = false;
  const auto plain = greedy(logits.to(torch::kFloat), given);
  use_kernels() = true;
  EXPECT_TRUE(torch::equal(fast.best, logits.to(torch::kDouble).slice(1, 0, 256).argmax(1)));
  EXPECT_EQ(fast.best[4].item<int64_t>(), 7);
  EXPECT_TRUE(torch::allclose(fast.log_best, plain.log_best, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(fast.log_last, plain.log_last, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(fast.log_given, plain.log_given, 1e-5, 1e-5));
}

TEST_P(Operations, EmbedEqualsThePlainOne) {
  const auto [precision, device] = GetParam();
  const auto symbols = torch::randint(0, 20, {9, 6}, torch::kLong).to(device);
  const auto table = torch::randn({20, 12}).to(device).requires_grad_(),
             positions = torch::randn({6, 12}).to(device).requires_grad_();
  const auto weights = torch::randn({9, 6, 12}).to(device);
  std::vector<Tensor> outputs, gradients;
  for (const bool kernels : {true, false}) {
    use_kernels() = kernels;
    const auto out = embed(symbols, table, positions, precision);
    EXPECT_EQ(out.scalar_type(), precision);
    const auto g = torch::autograd::grad({(out * weights.to(precision)).sum()}, {table, positions});
    outputs.push_back(out.detach().to(torch::kFloat));
    gradients.insert(gradients.end(), g.begin(), g.end());
  }
  use_kernels() = true;
  const double tolerance = precision == torch::kFloat ? 1e-5 : 3e-2;
  EXPECT_TRUE(torch::allclose(outputs[0], outputs[1], tolerance, tolerance));
  EXPECT_TRUE(torch::allclose(gradients[0], gradients[2], tolerance, 3 * tolerance));
  EXPECT_TRUE(torch::allclose(gradients[1], gradients[3], tolerance, 3 * tolerance));
}

TEST(OperationsLoss, ANotANumberAmongTheLogitsIsANotANumberInTheLoss) {
  auto logits = torch::randn({4, 257});
  logits[2][100] = std::nanf("");
  EXPECT_TRUE(class_loss(logits, torch::zeros({4}, torch::kLong)).mean.isnan().item<bool>());
}

}  // namespace
}  // namespace bytecpu
