// Files as documents: what bGPT predicts of them, how probable they are to it, and how it goes on from a beginning.
#include <gtest/gtest.h>

#include <numbers>
#include <set>

#include "emulator/error.hpp"
#include "model/inference/continuation.hpp"
#include "model/inference/likelihood.hpp"
#include "model/training/validation.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

ModelConfig file_config(int patch_size = 16) {
  auto config = tiny_config("bgpt");
  config.frame = frame_of_files();
  config.patch_size = patch_size;
  return config;
}

std::vector<int64_t> values(const torch::Tensor& t) {
  const auto flat = t.contiguous().flatten();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

// A patch of text, filled with "nothing".
std::vector<int64_t> patch_of(std::string_view text) {
  std::vector<int64_t> patch(16, nothing);
  std::ranges::transform(text, patch.begin(), [](char c) { return static_cast<uint8_t>(c); });
  return patch;
}

std::vector<std::vector<int64_t>> patches(const Rows& rows) {
  std::vector<std::vector<int64_t>> all;
  for (int64_t i = 0; i < rows.patches.size(0); ++i) all.push_back(values(rows.patches[i]));
  return all;
}

TEST(Files, AreCutIntoPatchesAndEndWithOneOfNothing) {
  const auto model = tiny_model(file_config());
  const auto short_file = bytes_of("seventeen bytes!!"), full = bytes_of("sixteen bytes!!!"),
             empty = bytes_of("");
  const std::vector documents = {Document::file("txt", short_file), Document::file("txt", full),
                                 Document::file("", empty), Document::file("txt", short_file, false)};
  const auto rows = model->rows(documents, Targets::scored);
  EXPECT_EQ(patches(rows), (std::vector{patch_of("seventeen bytes!"), patch_of("!"), patch_of(""),
                                        patch_of("sixteen bytes!!!"), patch_of(""), patch_of(""),
                                        patch_of("seventeen bytes!"), patch_of("!")}));
  EXPECT_EQ(values(rows.document), (std::vector<int64_t>{0, 0, 0, 1, 1, 2, 3, 3}));
  EXPECT_EQ(values(rows.step), (std::vector<int64_t>{0, 1, 2, 0, 1, 0, 0, 1}));
  EXPECT_EQ(patches(model->rows(documents, Targets::all)), patches(rows));
  for (const auto& [document, length] : {std::pair{documents[0], 4}, {documents[2], 2}}) {
    EXPECT_EQ(model->length(document), length);
  }
}

TEST(Files, OfAPairTheSecondIsScoredAndAllOfItIsATarget) {
  const auto model = tiny_model(file_config());
  const auto abc = bytes_of("X:1"), mid = bytes_of("MThd");
  const std::vector pair = {Document::file("mid", mid).from("abc", abc)};
  EXPECT_EQ(patches(model->rows(pair, Targets::scored)), (std::vector{patch_of("MThd"), patch_of("")}));
  EXPECT_EQ(patches(model->rows(pair, Targets::all)),
            (std::vector{patch_of("X:1"), patch_of("mid"), patch_of("MThd"), patch_of("")}));
  for (const auto targets : {Targets::scored, Targets::all}) {
    EXPECT_EQ(model->predicted(pair[0], targets), model->rows(pair, targets).patches.size(0));
  }
}

TEST(Files, ExtensionAndContextCountForWhatFollows) {
  const auto model = tiny_model(file_config());
  const auto a = bytes_of("context"), b = bytes_of("contexu"), steps = bytes_of("what follows");
  const auto nats = [&](const Document& document) {
    return nats_of(*model, std::span(&document, 1), 100)[0];
  };
  const auto plain = Document::file("txt", steps);
  EXPECT_NE(nats(plain), nats(Document::file("bmp", steps)));
  EXPECT_NE(nats(plain.from("txt", a)), nats(plain));
  EXPECT_NE(nats(plain.from("txt", a)), nats(plain.from("txt", b)));
  EXPECT_NE(nats(plain.from("txt", a)), nats(plain.from("bmp", a)));
}

TEST(Files, NatsAreThoseOfTheirBytesWhateverTheBatch) {
  const auto model = tiny_model(file_config());
  std::vector<Bytes> files;
  for (int i = 0; i < 12; ++i) files.push_back(bytes_of(std::string(static_cast<size_t>(i * 7), 'a' + i)));
  std::vector<Document> documents;
  for (const auto& file : files) documents.push_back(Document::file("txt", file));
  int64_t done = 0;
  const auto together = nats_of(*model, documents, 1000, [&](int64_t n) { done = n; });
  EXPECT_EQ(done, 12);
  for (size_t i = 0; i < documents.size(); ++i) {
    // From the history of a free run, byte after byte.
    c10::InferenceMode inference;
    const auto start = documents[i].first(0);
    const auto history = model->begin(std::span(&start, 1));
    double nats = 0;
    for (int64_t t = 0; t <= documents[i].count(); ++t) {
      auto patch = torch::full({1, 16}, nothing, torch::kLong);
      if (t < documents[i].count()) std::ranges::copy(documents[i].step(t), patch.data_ptr<int64_t>());
      const auto log_p = model->logits(history->condition(), patch).log_softmax(2);
      nats -= log_p.gather(2, patch.unsqueeze(2)).sum().item<double>();
      history->append(patch);
    }
    EXPECT_NEAR(together[i], nats, 1e-3 * nats) << i;
    EXPECT_NEAR(nats_of(*model, std::span(&documents[i], 1), 1)[0], together[i], 1e-4 * nats) << i;
  }
}

TEST(Files, ValidationCountsBitsOfRealBytes) {
  const auto model = tiny_model(file_config());
  const auto text = bytes_of("some bytes of a file");
  Pool pool(Layout{});
  pool.files = {Document::file("txt", text), Document::file("txt", text)};
  check_held_out(*model, pool);
  Ranks alone;
  const auto found = validate(*model, pool, 100, alone);
  const auto nats = nats_of(*model, pool.files, 100);
  EXPECT_NEAR(found.bits_per_byte, (nats[0] + nats[1]) / std::numbers::ln2 / 40, 1e-4);

  const auto longer = bytes_of(std::string(1000, 'a'));
  pool.files.push_back(Document::file("txt", longer));
  EXPECT_THROW(check_held_out(*model, pool), Error);
}

// Goes on byte by byte, all that is there read anew for each.
Continuation plainly(ByteModel& model, Document start, const ContinuationOptions& options, uint64_t stream) {
  c10::InferenceMode inference;
  const int64_t patch = model.config().patch_size;
  NativeRandom random(options.seed, stream);
  Continuation result;
  Bytes all(start.steps.begin(), start.steps.end());
  const auto given = all.size();
  while (true) {
    auto document = start;
    document.complete = false;
    const auto whole = all.size() - all.size() % static_cast<size_t>(patch);
    document.steps = std::span(all).first(whole);
    const auto history = model.begin(std::span(&document, 1));
    auto next = torch::full({1, patch}, nothing, torch::kLong);
    std::ranges::copy(std::span(all).subspan(whole), next.data_ptr<int64_t>());
    const auto i = static_cast<int64_t>(all.size() - whole);
    const auto logits = model.logits(history->condition(), next).select(1, i).to(torch::kFloat).contiguous();
    const auto symbol =
        sample({logits.data_ptr<float>(), static_cast<size_t>(symbols)}, options.sampling, random);
    result.ended = symbol == nothing;
    const bool full = std::ssize(all) == options.most_bytes ||
                      (i == 0 && model.length(document) == model.config().patch_length);
    if (result.ended || full) break;
    all.push_back(static_cast<uint8_t>(symbol));
  }
  result.bytes.assign(all.begin() + static_cast<std::ptrdiff_t>(given), all.end());
  return result;
}

// A model that ends its files now and then. In double, where a product's rounding does not change what is drawn.
std::shared_ptr<ByteModel> talkative(int patch_size, uint64_t seed) {
  auto model = tiny_model(file_config(patch_size), seed);
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (item.key() == "byte_level_decoder.base.transformer.wte.weight") {
      item.value().mul_(5);
      item.value()[nothing].mul_(2);
    }
  }
  model->to(torch::kDouble);
  model->set_precision(torch::kDouble);
  return model;
}

TEST(Labels, HaveTheProbabilityOfWhatFollowsTheFile) {
  auto config = file_config();
  config.frame.labels = {"cat", "dog", "a bird with a long name"};
  const auto model = tiny_model(config);
  const auto bytes = bytes_of("meow");
  const auto file = Document::file("wav", bytes);
  const auto shares = label_probabilities(*model, file);
  ASSERT_EQ(shares.size(), 3U);
  EXPECT_NEAR(shares[0] + shares[1] + shares[2], 1, 1e-9);
  const auto nats = [&](std::string_view label) {
    const auto text = bytes_of(label);
    const auto document = Document::file("label", text).from("wav", bytes);
    return nats_of(*model, std::span(&document, 1), 100)[0];
  };
  EXPECT_NEAR(std::log(shares[0] / shares[1]), nats("dog") - nats("cat"), 1e-3);
  EXPECT_NEAR(std::log(shares[0] / shares[2]), nats(config.frame.labels[2]) - nats("cat"), 1e-3);

  config.frame.labels.emplace_back("not UTF-8: \xff");
  nlohmann::ordered_json json = config;
  EXPECT_EQ(nlohmann::ordered_json::parse(json.dump()).get<ModelConfig>(), config);
  json["labels"] = {1};
  EXPECT_THROW(json.get<ModelConfig>(), std::exception);
}

class Continuations : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(PatchSizes, Continuations, testing::Values(16, 4));

TEST_P(Continuations, AreThoseOfThePlainWayForEveryBeginning) {
  const auto model = talkative(GetParam(), 3);
  std::vector<Bytes> begun;
  for (const size_t length : {0, 0, 1, 15, 16, 17, 40, 16, 0}) begun.emplace_back(length, 'a' + length);
  const auto context = bytes_of("the file that it is made from");
  std::vector<Document> starts;
  for (const auto& bytes : begun) starts.push_back(Document::file("txt", bytes));
  starts.push_back(Document::file("mid", begun[3]).from("abc", context));
  std::set<std::string> different;
  int ended = 0;
  for (const double temperature : {0.0, 1.0}) {
    const ContinuationOptions options{.sampling = {.temperature = temperature, .top_k = 100, .top_p = 0.9},
                                      .seed = 5,
                                      .first_stream = 7,
                                      .most_bytes = 90};
    const auto found = continue_files(*model, starts, options);
    ASSERT_EQ(found.size(), starts.size());
    for (size_t i = 0; i < starts.size(); ++i) {
      const auto expected = plainly(*model, starts[i], options, options.first_stream + i);
      EXPECT_EQ(found[i].bytes, expected.bytes) << i;
      EXPECT_EQ(found[i].ended, expected.ended) << i;
      EXPECT_LE(found[i].bytes.size() + starts[i].steps.size(), 90U);
      different.emplace(found[i].bytes.begin(), found[i].bytes.end());
      ended += found[i].ended;
    }
  }
  EXPECT_GT(different.size(), 8U);
  EXPECT_GT(ended, 0);
  EXPECT_LT(ended, 20);
}

TEST(Continuations, StopWhereTheModelHasNoRoom) {
  const auto model = talkative(16, 3);
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {  // never an end
    if (item.key() == "byte_level_decoder.base.transformer.wte.weight") item.value()[nothing].zero_();
  }
  const Bytes room_for_one(29 * 16, 'a'), none(30 * 16, 'a'), begun(3, 'b');
  const auto at = [&](const Bytes& context) {
    const std::vector starts = {Document::file("mid", begun).from("abc", context)};
    return continue_files(*model, starts, {.sampling = {.temperature = 0}})[0];
  };
  const auto last = at(Bytes(28 * 16, 'a'));
  EXPECT_EQ(last.bytes.size(), 16 - begun.size());
  EXPECT_FALSE(last.ended);
  EXPECT_THROW(at(room_for_one), Error);
  EXPECT_THROW(at(none), Error);
}

TEST(Sample, TakesTheMostProbableAtTemperatureZero) {
  NativeRandom random(1, 0);
  const std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(sample(logits, {.temperature = 0}, random), 1);
}

TEST(Sample, DrawsByTheProbabilitiesThatTheFiltersLeave) {
  NativeRandom random(1, 0);
  const std::vector<float> logits = {std::log(0.1F), std::log(0.4F), std::log(0.3F), std::log(0.2F)};
  const auto shares = [&](const Sampling& sampling) {
    std::vector<double> counts(logits.size());
    for (int i = 0; i < 20'000; ++i)
      counts[static_cast<size_t>(sample(logits, sampling, random))] += 1.0 / 20'000;
    return counts;
  };
  const auto expect = [&](const Sampling& sampling, const std::vector<double>& wanted) {
    const auto found = shares(sampling);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 0.02) << i;
  };
  expect({}, {0.1, 0.4, 0.3, 0.2});
  expect({.top_k = 2}, {0, 4.0 / 7, 3.0 / 7, 0});
  expect({.top_p = 0.75}, {0, 4.0 / 9, 3.0 / 9, 2.0 / 9});
  expect({.top_p = 0.3}, {0, 1, 0, 0});
  expect({.temperature = 0.5}, {0.01 / 0.3, 0.16 / 0.3, 0.09 / 0.3, 0.04 / 0.3});
  // Nucleus within the most probable three, then the temperature.
  expect({.temperature = 0.5, .top_k = 3, .top_p = 0.7}, {0, 16.0 / 25, 9.0 / 25, 0});
}

}  // namespace
}  // namespace bytecpu
