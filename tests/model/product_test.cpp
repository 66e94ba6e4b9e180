// Products against LibTorch's in double: values and gradients, of matrices however they lie in memory.
#include "model/compute/product.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace bytecpu {
namespace {

using torch::Tensor;

std::vector<Tensor> with_gradients(const Tensor& out, const std::vector<Tensor>& leaves) {
  const auto weights =
      torch::arange(out.numel(), torch::kDouble).sin().view(out.sizes()).to(out.scalar_type());
  auto results = torch::autograd::grad({(out * weights).sum()}, leaves);
  results.insert(results.begin(), out.detach());
  return results;
}

void expect_close(const std::vector<Tensor>& fast, const std::vector<Tensor>& plain, torch::ScalarType type) {
  ASSERT_EQ(fast.size(), plain.size());
  for (size_t i = 0; i < fast.size(); ++i) {
    ASSERT_EQ(fast[i].sizes(), plain[i].sizes());
    const double error = (fast[i].to(torch::kDouble) - plain[i]).abs().max().item<double>();
    const double tolerance = type == torch::kFloat ? 1e-5 : type == torch::kBFloat16 ? 2e-2 : 1e-12;
    EXPECT_LT(error, tolerance * plain[i].abs().max().item<double>()) << "result " << i;
  }
}

class Product : public testing::TestWithParam<torch::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(3); }

  // The arrangements show parts of a larger tensor in other orders.
  using Arrange = std::function<Tensor(const Tensor&)>;
  void expect(const Tensor& x, const Arrange& arrange_x, const Tensor& weight, const Arrange& arrange_weight,
              const Tensor& add = {}) {
    const auto type = GetParam();
    const auto leaf = [&](const Tensor& t, torch::ScalarType t_type) {
      return t.to(type)
          .to(t_type)
          .detach()
          .requires_grad_();  // both start from the values as `type` rounds them
    };
    std::vector<Tensor> fast{leaf(x, type), leaf(weight, type)},
        plain{leaf(x, torch::kDouble), leaf(weight, torch::kDouble)};
    if (add.defined()) {
      fast.push_back(leaf(add, type));
      plain.push_back(leaf(add, torch::kDouble));
    }
    const auto a = arrange_x(fast[0]), b = arrange_weight(fast[1]);
    const auto out = add.defined() ? add_product(fast[2], a, b) : product(a, b);
    auto truth = torch::matmul(arrange_x(plain[0]), arrange_weight(plain[1]));
    if (add.defined()) truth = truth + plain[2];
    expect_close(with_gradients(out, fast), with_gradients(truth, plain), type);
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(add.defined() ? add_product(fast[2], a, b) : product(a, b), out));
  }
};
INSTANTIATE_TEST_SUITE_P(Types, Product, testing::Values(torch::kFloat, torch::kBFloat16, torch::kDouble),
                         [](const auto& chosen) { return std::string(toString(chosen.param)); });

const auto as_is = [](const Tensor& t) { return t; };
const auto transposed = [](const Tensor& t) { return t.t(); };

TEST_P(Product, EqualsThePlainOne) {
  for (const int64_t rows : {1, 7, 300})
    expect(torch::randn({rows, 24}), as_is, torch::randn({24, 40}), as_is);
  expect(torch::randn({3, 5, 24}), as_is, torch::randn({24, 40}), as_is);
}

TEST_P(Product, TakesTransposedMatricesAndParts) {
  const auto columns = [](const Tensor& t) { return t.slice(-1, 8, 32); };
  const auto rows = [](const Tensor& t) { return t.slice(0, 8, 32); };
  expect(torch::randn({7, 24}), as_is, torch::randn({40, 24}), transposed);
  expect(torch::randn({24, 7}), transposed, torch::randn({24, 40}), as_is);
  expect(torch::randn({7, 36}), columns, torch::randn({36, 40}), rows);
  expect(torch::randn({2, 7, 36}), columns, torch::randn({24, 36}), columns);
  expect(
      torch::randn({7, 48}), [](const Tensor& t) { return t.slice(1, 0, 48, 2); }, torch::randn({24, 40}),
      as_is);
  expect(
      torch::randn({1, 24}),
      [](const Tensor& t) {
        return t.expand({6, 24});
      },
      torch::randn({24, 40}), as_is);
}

TEST_P(Product, TakesVectorsAsMatrices) {
  expect(torch::randn({7, 1}), as_is, torch::randn({1, 40}), as_is);
  expect(torch::randn({7, 24}), as_is, torch::randn({24, 1}), as_is);
  expect(torch::randn({1, 24}), as_is, torch::randn({40, 24}), transposed);
}

TEST_P(Product, AddsABiasOrAResidual) {
  expect(torch::randn({3, 5, 24}), as_is, torch::randn({24, 40}), as_is, torch::randn({40}));
  expect(torch::randn({3, 5, 24}), as_is, torch::randn({24, 40}), as_is, torch::randn({3, 5, 40}));
  expect(torch::randn({5, 24}), as_is, torch::randn({40, 24}), transposed, torch::randn({5, 40}));
}

TEST_P(Product, OfManyRowsEqualsThePlainOne) {
  const int64_t rows = 300 * 7;
  expect(torch::randn({rows, 24}), as_is, torch::randn({40, 24}), transposed, torch::randn({rows, 40}));
  expect(torch::randn({33, 24}), as_is, torch::randn({24, 40}), as_is, torch::randn({33, 40}));
  const auto x = torch::randn({33, 24}).to(GetParam()), weight = torch::randn({24, 40}).to(GetParam()),
             bias = torch::randn({40}).to(GetParam());
  EXPECT_TRUE(torch::allclose(
      add_product(bias, x, weight).to(torch::kFloat),
      torch::addmm(bias.to(torch::kFloat), x.to(torch::kFloat), weight.to(torch::kFloat)), 1e-2, 1e-2));
  expect(torch::randn({24, 33}), transposed, torch::randn({24, 40}), as_is, torch::randn({33, 40}));
}

TEST(CommonSize, HasFiveSignificantBits) {
  for (const int64_t count : {0, 1, 31, 32, 34, 62, 496, 512}) EXPECT_EQ(common_size(count), count) << count;
  EXPECT_EQ(common_size(33), 32);
  EXPECT_EQ(common_size(383), 368);
  EXPECT_EQ(common_size(6143), 5888);
}

TEST_P(Product, AddsToOneRowAndToOneColumn) {
  expect(torch::randn({1, 24}), as_is, torch::randn({24, 40}), as_is, torch::randn({1, 40}));
  expect(torch::randn({1, 24}), as_is, torch::randn({40, 24}), transposed, torch::randn({40}));
  expect(torch::randn({7, 24}), as_is, torch::randn({24, 1}), as_is, torch::randn({7, 1}));
}

TEST_P(Product, TakesAnExpandedGradient) {
  const auto x = torch::randn({7, 24}).to(GetParam()).requires_grad_(),
             weight = torch::randn({24, 40}).to(GetParam());
  product(x, weight).sum().backward();
  const auto truth = weight.to(torch::kDouble).sum(1).expand({7, 24});
  EXPECT_TRUE(torch::allclose(x.grad().to(torch::kDouble), truth, 2e-2, 2e-2));
}

TEST_P(Product, OfNoRowsHasNone) {
  EXPECT_EQ(product(torch::empty({0, 24}).to(GetParam()), torch::randn({24, 40}).to(GetParam())).sizes(),
            (std::vector<int64_t>{0, 40}));
}

TEST_P(Product, OfMatricesThatDoNotFitIsRefused) {
  EXPECT_THROW(product(torch::randn({4, 12}).to(GetParam()), torch::randn({24, 40}).to(GetParam())),
               std::exception);
  EXPECT_THROW(add_product(torch::randn({3, 41}), torch::randn({3, 24}), torch::randn({24, 40})),
               std::exception);
}

}  // namespace
}  // namespace bytecpu
