// Optimisers against plain float64 arithmetic, schedules, batches, configuration.
#include "model/training/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "emulator/error.hpp"
#include "model/compute/backend.hpp"
#include "model/training/batch.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using Grid = std::vector<std::vector<double>>;  // rows of a matrix

Grid to_grid(const torch::Tensor& t) {
  Grid grid(t.size(0), std::vector<double>(t.size(1)));
  for (int64_t i = 0; i < t.size(0); ++i) {
    for (int64_t j = 0; j < t.size(1); ++j) grid[i][j] = t[i][j].item<double>();
  }
  return grid;
}

Grid product(const Grid& a, const Grid& b) {
  Grid c(a.size(), std::vector<double>(b[0].size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t k = 0; k < b.size(); ++k) {
      for (size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Grid transposed(const Grid& a) {
  Grid t(a[0].size(), std::vector<double>(a.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

// Muon's update direction of one matrix in float64.
Grid orthogonal(Grid g) {
  const bool tall = g.size() > g[0].size();
  if (tall) g = transposed(g);
  double norm = 0;
  for (const auto& row : g) {
    for (double x : row) norm += x * x;
  }
  for (auto& row : g) {
    for (double& x : row) x /= std::sqrt(norm);
  }
  for (int iteration = 0; iteration < 5; ++iteration) {
    const Grid a = product(g, transposed(g)), aa = product(a, a);
    Grid b = a;
    for (size_t i = 0; i < a.size(); ++i) {
      for (size_t j = 0; j < a.size(); ++j) b[i][j] = -4.7750 * a[i][j] + 2.0315 * aa[i][j];
    }
    const Grid bg = product(b, g);
    for (size_t i = 0; i < g.size(); ++i) {
      for (size_t j = 0; j < g[0].size(); ++j) g[i][j] = 3.4445 * g[i][j] + bg[i][j];
    }
  }
  return tall ? transposed(g) : g;
}

// With the kernel, and as on a GPU.
class AdamW : public testing::TestWithParam<bool> {
 protected:
  AdamW() { use_kernels() = GetParam(); }
  ~AdamW() override { use_kernels() = true; }
};
INSTANTIATE_TEST_SUITE_P(Kernels, AdamW, testing::Bool());

TEST_P(AdamW, FollowsItsFormulaInFloat64) {
  torch::manual_seed(1);
  TrainConfig config;
  config.learning_rate = 0.01;
  config.weight_decay = 0.1;
  config.clip = 0;
  auto matrix = torch::randn({3, 4}), vector = torch::randn({5});
  std::vector<double> p, m(17), v(17);
  for (const auto& t : {matrix, vector}) {
    for (int64_t i = 0; i < t.numel(); ++i) p.push_back(t.flatten()[i].item<double>());
  }
  Optimizer optimizer({{.name = "matrix", .tensor = matrix}, {.name = "vector", .tensor = vector}}, config);
  for (int step = 1; step <= 20; ++step) {
    matrix.mutable_grad() = torch::randn({3, 4});
    vector.mutable_grad() = torch::randn({5});
    const double share = 1.0 / step, rate = 0.01 * share;
    for (size_t i = 0; i < p.size(); ++i) {
      const double g =
          i < 12 ? matrix.grad().flatten()[i].item<double>() : vector.grad()[i - 12].item<double>();
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.95 * v[i] + 0.05 * g * g;
      if (i < 12) p[i] -= rate * 0.1 * p[i];
      p[i] -=
          rate * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.95, step))) + 1e-8);
    }
    optimizer.step(share);
  }
  for (size_t i = 0; i < p.size(); ++i) {
    const double now = i < 12 ? matrix.flatten()[i].item<double>() : vector[i - 12].item<double>();
    EXPECT_NEAR(now, p[i], 1e-5) << i;
  }
}

class MuonShape : public testing::TestWithParam<std::array<int64_t, 3>> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MuonShape,
                         testing::Values(std::array<int64_t, 3>{6, 6, 1}, std::array<int64_t, 3>{4, 12, 1},
                                         std::array<int64_t, 3>{12, 4, 1}, std::array<int64_t, 3>{5, 15, 3}));

// Mean deviation from the formula in float64 over three steps, as a share of how far the parameters moved.
double muon_deviation(std::array<int64_t, 3> shape, const std::string& precision) {
  const auto [rows, columns, parts] = shape;
  const int64_t width = columns / parts;
  torch::manual_seed(2);
  TrainConfig config;
  config.optimizer = "muon";
  config.precision = precision;
  config.muon_learning_rate = 0.02;
  config.weight_decay = 0;
  auto w = torch::randn({rows, columns});
  const auto before = w.clone();
  auto expected = w.to(torch::kDouble).clone();
  Optimizer optimizer({{.name = "w", .tensor = w, .hidden_matrix = true, .parts = static_cast<int>(parts)}},
                      config);
  torch::Tensor momentum = torch::zeros({rows, columns}, torch::kDouble);
  double moved = 0;
  for (int step = 0; step < 3; ++step) {
    const auto gradient = torch::randn({rows, columns});
    w.mutable_grad() = gradient;
    momentum = momentum * 0.95 + gradient.to(torch::kDouble);
    const auto direction = gradient.to(torch::kDouble) + momentum * 0.95;
    for (int64_t part = 0; part < parts; ++part) {
      const Grid update = orthogonal(to_grid(direction.slice(1, part * width, (part + 1) * width)));
      const double scale =
          0.02 * std::sqrt(std::max(1.0, static_cast<double>(width) / static_cast<double>(rows)));
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          expected[i][part * width + j] -= scale * update[i][j];
          moved += std::abs(scale * update[i][j]);
        }
      }
    }
    optimizer.step(1);
  }
  return (w.to(torch::kDouble) - expected).abs().sum().item<double>() / moved;
}

TEST_P(MuonShape, FollowsItsFormulaInFloat64) { EXPECT_LT(muon_deviation(GetParam(), "fp32"), 1e-4); }

// The iterations amplify the rounding of small singular values.
TEST_P(MuonShape, InBf16FollowsItRoughly) { EXPECT_LT(muon_deviation(GetParam(), "bf16"), 0.2); }

TEST(Optimizer, OrthogonalizedSingularValuesAreAboutOne) {
  torch::manual_seed(3);
  const auto x = orthogonalize(torch::randn({4, 16, 48}), torch::kFloat);
  const auto gram = torch::bmm(x, x.transpose(1, 2));
  for (int64_t b = 0; b < 4; ++b) {
    const auto values = std::get<0>(at::linalg_eigh(gram[b], "L")).sqrt();
    EXPECT_GT(values.min().item<double>(), 0.6);
    EXPECT_LT(values.max().item<double>(), 1.3);
  }
}

TEST_P(AdamW, ClipsTheJointNormAndReturnsTheOneBefore) {
  TrainConfig config;
  config.clip = 1;
  auto a = torch::zeros({2}), b = torch::zeros({2});
  Optimizer optimizer({{.name = "a", .tensor = a}, {.name = "b", .tensor = b}}, config);
  a.mutable_grad() = torch::tensor({3.0F, 0.0F});
  b.mutable_grad() = torch::tensor({0.0F, 4.0F});
  EXPECT_DOUBLE_EQ(optimizer.step(1).item<double>(), 5);
  for (const auto& [name, moment] : optimizer.state()) {  // (1 - beta1) · clipped gradient
    if (name.starts_with("first.")) {
      EXPECT_NEAR(moment.norm().item<double>(), name == "first.a" ? 0.06 : 0.08, 1e-6);
    }
  }
}

TEST(Average, IsTheRunningMeanOfTheLastStepsAndChangesPlacesWithTheParameter) {
  TrainConfig config;
  config.average = 0.5;
  auto p = torch::zeros({3});
  Optimizer optimizer({{.name = "p", .tensor = p}}, config);
  auto mean = torch::zeros({3}, torch::kDouble);
  for (int step = 1; step <= 10; ++step) {
    p.mutable_grad() = torch::randn({3});
    optimizer.step(1);
    mean += (p.to(torch::kDouble) - mean) * std::min(1.0, 1 / (0.5 * step));
  }
  const auto trained = p.clone();
  optimizer.exchange_averages();
  EXPECT_TRUE(torch::allclose(p.to(torch::kDouble), mean, 1e-5, 1e-7));
  EXPECT_FALSE(torch::equal(p, trained));
  const auto state = optimizer.state();
  ASSERT_EQ(state.size(), 3u);
  EXPECT_EQ(state[2].name, "exchanged.p");
  EXPECT_TRUE(torch::equal(state[2].tensor, trained));
  optimizer.exchange_averages();
  EXPECT_TRUE(torch::equal(p, trained));
}

TEST(Schedule, RisesThenFallsAsNamed) {
  TrainConfig c;
  c.warmup = 0.1;
  c.final_learning_rate = 0.2;
  EXPECT_DOUBLE_EQ(learning_rate_share(c, 0.05), 0.5);
  for (const char* schedule : {"cosine", "linear", "constant"}) {
    c.schedule = schedule;
    EXPECT_DOUBLE_EQ(learning_rate_share(c, 0.1), 1) << schedule;
    EXPECT_NEAR(learning_rate_share(c, 1), c.schedule == "constant" ? 1 : 0.2, 1e-12) << schedule;
  }
  c.schedule = "linear";
  EXPECT_NEAR(learning_rate_share(c, 0.325), 0.8, 1e-12);
  c.schedule = "cosine";
  EXPECT_NEAR(learning_rate_share(c, 0.325), 0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5)), 1e-12);
}

TEST(Batches, HoldEveryTraceOnceWithinTheLimitAndLittlePadding) {
  const auto pool = some_traces(2048, 15);
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < pool.size(); ++i) lengths.push_back(pool[i].count() + 6);
  const auto plan = plan_batches(lengths, 512, 1);
  std::vector<size_t> seen;
  int64_t used = 0, padded = 0;
  for (const auto& batch : plan) {
    int64_t longest = 0;
    for (size_t i : batch) {
      longest = std::max(longest, lengths[i]);
      used += lengths[i];
    }
    padded += longest * std::ssize(batch);
    EXPECT_LE(longest * std::ssize(batch), 512);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::sort(seen.begin(), seen.end());
  std::vector<size_t> all(lengths.size());
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(seen, all);
  EXPECT_LT(static_cast<double>(padded - used), 0.05 * static_cast<double>(padded));
  EXPECT_EQ(plan, plan_batches(lengths, 512, 1));
  EXPECT_NE(plan, plan_batches(lengths, 512, 2));
}

TEST(Batches, ATraceLongerThanTheLimitIsABatchOfItsOwn) {
  const std::vector<int64_t> lengths = {100, 2};
  const auto plan = plan_batches(lengths, 10, 0);
  EXPECT_EQ(plan.size(), 2U);
}

TEST(HardExamples, AreTheGreatestLosses) {
  EXPECT_EQ(hardest(std::vector<float>{1, 5, 3, 5, 2}, 3),
            (std::vector<bool>{false, true, true, true, false}));
  EXPECT_EQ(hardest(std::vector<float>{4, 4, 4}, 2), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(hardest(std::vector<float>{1}, 3), std::vector<bool>{true});
}

TEST(Configuration, SurvivesJson) {
  auto config = tiny_config("transition");
  config.patch_history = true;
  nlohmann::ordered_json json = config;
  EXPECT_EQ(json.get<ModelConfig>(), config);
}

TEST(Configuration, ASettingThatAFileDoesNotHaveHasItsDefaultAndAnUnknownOneIsNamed) {
  auto config = tiny_config("transition");
  config.byte_init = "structured";
  nlohmann::ordered_json json = config;
  json.erase("byte-init");
  EXPECT_EQ(json.get<ModelConfig>().byte_init, ModelConfig().byte_init);
  json["byte-heats"] = 2;
  try {
    json.get<ModelConfig>();
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("byte-heats"), std::string::npos) << e.what();
  }
}

TEST(Configuration, ErrorsNameTheField) {
  const auto message = [](auto change) -> std::string {
    ModelConfig model = tiny_config("bgpt");
    TrainConfig training;
    training.steps = 1;
    change(model, training);
    try {
      check(model);
      check(training);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message([](auto&, auto&) {}), "accepted");
  EXPECT_NE(message([](auto& m, auto&) { m.patch_heads = 3; }).find("patch-width"), std::string::npos);
  EXPECT_NE(message([](auto& m, auto&) { m.patch_size = 7; }).find("patch-size"), std::string::npos);
  EXPECT_NE(message([](auto& m, auto&) { m.family = "gru"; }).find("family"), std::string::npos);
  EXPECT_NE(message([](auto&, auto& t) { t.minutes = 1; }).find("steps"), std::string::npos);
  EXPECT_NE(message([](auto&, auto& t) { t.loss = "some"; }).find("loss"), std::string::npos);
  EXPECT_NE(message([](auto&, auto& t) { t.precision = "int4"; }).find("precision"), std::string::npos);
}

}  // namespace
}  // namespace bytecpu
