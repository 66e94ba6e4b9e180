// The family bgpt computes what the published code computes: logits, loss, gradients and free runs, against
// numbers that make_fixtures.py wrote with it. And bare weight files: what is read, and what is refused.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "datagen/io/files.hpp"
#include "datagen/io/safetensors.hpp"
#include "emulator/error.hpp"
#include "model/heads/next_step.hpp"
#include "model/inference/rollout.hpp"
#include "model/training/checkpoint.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

torch::Tensor tensor(const safetensors::File& file, const std::string& name) {
  const auto* stored = file.find(name);
  if (!stored) throw Error("{}: no tensor {}", file.path().string(), name);
  const auto type = stored->dtype == safetensors::Dtype::F32   ? torch::kFloat
                    : stored->dtype == safetensors::Dtype::I64 ? torch::kLong
                    : stored->dtype == safetensors::Dtype::I32 ? torch::kInt
                                                               : torch::kByte;
  auto result = torch::empty(stored->shape, type);
  if (!stored->bytes.empty()) std::memcpy(result.data_ptr(), stored->bytes.data(), stored->bytes.size());
  return result;
}

class Published : public testing::TestWithParam<const char*> {
 protected:
  Published() : expected_(fixture("expected")) {
    layout_.machine = "fixture";
    layout_.memory_bytes = std::stoi(expected_.metadata().at("memory_bytes"));
    layout_.record_bytes = 16;
    model_ = load_published(fixture("weights"), layout_);
    for (const auto bytes : slices("traces", "offsets")) traces_.emplace_back(Trace(layout_, bytes));
  }
  static fs::path fixture(const std::string& kind) {
    return fs::path(BYTECPU_FIXTURES) / (std::string(GetParam()) + "." + kind + ".safetensors");
  }
  // Byte strings that lie back to back in the fixture.
  std::vector<std::span<const uint8_t>> slices(const std::string& bytes, const std::string& offsets) {
    const auto data = expected_.find(bytes)->bytes;
    const auto at = tensor(expected_, offsets);
    std::vector<std::span<const uint8_t>> result;
    for (int64_t i = 0; i + 1 < at.numel(); ++i) {
      const auto first = at[i].item<int64_t>(), last = at[i + 1].item<int64_t>();
      result.push_back(data.subspan(first, last - first));
    }
    return result;
  }
  void expect_logits(const Rows& rows, const torch::Tensor& logits, int64_t first) {
    const auto sampled = tensor(expected_, "sampled").slice(0, first, first + rows.patches.size(0));
    const auto log_sum = tensor(expected_, "log_sum").slice(0, first, first + rows.patches.size(0));
    ASSERT_EQ(sampled.sizes(), logits.slice(2, 0, symbols, 64).sizes());
    EXPECT_TRUE(torch::allclose(logits.slice(2, 0, symbols, 64), sampled, 1e-5, 1e-5));
    EXPECT_TRUE(torch::allclose(logits.logsumexp(-1), log_sum, 1e-5, 1e-5));
  }

  safetensors::File expected_;
  Layout layout_;
  std::shared_ptr<ByteModel> model_;
  std::vector<Document> traces_;
};

INSTANTIATE_TEST_SUITE_P(Fixtures, Published, testing::Values("patch16", "patch4"),
                         [](const auto& which) { return std::string(which.param); });

TEST_P(Published, LogitsOfAPaddedBatchAreThePublishedOnes) {
  torch::NoGradGuard no_grad;
  const auto rows = model_->rows(traces_, Targets::all);
  ASSERT_EQ(rows.patches.size(0), tensor(expected_, "log_sum").size(0));
  expect_logits(rows, model_->logits(rows.condition, rows.patches), 0);
}

TEST_P(Published, LogitsOfEachTraceAloneAreThePublishedOnes) {
  torch::NoGradGuard no_grad;
  int64_t first = 0;
  for (const auto& trace : traces_) {
    const auto rows = model_->rows({&trace, 1}, Targets::all);
    expect_logits(rows, model_->logits(rows.condition, rows.patches), first);
    first += rows.patches.size(0);
  }
}

TEST_P(Published, LossAndGradientsAreThePublishedOnes) {
  const auto rows = model_->rows(traces_, Targets::all);
  const auto loss = cross_entropy(model_->logits(rows.condition, rows.patches), rows.patches).nats;
  EXPECT_NEAR(loss.item<double>(), tensor(expected_, "loss").item<double>(), 1e-5);
  loss.backward();
  size_t compared = 0;
  for (const auto& item : model_->named_parameters()) {
    if (!item.value().grad().defined()) {
      EXPECT_EQ(item.key(), "patch_level_decoder.base.wte.weight");  // published, and unused
      continue;
    }
    const auto index = tensor(expected_, "index." + item.key()).to(torch::kLong);
    const auto gradient =
        torch::zeros({item.value().numel()}).index_put_({index}, tensor(expected_, "gradient." + item.key()));
    const double largest = gradient.abs().max().item<double>();
    const double difference = (item.value().grad().flatten() - gradient).abs().max().item<double>();
    EXPECT_LE(difference, 1e-4 * largest) << item.key();
    EXPECT_GT(largest, 0) << item.key();
    ++compared;
  }
  EXPECT_EQ(compared, model_->named_parameters().size() - 1);
}

TEST_P(Published, FreeRunsAreThePublishedOnes) {
  const auto generated = slices("generated", "generated_offsets");
  const std::vector<int64_t> room(traces_.size(), 1000);
  const auto runs = roll_out(*model_, traces_, room);
  ASSERT_EQ(generated.size(), runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    EXPECT_TRUE(runs[i].ended);
    EXPECT_TRUE(std::ranges::equal(runs[i].steps, generated[i])) << "trace " << i;
  }
}

// Weight files made from the fixture of the longest patches.
class WeightFile : public testing::Test {
 protected:
  WeightFile() : folder_(fs::temp_directory_path() / ("bytecpu-weights-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    layout_.machine = "fixture";
    layout_.memory_bytes = layout_.record_bytes = 16;
  }
  ~WeightFile() override { fs::remove_all(folder_); }

  using Metadata = safetensors::Metadata;
  // Writes the fixture again with what `edit` does to its tensors.
  fs::path edited(const std::function<void(std::vector<safetensors::Tensor>&)>& edit,
                  const Metadata& metadata = {{"patch_heads", "2"}, {"byte_heads", "2"}}) {
    const safetensors::File file(fixture_);
    auto tensors = file.tensors();
    edit(tensors);
    safetensors::write(folder_ / "w.safetensors", tensors, metadata);
    return folder_ / "w.safetensors";
  }
  static safetensors::Tensor& at(std::vector<safetensors::Tensor>& tensors, const std::string& name) {
    return *std::ranges::find(tensors, name, &safetensors::Tensor::name);
  }
  std::string error(const fs::path& file) {
    try {
      load_published(file, layout_);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  }
  void expect_error(const fs::path& file, const std::string& part) {
    EXPECT_NE(error(file).find(part), std::string::npos) << error(file);
    EXPECT_NE(error(file).find(file.filename().string()), std::string::npos) << error(file);
  }

  const fs::path fixture_ = fs::path(BYTECPU_FIXTURES) / "patch4.weights.safetensors";
  const std::string table_ = "byte_level_decoder.base.transformer.wte.weight",
                    output_ = "byte_level_decoder.base.lm_head.weight",
                    positions_ = "patch_level_decoder.base.wpe.weight",
                    norm_ = "patch_level_decoder.base.ln_f.bias";
  fs::path folder_;
  Layout layout_;
};

TEST_F(WeightFile, SizesAreThoseOfItsTensors) {
  const auto config = load_published(fixture_, layout_)->config();
  EXPECT_EQ(config.family, "bgpt");
  EXPECT_EQ(config.patch_size, 4);
  EXPECT_EQ(config.patch_length, 2 + (16 + 16 * 6) / 4);
  EXPECT_EQ(config.patch_layers, 2);
  EXPECT_EQ(config.byte_layers, 2);
  EXPECT_EQ(config.patch_width, 8);
  EXPECT_EQ(config.byte_width, 8);
  EXPECT_EQ(config.patch_heads, 2);
  EXPECT_EQ(config.byte_heads, 2);
}

TEST_F(WeightFile, HeadsAreThoseOfTheMetadataElse64Wide) {
  auto config = tiny_config("bgpt");
  config.frame = frame_of(layout_);
  config.patch_width = config.byte_width = 128;
  config.patch_heads = config.byte_heads = 4;
  const auto model = tiny_model(config);
  const Optimizer optimizer(model->trained_parameters(), {});
  save_checkpoint(folder_, 1, *model, optimizer, {});
  const auto file = folder_ / "step-00000001" / "model.safetensors";
  EXPECT_EQ(load_published(file, layout_)->config().patch_heads, 4);
  EXPECT_EQ(load_published(file, layout_)->config().byte_heads, 4);
  const safetensors::File stored(file);
  safetensors::write(folder_ / "w", stored.tensors(), {});
  EXPECT_EQ(load_published(folder_ / "w", layout_)->config().patch_heads, 2);

  expect_error(edited([](auto&) {}, {}), "how many attention heads?");
  expect_error(edited([](auto&) {}, {{"patch_heads", "3"}}), "patch_heads is \"3\"");
  expect_error(edited([](auto&) {}, {{"byte_heads", "2x"}}), "byte_heads is \"2x\"");
}

TEST_F(WeightFile, TheTiedTensorMayBeThereOnceAndMasksAreIgnored) {
  const std::vector<uint8_t> mask(16);
  const auto once = edited([&](auto& tensors) {
    std::erase_if(tensors, [&](const auto& t) { return t.name == output_; });
    tensors.push_back(
        {"patch_level_decoder.base.h.0.attn.bias", safetensors::Dtype::BOOL, {1, 1, 4, 4}, mask});
    tensors.push_back({"patch_level_decoder.base.h.0.attn.masked_bias",
                       safetensors::Dtype::F32,
                       {},
                       std::span(mask).first(4)});
  });
  EXPECT_EQ(error(once), "loaded");
  const auto file = edited([&](auto& tensors) {
    at(tensors, output_).bytes =
        at(tensors, "patch_level_decoder.patch_embedding.weight").bytes.first(257 * 8 * 2);
  });
  expect_error(file, "\"" + output_ + "\" differ");
}

TEST_F(WeightFile, WhatDoesNotFitIsNamed) {
  const auto without = [&](const std::string& name) {
    return edited(
        [&](auto& tensors) { std::erase_if(tensors, [&](const auto& t) { return t.name == name; }); });
  };
  expect_error(without(norm_), "\"" + norm_ + "\" is missing");
  expect_error(without(table_), "\"" + table_ + "\" is missing");
  expect_error(without(positions_), "\"" + positions_ + "\" is missing");
  expect_error(without("patch_level_decoder.base.h.0.ln_1.weight"), "patch-layers");
  expect_error(without("patch_level_decoder.base.h.1.ln_1.weight"), "\"patch_level_decoder.base.h.1.");
  expect_error(edited([&](auto& tensors) { at(tensors, norm_).name = "surprise"; }), "\"surprise\"");
  expect_error(edited([&](auto& tensors) {
                 at(tensors, norm_).shape = {2, 4};
               }),
               "\"" + norm_ + "\" has shape [2, 4]");
  expect_error(edited([&](auto& tensors) { at(tensors, positions_).shape = {30 * 8}; }),
               "\"" + positions_ + "\" has shape [240]");
  const std::string matrix = "patch_level_decoder.base.h.0.attn.c_attn.weight";
  expect_error(edited([&](auto& tensors) { std::ranges::reverse(at(tensors, matrix).shape); }),
               "\"" + matrix + "\" has shape [24, 8], the model wants [8, 24]");

  expect_error(edited([&](auto& tensors) { at(tensors, norm_).dtype = safetensors::Dtype::I16; }),
               "\"" + norm_ + "\" is of type I16");
  const std::vector<uint16_t> bad(8, 0x7e00);  // NaN in half precision
  expect_error(edited([&](auto& tensors) {
                 at(tensors, norm_).bytes = {reinterpret_cast<const uint8_t*>(bad.data()), 16};
               }),
               "\"" + norm_ + "\" holds NaN");
  expect_error(folder_ / "none.safetensors", "none.safetensors");
  layout_.memory_bytes = 1024;
  expect_error(fixture_, "patch-length");
}

TEST_F(WeightFile, HugeSizesAreRefusedBeforeTheyAreAllocated) {
  const std::vector<uint8_t> wide(4'000'000);
  expect_error(edited([&](auto& tensors) {
                 at(tensors, positions_).shape = {1, 2'000'000};
                 at(tensors, positions_).bytes = wide;
               }),
               "too small");
  expect_error(edited([&](auto& tensors) {
                 at(tensors, positions_).shape = {int64_t{1} << 40, 0};
                 at(tensors, positions_).bytes = {};
               }),
               "\"" + positions_ + "\"");
}

TEST_F(WeightFile, TruncatedAnywhereItIsAnError) {
  const auto whole = read_file(fixture_);
  for (size_t length = 0; length < whole.size(); length += 997) {
    write_file(folder_ / "cut.safetensors", std::string_view(whole).substr(0, length));
    expect_error(folder_ / "cut.safetensors", "cut.safetensors");
  }
}

TEST_F(WeightFile, StartsATrainingOfTheSameSizesOnly) {
  ModelConfig config;
  config.frame = frame_of(layout_);
  config.patch_size = 4;
  config.patch_length = 30;
  config.patch_layers = config.byte_layers = config.patch_heads = config.byte_heads = 2;
  config.patch_width = config.byte_width = 8;
  config.byte_init = "structured";
  const auto model = make_model(config);
  load_initial_weights(fixture_, *model);
  const auto loaded = load_published(fixture_, layout_);
  for (const auto& item : loaded->named_parameters()) {
    EXPECT_TRUE(torch::equal(model->named_parameters()[item.key()], item.value())) << item.key();
  }

  config.patch_layers = 1;
  config.byte_heads = 4;
  try {
    load_initial_weights(fixture_, *make_model(config));
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(std::string(e.what()).ends_with("give --patch-layers 2 --byte-heads 2")) << e.what();
  }
}

}  // namespace
}  // namespace bytecpu
