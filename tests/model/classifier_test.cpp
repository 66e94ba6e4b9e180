// The family "classifier": bGPT's patch level and a layer that tells labels.
#include "model/network/classifier.hpp"

#include <gtest/gtest.h>

#include <set>

#include "emulator/error.hpp"
#include "model/inference/continuation.hpp"
#include "model/inference/likelihood.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/optimizer.hpp"
#include "tests/datagen/support.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using Bytes = std::vector<uint8_t>;

// Files of several lengths, and labels of theirs.
struct Labelled {
  std::vector<Bytes> files = {
      test::random_bytes(1, 1), test::random_bytes(40, 2), {}, test::random_bytes(8, 3)};
  std::vector<Document> documents = {Document::label("dog", file(0)), Document::label("cat", file(1)),
                                     Document::label("cow", file(2)), Document::label("cat", file(3))};
  Document file(size_t i) const { return Document::file("wav", files[i]); }
};

TEST(Classifier, HasTheNamesAndShapesOfThePublishedOne) {
  const auto model = make_model(classifier_config());
  const auto parameters = model->named_parameters();
  std::set<std::string> others;
  for (const auto& item : parameters) {
    if (!item.key().starts_with("patch_level_decoder.base.")) others.insert(item.key());
  }
  EXPECT_EQ(others, (std::set<std::string>{"classifier.bias", "classifier.weight",
                                           "patch_level_decoder.patch_embedding.bias",
                                           "patch_level_decoder.patch_embedding.weight"}));
  EXPECT_EQ(parameters["classifier.weight"].sizes(), (std::vector<int64_t>{3, model->config().patch_width}));
  EXPECT_TRUE(parameters.contains("patch_level_decoder.base.wte.weight"));
}

TEST(Classifier, TellsAFileTheSameWhateverIsBesideIt) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(classifier_config());
  const Labelled labelled;
  const auto rows = model->rows(labelled.documents, Targets::scored);
  EXPECT_TRUE(torch::equal(rows.patches.flatten(), torch::tensor({1, 0, 2, 0})));
  const auto loss = model->loss(rows.condition, rows.patches);
  for (size_t i = 0; i < labelled.documents.size(); ++i) {
    const auto shares = label_probabilities(*model, labelled.file(i));
    ASSERT_EQ(shares.size(), 3U);
    EXPECT_NEAR(shares[0] + shares[1] + shares[2], 1, 1e-9);
    const auto row = static_cast<int64_t>(i);
    const auto label = static_cast<size_t>(rows.patches[row].item<int64_t>());
    EXPECT_NEAR(-std::log(shares[label]), loss.row_nats[row].item<double>(), 1e-4);
    const bool best = std::ranges::max_element(shares) - shares.begin() == static_cast<int64_t>(label);
    EXPECT_EQ(loss.mistakes[row].item<int64_t>(), best ? 0 : 1);
  }
  // A piece that was cut is read with an end, as it is learned.
  auto piece = labelled.file(1);
  piece.complete = false;
  EXPECT_EQ(label_probabilities(*model, piece), label_probabilities(*model, labelled.file(1)));
  const auto chosen = torch::tensor({false, true, false, true});
  const auto some = model->rows(labelled.documents, Targets::scored, chosen);
  EXPECT_TRUE(torch::allclose(some.condition, rows.condition.index({chosen}), 1e-4, 1e-5));
  EXPECT_TRUE(torch::equal(some.document, torch::tensor({1, 3})));
}

// The mean is over the extension, the file's patches and the end.
TEST(Classifier, ReadsTheMeanOverAllPatches) {
  torch::NoGradGuard no_grad;
  auto config = classifier_config();
  config.patch_layers = 1;
  const auto model = make_model(config);
  const Labelled labelled;
  auto parameters = model->named_parameters();
  // Without what the block adds, features are the normed sums of bytes and places.
  for (const auto& item : parameters) {
    if (item.key().find("c_proj") != std::string::npos) item.value().zero_();
  }
  const auto table = parameters["patch_level_decoder.patch_embedding.weight"];
  auto sum = torch::zeros({config.patch_width});
  const std::vector<std::vector<int64_t>> patches = {{'w', 'a', 'v', nothing},
                                                     {labelled.files[0][0], nothing, nothing, nothing},
                                                     {nothing, nothing, nothing, nothing}};
  for (size_t p = 0; p < patches.size(); ++p) {
    auto x = parameters["patch_level_decoder.base.wpe.weight"][static_cast<int64_t>(p)].clone();
    for (int64_t i = 0; i < 4; ++i) x += table.select(1, i * symbols + patches[p][static_cast<size_t>(i)]);
    sum += torch::layer_norm(x, {config.patch_width});
  }
  const auto rows = model->rows(std::span(labelled.documents).first(1), Targets::scored);
  EXPECT_TRUE(torch::allclose(rows.condition[0], sum / 3, 1e-4, 1e-5));
}

TEST(Classifier, RefusesWhatIsNoLabelAndWritesNoFiles) {
  const auto model = tiny_model(classifier_config());
  const Labelled labelled;
  const std::vector unknown = {Document::label("bird", labelled.file(0))}, file = {labelled.file(1)};
  EXPECT_THROW(model->rows(unknown, Targets::scored), Error);
  EXPECT_THROW(model->rows(file, Targets::scored), Error);
  EXPECT_THROW(continue_files(*model, std::vector{labelled.file(2)}, {}), Error);
  const auto bytes = test::random_bytes(120, 1);
  const std::vector too_long = {Document::label("cat", Document::file("wav", bytes))};
  EXPECT_THROW(model->rows(too_long, Targets::scored), Error);
  auto config = classifier_config();
  config.frame.labels.clear();
  EXPECT_THROW(make_model(config), Error);
}

TEST(Classifier, FrozenItTellsTheSame) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(classifier_config());
  const Labelled labelled;
  model->set_precision(torch::kBFloat16);
  const auto expected = model->rows(labelled.documents, Targets::scored).condition;
  model->freeze(torch::kBFloat16);
  EXPECT_TRUE(torch::equal(model->rows(labelled.documents, Targets::scored).condition, expected));
}

TEST(Classifier, EveryParameterButTheUnusedRowLearns) {
  const auto model = tiny_model(classifier_config());
  const Labelled labelled;
  const auto rows = model->rows(labelled.documents, Targets::scored);
  model->loss(rows.condition, rows.patches).nats.backward();
  for (const auto& item : model->named_parameters()) {
    if (item.key().ends_with("wte.weight")) continue;
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

TEST(Classifier, StartsFromAGenerativeModelOrAClassifier) {
  const test::TemporaryFolder folder;
  const auto config = classifier_config();
  auto generative = config;
  generative.family = "bgpt";
  generative.frame.labels.clear();
  int step = 0;
  const auto started_from = [&](const std::shared_ptr<ByteModel>& from) {
    Optimizer optimizer(from->trained_parameters(), {});
    const auto run = folder / std::to_string(++step);
    std::filesystem::create_directory(run);
    save_checkpoint(run, step, *from, optimizer, {});
    torch::manual_seed(7);
    const auto started = make_model(config);
    torch::manual_seed(7);
    const auto fresh = make_model(config);
    load_initial_weights(run, *started);
    for (const auto& item : started->named_parameters()) {
      const bool fresh_one =
          from->config().frame.labels != config.frame.labels && item.key().starts_with("classifier.");
      const auto expected = (fresh_one ? fresh : from)->named_parameters()[item.key()];
      EXPECT_TRUE(torch::equal(item.value(), expected)) << item.key();
    }
  };
  started_from(tiny_model(generative, 1));
  started_from(tiny_model(config, 2));
  // Of others the last layer is not taken.
  auto fewer = config, others = config;
  fewer.frame.labels.pop_back();
  others.frame.labels[1] = "duck";
  started_from(tiny_model(fewer, 3));
  started_from(tiny_model(others, 4));
  auto wider = config;
  wider.patch_size = 8;
  try {
    started_from(tiny_model(wider, 5));
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(std::string(e.what()).ends_with("give --patch-size 8")) << e.what();
  }
}

}  // namespace
}  // namespace bytecpu
