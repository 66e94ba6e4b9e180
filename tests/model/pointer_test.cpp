// The family "pointer": its pointers, and that it predicts the same in whatever way it is asked.
#include <gtest/gtest.h>

#include <numeric>

#include "emulator/error.hpp"
#include "model/compute/backend.hpp"
#include "model/inference/compression.hpp"
#include "model/inference/continuation.hpp"
#include "model/inference/likelihood.hpp"
#include "tests/datagen/support.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using Bytes = std::vector<uint8_t>;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// Pairs of several lengths, an output without an input, an empty one, one that is cut.
struct Files {
  Bytes abc = bytes_of("X:1\nK:G\nGABc d2B2|\n"), mid = bytes_of("MThd and what is played"), empty,
        e = bytes_of("e");
  std::vector<Document> documents = {Document::file("mid", mid).from("abc", abc),
                                     Document::file("abc", abc).from("mid", mid), Document::file("txt", mid),
                                     Document::file("mid", empty).from("abc", abc),
                                     Document::file("mid", mid, false).from("abc", e)};
};

// A place that all mass is at: [1, places].
Tensor at(int64_t place, int64_t places) {
  return torch::one_hot(torch::tensor({place}), places).to(torch::kFloat);
}

class Pointers : public testing::TestWithParam<bool> {
 protected:
  Pointers() { use_kernels() = GetParam(); }
  ~Pointers() override { use_kernels() = true; }
  // 4 places, 3 steps; everywhere a stop, nowhere a jump, nothing known of what fits.
  PointerMoves moves_ = {.scores = torch::zeros({1, 3, 4}),
                         .stops = torch::ones({1, 4}),
                         .targets = at(1, 4),
                         .advances = torch::ones({1, 3}),
                         .jumps = torch::zeros({1, 3}),
                         .start = at(0, 4)};
  void expect_places(const std::vector<int64_t>& places) {
    const auto found = move_pointers(moves_);
    for (size_t t = 0; t < places.size(); ++t) {
      const auto row = found[0][static_cast<int64_t>(t)];
      EXPECT_EQ(row.argmax().item<int64_t>(), places[t]) << t;
      EXPECT_GT(row.max().item<double>(), 0.99) << t;
      EXPECT_NEAR(row.sum().item<double>(), 1, 1e-5) << t;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Pointers, testing::Bool(),
                         [](const auto& chosen) { return chosen.param ? "kernel" : "plain"; });

TEST_P(Pointers, GoFromPlaceToPlace) { expect_places({1, 2, 3}); }
TEST_P(Pointers, StayWhereTheyDoNotAdvance) {
  moves_.advances[0][1] = 0;
  expect_places({1, 1, 2});
}
TEST_P(Pointers, PassPlacesThatAreNoStops) {
  moves_.stops[0][1] = 0;
  expect_places({2, 3});
}
TEST_P(Pointers, Jump) {
  moves_.jumps[0][2] = 1;
  expect_places({1, 2, 1});
}
TEST_P(Pointers, AreCorrectedByWhatFits) {
  // Half of the stops are missed; what is written at step 1 is found at place 3 alone.
  moves_.stops.fill_(0.5);
  moves_.scores[0][1] = torch::tensor({-20, -20, -20, 0});
  moves_.advances[0][2] = 0;
  const auto found = move_pointers(moves_);
  EXPECT_LT(found[0][0].max().item<double>(), 0.9);
  EXPECT_GT(found[0][1][3].item<double>(), 0.99);
  EXPECT_GT(found[0][2][3].item<double>(), 0.99);
}

TEST(Pointer, PredictsAByteAsRowsDoWhateverTheBatchAndTheWay) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(pointer_config());
  const Files files;
  const auto& documents = files.documents;
  const auto rows = model->rows(documents, Targets::scored);
  const std::vector<int64_t> counts = {24, 20, 24, 1, 23};
  ASSERT_EQ(rows.patches.size(0), std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  const auto nats = nats_of(*model, documents, 1000);
  int64_t row = 0;
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ(model->predicted(documents[i], Targets::scored), counts[i]) << i;
    EXPECT_NEAR(nats_of(*model, std::span(&documents[i], 1), 1)[0], nats[i], 1e-4 * nats[i]) << i;
    const auto start = documents[i].first(0);
    auto history = model->begin(std::span(&start, 1));
    for (int64_t t = 0; t < counts[i]; ++t, ++row) {
      EXPECT_TRUE(torch::allclose(history->condition()[0], rows.condition[row], 1e-4, 1e-4)) << i << " " << t;
      EXPECT_EQ(rows.document[row].item<int64_t>(), static_cast<int64_t>(i));
      history->append(rows.patches.slice(0, row, row + 1));
    }
  }
}

// A model that writes from the end is one that writes from the beginning of files that are turned round.
TEST(Pointer, WritesFromTheEndWhatIsReadFromTheEnd) {
  torch::NoGradGuard no_grad;
  auto config = pointer_config();
  const auto forward = tiny_model(config);
  config.from_end = true;
  const auto model = tiny_model(config);
  const Files files;
  std::vector<Bytes> turned;
  for (const auto& d : files.documents) {
    turned.emplace_back(d.context.rbegin(), d.context.rend());
    turned.emplace_back(d.steps.rbegin(), d.steps.rend());
  }
  auto documents = files.documents;
  for (size_t i = 0; i < documents.size(); ++i) {
    documents[i].context = turned[2 * i];
    documents[i].steps = turned[2 * i + 1];
  }
  auto parameters = model->named_parameters();
  for (const auto& item : forward->named_parameters()) parameters[item.key()].copy_(item.value());
  parameters["copy.weight"].zero_();
  const auto expected = forward->rows(documents, Targets::scored),
             rows = model->rows(files.documents, Targets::scored);
  EXPECT_TRUE(torch::equal(rows.patches, expected.patches));
  EXPECT_TRUE(torch::allclose(rows.condition.slice(1, 0, config.byte_width), expected.condition));
  // 23 bytes are two steps: those of the second are written first, then the first, then the end.
  EXPECT_EQ(rows.step[0].item<int64_t>(), 1);
  EXPECT_EQ(rows.step[22].item<int64_t>(), 0);
  EXPECT_EQ(rows.step[23].item<int64_t>(), 2);

  const std::vector starts = {documents[0].first(0)}, of_end = {files.documents[0].first(0)};
  const ContinuationOptions options{.sampling = {.temperature = 0}};
  auto made = continue_files(*forward, starts, options)[0];
  const auto as_written = made.bytes;
  std::ranges::reverse(made.bytes);
  EXPECT_NE(made.bytes, as_written);
  const auto made_from_end = continue_files(*model, of_end, options)[0];
  EXPECT_EQ(made_from_end.bytes, made.bytes);
  EXPECT_EQ(made_from_end.ended, made.ended);
  EXPECT_THROW(continue_files(*model, files.documents, options), Error);  // a beginning is given
}

// How many bytes are written is there to be copied, byte by byte.
TEST(Pointer, CanCopyHowManyBytesItHasWritten) {
  torch::NoGradGuard no_grad;
  auto config = pointer_config();
  config.patch_length = 1000;
  config.from_end = true;
  const auto model = tiny_model(config);
  const Bytes input = bytes_of("abc"), output(700, 'x');
  const std::vector documents = {Document::file("mid", output).from("abc", input)};
  const auto rows = model->rows(documents, Targets::scored);
  const auto copying = model->logits(rows.condition, rows.patches);
  model->named_parameters()["copy.weight"].zero_();
  const auto change = (copying - model->logits(rows.condition, rows.patches)).squeeze(1);
  for (const int64_t written : {0, 1, 77, 255, 256, 515, 700}) {
    auto expected = torch::zeros({symbols}, torch::kBool);
    for (const int64_t byte : {written % 256, written / 256, int64_t{0}}) expected[byte] = true;
    EXPECT_TRUE(torch::equal(change[written].ne(0), expected)) << written;
  }
  auto history = model->begin(std::vector{documents[0].first(0)});
  for (int64_t t = 0; t < 300; ++t) {
    EXPECT_TRUE(torch::allclose(history->condition()[0], rows.condition[t], 1e-4, 1e-4)) << t;
    history->append(torch::full({1, 1}, 'x', torch::kLong));
  }
}

TEST(Pointer, GoesOnFromBytesThatAreGivenAndKeepsSomeOfItsFiles) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(pointer_config());
  const Files files;
  std::vector<Document> starts = {files.documents[0].first(0), files.documents[1].first(0),
                                  files.documents[4].first(0)};
  for (size_t i = 0; i < starts.size(); ++i)
    starts[i].steps = files.documents[i == 2 ? 4 : i].steps.first(5 + i);
  const auto rows = model->rows(files.documents, Targets::scored);
  const auto history = model->begin(starts);
  const auto expected = torch::stack({rows.condition[5], rows.condition[24 + 6], rows.condition[69 + 7]});
  EXPECT_TRUE(torch::allclose(history->condition(), expected, 1e-4, 1e-4));
  history->keep(torch::tensor({0, 2}));
  history->append(torch::stack({rows.patches[5], rows.patches[69 + 7]}));
  EXPECT_TRUE(torch::allclose(history->condition(), torch::stack({rows.condition[6], rows.condition[69 + 8]}),
                              1e-4, 1e-4));
}

TEST(Pointer, AFileOfWhichNothingIsPredictedChangesNothing) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(pointer_config());
  const Files files;
  const std::vector some = {files.documents[0], files.documents[4].first(0), files.documents[1]};
  const std::vector others = {files.documents[0], files.documents[1]};
  const auto expected = model->rows(others, Targets::scored);
  for (const bool kernels : {true, false}) {
    use_kernels() = kernels;
    const auto rows = model->rows(some, Targets::scored);
    EXPECT_TRUE(torch::equal(rows.patches, expected.patches));
    EXPECT_TRUE(torch::allclose(rows.condition, expected.condition, 1e-4, 1e-4)) << kernels;
    EXPECT_EQ(model->rows(std::span(some).subspan(1, 1), Targets::scored).patches.size(0), 0);
  }
  use_kernels() = true;
}

TEST(Pointer, ConvertsAsManyBytesAsThereIsRoomFor) {
  const auto model = tiny_model(pointer_config());
  {
    torch::NoGradGuard no_grad;
    model->named_parameters()["head.weight"][nothing].fill_(0);
  }
  const Bytes input(200, 'a'), nothing_yet, too_long(300, 'a');
  // mid, abc and the input, each with a marker, take 209 of the 300; the end takes one more.
  const std::vector starts = {Document::file("mid", nothing_yet).from("abc", input)};
  const auto found = continue_files(*model, starts, {.sampling = {.temperature = 0}})[0];
  EXPECT_FALSE(found.ended);
  EXPECT_EQ(found.bytes.size(), 90U);
  const std::vector none = {Document::file("mid", nothing_yet).from("abc", too_long)};
  EXPECT_THROW(continue_files(*model, none, {}), Error);
  EXPECT_THROW(model->rows(none, Targets::scored), Error);
}

TEST(Pointer, GivesTheChosenRowsAlone) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(pointer_config());
  const Files files;
  const auto all = model->rows(files.documents, Targets::scored);
  auto chosen = torch::zeros({all.patches.size(0)}, torch::kBool);
  for (const int64_t row : {0, 30, 91}) chosen[row] = true;
  const auto some = model->rows(files.documents, Targets::scored, chosen);
  EXPECT_TRUE(torch::equal(some.patches, all.patches.index({chosen})));
  EXPECT_TRUE(torch::allclose(some.condition, all.condition.index({chosen})));
  EXPECT_THROW(model->rows(files.documents, Targets::all), Error);
}

TEST(Pointer, TakesFilesAloneByteByByte) {
  for (const auto change :
       {+[](ModelConfig& c) { c.patch_size = 16; }, +[](ModelConfig& c) { c.memory_heads = 5; },
        +[](ModelConfig& c) { c.frame = tiny_config("bgpt").frame; }}) {
    auto config = pointer_config();
    change(config);
    EXPECT_THROW(make_model(config), Error);
  }
}

TEST(Pointer, FrozenAndInDoublesItPredictsTheSame) {
  torch::NoGradGuard no_grad;
  const Files files;
  const auto model = tiny_model(pointer_config());
  const auto expected = model->rows(files.documents, Targets::scored).condition;
  for (const bool kernels : {true, false}) {
    use_kernels() = kernels;
    const auto wide = tiny_model(pointer_config());
    wide->to(torch::kDouble);
    wide->set_precision(torch::kDouble);
    const auto found = wide->rows(files.documents, Targets::scored).condition.to(torch::kFloat);
    EXPECT_TRUE(torch::allclose(found, expected, 1e-3, 1e-3)) << kernels;
  }
  use_kernels() = true;
  model->set_precision(torch::kBFloat16);
  const auto rounded = model->rows(files.documents, Targets::scored).condition;
  model->freeze(torch::kBFloat16);
  EXPECT_TRUE(torch::equal(model->rows(files.documents, Targets::scored).condition, rounded));
}

TEST(Pointer, CompressesWhatComesBack) {
  std::vector<Bytes> files;
  std::vector<FileSize> sizes;
  for (const int64_t length : {0, 1, 40, 700}) {
    files.push_back(test::random_bytes(static_cast<size_t>(length), 3));
    sizes.push_back({"mid", length});
  }
  auto config = pointer_config();
  for (const bool from_end : {false, true}) {
    config.from_end = from_end;
    const auto model = tiny_model(config);
    for (const int64_t batch : {1, 3}) {
      const auto coded = compress(*model, sizes, files, batch);
      EXPECT_EQ(decompress(*model, sizes, coded, batch), files) << batch;
    }
  }
}

TEST(Pointer, EveryParameterLearns) {
  auto config = pointer_config();
  config.from_end = true;
  const auto model = tiny_model(config);
  const Files files;
  const auto rows = model->rows(files.documents, Targets::scored);
  model->loss(rows.condition, rows.patches).nats.backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

}  // namespace
}  // namespace bytecpu
