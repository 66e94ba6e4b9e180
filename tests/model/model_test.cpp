// What must hold of every model family: gradients, causality, cached decoding, learning.
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <map>

#include "emulator/error.hpp"
#include "model/compute/backend.hpp"
#include "model/compute/product.hpp"
#include "model/heads/next_step.hpp"
#include "model/inference/rollout.hpp"
#include "model/inference/steps.hpp"
#include "model/training/optimizer.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

class EveryFamily : public testing::TestWithParam<int> {
 protected:
  ModelConfig config_ = tiny_configs()[GetParam()];
};

std::string family_name(const testing::TestParamInfo<int>& info) {
  const auto config = tiny_configs()[info.param];
  return config.family + (config.patch_history ? "_with_history" : "");
}

INSTANTIATE_TEST_SUITE_P(Models, EveryFamily, testing::Values(0, 1, 2, 3), family_name);

torch::Tensor loss_of(ByteModel& model, std::span<const Document> traces) {
  const auto rows = model.rows(traces, Targets::scored);
  return model.loss(rows.condition, rows.patches).nats;
}

TEST_P(EveryFamily, GradientsEqualFiniteDifferencesInDouble) {
  auto model = tiny_model(config_);
  model->to(torch::kDouble);
  model->set_precision(torch::kDouble);
  const auto batch = some_traces(3, 4);
  const auto traces = documents(batch);
  loss_of(*model, traces).backward();

  torch::NoGradGuard no_grad;
  torch::manual_seed(7);
  for (auto& item : model->named_parameters()) {
    auto p = item.value();
    if (!p.grad().defined()) {
      EXPECT_EQ(item.key(), "patch_level_decoder.base.wte.weight");  // published, and unused
      continue;
    }
    // Along a random direction, which every element of the gradient takes part in.
    const auto direction = torch::randn_like(p), before = p.clone();
    const double expected = (p.grad() * direction).sum().item<double>();
    // So small that no rectifier turns, and no bit of a product that "fields" reads.
    constexpr double h = 1e-8;
    p.copy_(before + direction * h);
    const double above = loss_of(*model, traces).item<double>();
    p.copy_(before - direction * h);
    const double below = loss_of(*model, traces).item<double>();
    p.copy_(before);
    EXPECT_NEAR((above - below) / (2 * h), expected, 1e-6 * std::max(1.0, std::abs(expected))) << item.key();
  }
}

TEST_P(EveryFamily, ChosenRowsAreThoseOfAll) {
  torch::NoGradGuard no_grad;
  auto model = tiny_model(config_);
  const auto batch = some_traces(5, 6);
  const auto all = model->rows(documents(batch), Targets::scored);
  auto chosen = torch::arange(all.patches.size(0)).remainder(3).eq(1);
  const auto some = model->rows(documents(batch), Targets::scored, chosen);
  EXPECT_TRUE(torch::equal(some.patches, all.patches.index({chosen})));
  EXPECT_TRUE(torch::equal(some.step, all.step.index({chosen})));
  EXPECT_TRUE(torch::equal(some.document, all.document.index({chosen})));
  EXPECT_TRUE(torch::allclose(some.condition, all.condition.index({chosen}), 1e-5, 1e-5));
}

TEST_P(EveryFamily, TrainsOnAllRowsButAFewSoThatCountsRepeat) {
  auto model = tiny_model(config_);
  int chosen = 0;
  for (int traces = 1; traces < 40; ++traces) {
    const auto batch = some_traces(traces, 6, traces);
    const auto n = model->rows(documents(batch), Targets::scored).patches.size(0);
    const NextStep objective(*model, Targets::scored);
    EXPECT_EQ(objective.count(documents(batch)), n);
    const auto choice = objective.common_choice(documents(batch));
    const int64_t taken = choice.defined() ? choice.sum().item<int64_t>() : n;
    EXPECT_EQ(taken, common_size(n));
    EXPECT_GE(taken, n - n / 16);
    if (choice.defined()) {
      ++chosen;
      // Those left out are spread: of the first half about half are taken.
      EXPECT_NEAR(choice.slice(0, 0, n / 2).sum().item<double>(), static_cast<double>(taken) / 2, 1.5);
    }
  }
  EXPECT_GT(chosen, 0);
}

TEST_P(EveryFamily, ALaterByteChangesNoEarlierLogit) {
  torch::NoGradGuard no_grad;
  auto model = tiny_model(config_);
  const auto batch = some_traces(1, 6, 3);
  const auto original = batch.traces[0].bytes;
  std::vector<uint8_t> bytes(original.begin(), original.end());
  ASSERT_GE(bytes.size(), 64U + 5 * 16);
  const auto logits = [&](std::vector<uint8_t>& trace) {
    const Document one(Trace(config_.frame.layout, trace));
    const auto rows = model->rows({&one, 1}, Targets::scored);
    return model->logits(rows.condition, rows.patches);  // [N, P, V], in the order of the trace
  };
  const auto plain = logits(bytes).flatten(0, 1);
  for (size_t changed = 64 + 16; changed < bytes.size(); ++changed) {  // a byte of state 1 or later
    auto other = bytes;
    other[changed] ^= 0x55;
    const auto now = logits(other).flatten(0, 1);
    const int64_t position = static_cast<int64_t>(changed) - (64 + 16);
    // Position i of the flattened rows predicts byte i: those up to the changed byte itself stay as they
    // were.
    EXPECT_TRUE(torch::equal(now.slice(0, 0, position + 1), plain.slice(0, 0, position + 1))) << changed;
    EXPECT_FALSE(torch::equal(now, plain)) << changed;
  }
}

TEST_P(EveryFamily, AHistoryGivesTheConditionsOfTheWholeTrace) {
  torch::NoGradGuard no_grad;
  auto model = tiny_model(config_);
  const auto batch = some_traces(6, 8);
  const auto whole = documents(batch);
  const auto rows = model->rows(whole, Targets::scored);
  auto history = model->begin(starts(batch));
  std::vector<int64_t> live = {0, 1, 2, 3, 4, 5};
  for (int64_t t = 1; !live.empty(); ++t) {
    const auto condition = history->condition();
    std::vector<int64_t> kept, next_live;
    std::vector<torch::Tensor> next;
    for (int64_t b = 0; b < std::ssize(live); ++b) {
      const auto row = ((rows.document == live[b]) & (rows.step == t)).nonzero().item<int64_t>();
      EXPECT_TRUE(torch::allclose(condition[b], rows.condition[row], 1e-4, 1e-5))
          << "trace " << live[b] << " state " << t;
      if (rows.patches[row][0].item<int64_t>() == nothing) continue;
      kept.push_back(b);
      next_live.push_back(live[b]);
      next.push_back(rows.patches[row]);
    }
    live = next_live;
    if (live.empty()) break;
    history->keep(torch::tensor(kept, torch::kLong));
    history->append(torch::stack(next));
  }
}

// Trains on eight traces, the longest as long as the model can take, until it knows them; then every way of
// asking must agree.
void expect_learnt_by_heart(ModelConfig config, torch::Device device, torch::ScalarType precision) {
  torch::manual_seed(0);
  config.patch_width = config.byte_width = 64;
  const auto batch = some_traces(8, 8);
  const auto traces = documents(batch);
  int64_t longest = 0;
  for (const auto& trace : traces) {
    longest = std::max(longest, trace.count());
  }
  const int64_t takes = make_model(config)->most_steps();
  if (takes < 100) config.patch_length -= static_cast<int>(takes - longest);
  auto model = make_model(config);
  model->to(device);
  model->set_precision(precision);
  ASSERT_EQ(model->most_steps(), takes < 100 ? longest : takes);
  TrainConfig training;
  training.learning_rate = 3e-3;
  training.weight_decay = 0;
  Optimizer optimizer(model->trained_parameters(), training);
  int64_t mistakes = 1;
  for (int step = 0; step < 1500 && mistakes > 0; ++step) {
    optimizer.zero_gradients();
    const auto rows = model->rows(traces, Targets::scored);
    const auto loss = model->loss(rows.condition, rows.patches);
    loss.nats.backward();
    mistakes = loss.mistakes.sum().item<int64_t>();
    if (mistakes > 0) optimizer.step(1);
  }
  ASSERT_EQ(mistakes, 0) << "bytes still wrong";

  const auto steps = predict_steps(*model, traces);
  const std::vector<int64_t> room(traces.size(), 20);
  const auto begun = starts(batch);
  const auto free = roll_out(*model, begun, room);
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto truth = traces[i].steps.subspan(16);
    ASSERT_EQ(steps[i].steps.size(), truth.size() + 16);
    EXPECT_TRUE(std::equal(truth.begin(), truth.end(), steps[i].steps.begin()));
    EXPECT_EQ(std::count(steps[i].ended.begin(), steps[i].ended.end(), 1), 1);
    EXPECT_EQ(steps[i].ended.back(), 1);
    EXPECT_TRUE(free[i].ended);
    EXPECT_TRUE(std::equal(truth.begin(), truth.end(), free[i].steps.begin(), free[i].steps.end()));
  }
  std::vector<Rollout> drafted;
  for (const auto products : {torch::kFloat, torch::kBFloat16}) {
    model->set_precision(products);
    drafted = roll_out(*model, begun, room);
    for (size_t i = 0; i < traces.size(); ++i) {
      const auto plain = roll_out_plainly(*model, begun[i], room[i]);
      EXPECT_TRUE(drafted[i].steps == plain.steps) << "trace " << i;
      EXPECT_EQ(drafted[i].ended, plain.ended);
    }
  }
  model->freeze(torch::kBFloat16);
  const auto frozen = roll_out(*model, begun, room);
  for (size_t i = 0; i < traces.size(); ++i) EXPECT_TRUE(frozen[i].steps == drafted[i].steps);
}

TEST_P(EveryFamily, LearnsEightTracesByHeartAndRollsThemOut) {
  expect_learnt_by_heart(config_, torch::kCPU, torch::kFloat);
}

TEST_P(EveryFamily, OnAGpuLearnsEightTracesByHeartAndRollsThemOut) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "needs a GPU";
  expect_learnt_by_heart(config_, torch::kCUDA, torch::kBFloat16);
}

// Gradients of the loss by parameter, the loss itself under "".
std::map<std::string, torch::Tensor> gradients_of(ByteModel& model, std::span<const Document> traces) {
  model.zero_grad();
  const auto loss = loss_of(model, traces);
  loss.backward();
  std::map<std::string, torch::Tensor> gradients = {{"", loss.detach().to(torch::kCPU, torch::kFloat)}};
  for (const auto& item : model.named_parameters()) {
    if (item.value().grad().defined()) gradients[item.key()] = item.value().grad().to(torch::kCPU).clone();
  }
  return gradients;
}

void expect_close(const std::map<std::string, torch::Tensor>& some,
                  const std::map<std::string, torch::Tensor>& others, double tolerance) {
  ASSERT_EQ(some.size(), others.size());
  for (const auto& [name, value] : some) {
    const double scale = value.norm().item<double>();
    EXPECT_LT((others.at(name) - value).norm().item<double>(), tolerance * scale) << name;
  }
}

// What a GPU does where it has no kernels is what the CPU does without its own.
TEST_P(EveryFamily, WithoutKernelsLossAndGradientsAreTheSame) {
  auto model = tiny_model(config_);
  const auto batch = some_traces(4, 8);
  const auto traces = documents(batch);
  const auto expected = gradients_of(*model, traces);
  use_kernels() = false;
  expect_close(expected, gradients_of(*model, traces), 1e-4);
  use_kernels() = true;
}

TEST_P(EveryFamily, OnAGpuLossAndGradientsAreTheSame) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "needs a GPU";
  config_.patch_width = config_.byte_width = 64;
  auto model = tiny_model(config_);
  const auto batch = some_traces(16, 15);
  const auto traces = documents(batch);
  const auto expected = gradients_of(*model, traces);
  model->to(torch::kCUDA);
  expect_close(expected, gradients_of(*model, traces), 1e-3);
  model->set_precision(torch::kBFloat16);
  for (const bool kernels : {false, true}) {
    use_kernels() = kernels;
    expect_close(expected, gradients_of(*model, traces), 0.1);
  }
}

// All products that LibTorch is asked for while it lives, a multiply-add as two operations.
class CountedProducts {
 public:
  CountedProducts()
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(&count).needsInputs(true))) {
    operations_ = 0;
  }
  ~CountedProducts() { at::removeCallback(handle_); }
  CountedProducts(const CountedProducts&) = delete;
  CountedProducts& operator=(const CountedProducts&) = delete;
  double operations() const { return operations_; }

 private:
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
    const std::string name = function.name();
    const size_t first = name == "aten::addmm" ? 1 : 0;  // after what is added
    if (first == 1 || name == "aten::mm" || name == "aten::bmm") {
      const auto inputs = function.inputs();
      const auto &a = inputs[first].toTensor(), &b = inputs[first + 1].toTensor();
      operations_ += 2.0 * static_cast<double>(a.numel() * b.size(-1));
    }
    return nullptr;
  }
  inline static double operations_ = 0;
  at::CallbackHandle handle_;
};

TEST_P(EveryFamily, CountsTheOperationsOfItsProducts) {
  config_.patch_width = config_.byte_width = 128;
  auto model = tiny_model(config_);
  const auto batch = some_traces(1, 15);  // alone, so without padding
  const auto traces = documents(batch);
  torch::NoGradGuard no_grad;
  // Words that are not written are not counted: a trained model hardly thinks of them.
  if (config_.family == "fields") model->named_parameters()["words.gate_bias"].fill_(-20);
  use_kernels() = false;
  const CountedProducts products;
  loss_of(*model, traces);
  use_kernels() = true;
  // Causal attention is counted as half of what the plain one computes.
  const double counted = model->forward_flops(traces, Targets::scored);
  EXPECT_NEAR(counted / products.operations(), 1, 0.05);
}

TEST_P(EveryFamily, ARolloutStopsAtItsLimit) {
  auto model = tiny_model(config_);
  const auto batch = some_traces(4, 8);
  const std::vector<int64_t> room = {0, 1, 2, 3};
  const auto free = roll_out(*model, starts(batch), room);
  for (size_t i = 0; i < room.size(); ++i) {
    EXPECT_LE(free[i].steps.size(), 16 * static_cast<size_t>(room[i]));
    EXPECT_TRUE(free[i].ended || free[i].steps.size() == 16 * static_cast<size_t>(room[i]));
  }
}

TEST_P(EveryFamily, LogitsOfBf16AreThoseOfFloatWithinItsPrecision) {
  torch::NoGradGuard no_grad;
  auto model = tiny_model(config_);
  const auto batch = some_traces(4, 8);
  const auto plain = loss_of(*model, documents(batch)).item<double>();
  model->set_precision(torch::kBFloat16);
  EXPECT_NEAR(loss_of(*model, documents(batch)).item<double>(), plain, 0.02 * plain);
}

TEST(Bgpt, HasTheNamesAndShapesOfThePublishedWeights) {
  ModelConfig config = tiny_config("bgpt");
  config.patch_layers = config.byte_layers = 1;
  config.patch_width = config.byte_width = 8;
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& item : make_model(config)->named_parameters())
    shapes[item.key()] = item.value().sizes().vec();
  std::map<std::string, std::vector<int64_t>> expected = {
      {"patch_level_decoder.patch_embedding.weight", {8, 16 * 257}},
      {"patch_level_decoder.patch_embedding.bias", {8}},
      {"patch_level_decoder.base.wte.weight", {1, 8}},
      {"patch_level_decoder.base.wpe.weight", {32, 8}},
      {"byte_level_decoder.base.transformer.wte.weight", {257, 8}},
      {"byte_level_decoder.base.transformer.wpe.weight", {17, 8}}};
  for (const std::string base : {"patch_level_decoder.base.", "byte_level_decoder.base.transformer."}) {
    const std::map<std::string, std::vector<int64_t>> layer = {{"h.0.ln_1.weight", {8}},
                                                               {"h.0.ln_1.bias", {8}},
                                                               {"h.0.attn.c_attn.weight", {8, 24}},
                                                               {"h.0.attn.c_attn.bias", {24}},
                                                               {"h.0.attn.c_proj.weight", {8, 8}},
                                                               {"h.0.attn.c_proj.bias", {8}},
                                                               {"h.0.ln_2.weight", {8}},
                                                               {"h.0.ln_2.bias", {8}},
                                                               {"h.0.mlp.c_fc.weight", {8, 32}},
                                                               {"h.0.mlp.c_fc.bias", {32}},
                                                               {"h.0.mlp.c_proj.weight", {32, 8}},
                                                               {"h.0.mlp.c_proj.bias", {8}},
                                                               {"ln_f.weight", {8}},
                                                               {"ln_f.bias", {8}}};
    for (const auto& [name, shape] : layer) expected[base + name] = shape;
  }
  EXPECT_EQ(shapes, expected);
}

TEST(Bgpt, APublishedSizeModelHasAbout110MillionParameters) {
  ModelConfig config;
  config.frame = frame_of(make_machine("toy8", 1024)->layout());
  int64_t parameters = 0;
  for (const auto& p : make_model(config)->parameters()) parameters += p.numel();
  EXPECT_NEAR(static_cast<double>(parameters), 110e6, 2e6);
}

TEST(Bgpt, RefusesATraceLongerThanItsSequence) {
  ModelConfig config = tiny_config("bgpt");
  config.patch_length = 10;
  auto model = make_model(config);
  const auto batch = some_traces(50, 15);
  EXPECT_THROW(model->rows(documents(batch), Targets::scored), Error);
}

TEST(Bgpt, LossOnAllPatchesCountsTheMemoryImageToo) {
  auto model = tiny_model(tiny_config("bgpt"));
  const auto batch = some_traces(2, 5);
  const auto traces = documents(batch);
  const auto all = model->rows(traces, Targets::all), states = model->rows(traces, Targets::scored);
  EXPECT_EQ(all.patches.size(0), states.patches.size(0) + 2 * (64 / 16 + 1));
}

}  // namespace
}  // namespace bytecpu
