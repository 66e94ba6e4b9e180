// What a bGPT with structured bytes can do before it has learned anything.
#include <gtest/gtest.h>

#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

ModelConfig structured(int memory_bytes) {
  auto c = tiny_config("bgpt");
  c.frame = frame_of(make_machine("toy8", memory_bytes)->layout());
  c.patch_length = 128;
  c.patch_width = c.byte_width = 256;
  c.byte_layers = 1;
  c.byte_heads = 32;
  c.byte_init = "structured";
  return c;
}

// The share of bytes 1 … P - 1 of each state for which the untrained model's favourite is that of the state before.
double copied(const ModelConfig& config) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  const auto model = make_model(config);
  ProgramStream::Options options;
  options.memory_bytes = config.frame.context_bytes;
  options.programs.max_instructions = 15;
  options.pool_traces = 20;
  ProgramStream stream(options);
  Pool pool(stream.frame().layout);
  stream.fill(0, {}, pool);
  const auto traces = documents(pool);
  const auto rows = model->rows(traces, Targets::scored);
  const auto best = model->logits(rows.condition, rows.patches).argmax(2);
  int64_t right = 0, all = 0;
  for (int64_t row = 0; row < best.size(0); ++row) {
    const auto& trace = traces[rows.document.data_ptr<int64_t>()[row]];
    const int64_t before = (rows.step.data_ptr<int64_t>()[row] - 1) * config.patch_size;
    if (before + config.patch_size >= std::ssize(trace.steps)) continue;  // the end
    for (int64_t i = 1; i < config.patch_size; ++i, ++all)
      right += best[row][i].item<int64_t>() == trace.steps[before + i];
  }
  EXPECT_GT(all, 100);
  return static_cast<double>(right) / static_cast<double>(all);
}

TEST(StructuredBgpt, CopiesARecordBeforeItHasLearnedAnything) {
  EXPECT_GT(copied(structured(64)), 0.6);
  auto projected = structured(64);
  projected.patch_width = 320;
  EXPECT_GT(copied(projected), 0.6);
  EXPECT_GT(copied(structured(1024)), 0.6);
  auto normal = structured(64);
  normal.byte_init = "normal";
  EXPECT_LT(copied(normal), 0.2);
}

torch::Tensor parameter(const ByteModel& model, const std::string& name) {
  return model.named_parameters()[name].detach();
}

TEST(StructuredBgpt, BytesHaveLanesAndPatchesCodesOfTheirPlace) {
  const auto config = structured(1024);
  const auto model = make_model(config);
  const auto bytes = parameter(*model, "patch_level_decoder.patch_embedding.weight");
  const auto lane = bytes.slice(0, 3 * 9, 4 * 9).select(1, 3 * 257 + 0x81);  // byte 3 of a patch is 0x81
  EXPECT_TRUE(torch::allclose(lane, torch::tensor({1., -1., -1., -1., -1., -1., -1., 1., 0.}, torch::kFloat),
                              0, 0.02))
      << lane;
  const auto other = bytes.slice(0, 4 * 9, 5 * 9).select(1, 3 * 257 + 0x81);
  EXPECT_LT(other.abs().max().item<double>(), 0.02);

  // Patch 0 is the extension, 1 … 64 the memory, 65 state 0.
  const auto places = parameter(*model, "patch_level_decoder.base.wpe.weight").slice(1, 16 * 9, 16 * 9 + 17);
  const auto number = [&](int64_t p) {
    return places[p].slice(0, 7).gt(0).mul(torch::pow(2, torch::arange(10))).sum().item<int64_t>();
  };
  for (const int64_t p : {1, 7, 64}) EXPECT_EQ(number(p), p - 1) << p;
  for (const int64_t p : {65, 68, 127}) EXPECT_EQ(number(p), p - 65) << p;
  EXPECT_EQ(places[0].slice(0, 0, 3).argmax().item<int64_t>(), 0);
  EXPECT_EQ(places[64].slice(0, 0, 3).argmax().item<int64_t>(), 1);
  EXPECT_EQ(places[65].slice(0, 0, 3).argmax().item<int64_t>(), 2);
  EXPECT_EQ(places[68].slice(0, 3, 7).argmax().item<int64_t>(), 3);
}

// The fields behind ADDR3 are A … J, which ADDR1 = 1 … 10 names.
TEST(StructuredBgpt, TheFirstLayerFindsTheBytesThatOperandsName) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  const auto model = make_model(structured(64));
  const std::string layer = "patch_level_decoder.base.h.0.mlp.";
  const auto embedding = parameter(*model, "patch_level_decoder.patch_embedding.weight");
  constexpr int chosen = 16 * 9 + 17 + 3 * 10;
  int right = 0, all = 0;
  for (int trial = 0; trial < 50; ++trial) {
    auto record = torch::randint(0, 256, {16}, torch::kLong);
    record.slice(0, 3, 6) = torch::randint(1, 11, {3}, torch::kLong);
    const auto x = embedding.index_select(1, record + torch::arange(16) * 257).sum(1);
    const auto hidden = torch::matmul(torch::layer_norm(x, {256}), parameter(*model, layer + "c_fc.weight"));
    const auto found = torch::matmul(torch::gelu(hidden, "tanh"), parameter(*model, layer + "c_proj.weight"));
    for (int operand = 0; operand < 3; ++operand) {
      const auto value = record[5 + record[3 + operand].item<int64_t>()].item<int64_t>();
      for (int bit = 0; bit < 8; ++bit, ++all)
        right += (found[chosen + operand * 8 + bit].item<float>() > 0.3) == (value >> bit & 1);
    }
  }
  EXPECT_GT(right, 0.98 * all);
}

TEST(StructuredBgpt, TakesAnySizes) {
  for (const auto& [patch, byte, heads] :
       {std::tuple{16, 16, 2}, {256, 16, 2}, {16, 256, 2}, {176, 176, 16}, {160, 192, 16}, {256, 256, 64}}) {
    auto config = structured(64);
    config.patch_width = patch;
    config.byte_width = byte;
    config.byte_heads = heads;
    const auto model = make_model(config);
    const auto pool = some_traces(3, 4);
    const auto rows = model->rows(documents(pool), Targets::scored);
    EXPECT_TRUE(std::isfinite(model->loss(rows.condition, rows.patches).nats.item<double>())) << patch;
  }
  auto config = structured(64);
  config.frame = frame_of_files();
  const std::vector<uint8_t> text(40, 'a');
  const std::vector files = {Document::file("txt", text)};
  for (const int patch : {1, 4, 16}) {
    config.patch_size = patch;
    const auto model = make_model(config);
    const auto rows = model->rows(files, Targets::all);
    EXPECT_TRUE(std::isfinite(model->loss(rows.condition, rows.patches).nats.item<double>())) << patch;
  }
}

// Lanes, places and heads that copy make a model of files learn text more slowly.
TEST(StructuredBgpt, OfFilesReadsBytesByTheirFeatures) {
  auto config = structured(64);
  config.frame = frame_of_files();
  torch::manual_seed(1);
  const auto model = make_model(config);
  const auto table = parameter(*model, "byte_level_decoder.base.transformer.wte.weight");
  EXPECT_TRUE(torch::equal(table.slice(1, 0, structured_features), symbol_features() * 0.1));
  const auto bytes = parameter(*model, "patch_level_decoder.patch_embedding.weight");
  EXPECT_LT(bytes.abs().max().item<double>(), 2);
  const auto places = parameter(*model, "patch_level_decoder.base.wpe.weight");
  EXPECT_LT(places.abs().max().item<double>(), 0.2);
}

}  // namespace
}  // namespace bytecpu
