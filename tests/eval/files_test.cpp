// The evaluation of files: bits a byte by kind, compressors, conversions.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <numbers>
#include <numeric>

#include "datagen/files/pack.hpp"
#include "emulator/error.hpp"
#include "eval/documents/text.hpp"
#include "eval/files/compressors.hpp"
#include "eval/files/file_scores.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using test::random_bytes;
using Bytes = std::vector<uint8_t>;

TEST(Compressors, NeedAllOfNoiseAndNextToNothingOfWhatTheyHaveSeen) {
  const auto a = random_bytes(100'000, 1), b = random_bytes(30'000, 2);
  for (const auto compressed : {xz_bytes, zstd_bytes}) {
    EXPECT_NEAR(static_cast<double>(compressed({a}, {b})), 30'000, 100);
    EXPECT_NEAR(static_cast<double>(compressed({}, {a, b})), 130'000, 150);
    EXPECT_LT(compressed({a, b}, {b}), 300);
    EXPECT_LT(compressed({b, a, a}, {b, a}), 500);
    EXPECT_EQ(compressed({a}, {}), 0);
    const Bytes zeros(1'000'000);
    EXPECT_LT(compressed({}, {zeros}), 1'000);
  }
}

// Gives every byte and the end one of 256 values equally; converts as told.
class FakeModel final : public FileModel {
 public:
  std::function<Continuation(const Document&)> made_of = [](const Document& d) {
    return Continuation{{d.steps.begin(), d.steps.end()}, true};
  };
  int64_t conversions = 0;

  std::string name() const override { return "fake"; }
  nlohmann::ordered_json details() const override { return nlohmann::ordered_json::object(); }
  std::vector<double> nats(std::span<const Document> documents,
                           const std::function<void(int64_t)>& done) override {
    std::vector<double> all;
    for (const auto& d : documents) {
      all.push_back((static_cast<double>(d.steps.size()) + 1) * std::log(256.0));
      done(std::ssize(all));
    }
    return all;
  }
  std::vector<std::string> known_labels;
  std::function<std::vector<double>(const Document&)> shares_of;

  bool predicts_bytes() const override { return true; }
  std::span<const std::string> labels() const override { return known_labels; }
  std::vector<double> label_probabilities(const Document& file) override { return shares_of(file); }
  std::vector<Continuation> convert(std::span<const Document> documents) override {
    std::vector<Continuation> all;
    for (const auto& d : documents) all.push_back(made_of(d));
    conversions += std::ssize(documents);
    return all;
  }
};

class FileScores : public testing::Test {
 protected:
  fs::path folder_ = fs::path(testing::TempDir()) / ("bytecpu_file_scores_" + std::to_string(::getpid()));
  FakeModel model_;
  std::vector<int64_t> progress_;

  void SetUp() override {
    fs::create_directories(folder_ / "in");
    for (int i = 0; i < 40; ++i) {
      write(fmt::format("{:02}.abc", i), random_bytes(static_cast<size_t>(10 + i), 2 * i));
      write(fmt::format("{:02}.mid", i), random_bytes(static_cast<size_t>(20 + i), 2 * i + 1));
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const Bytes& bytes) const {
    std::ofstream(folder_ / "in" / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  FileDataset packed(const std::string& pairs, PackOptions::Labels labels = PackOptions::Labels::none) const {
    PackOptions options;
    options.folder = folder_ / "in";
    options.out = folder_ / "data";
    options.test = "0.5";
    options.pairs = pairs;
    options.labels = labels;
    pack(options);
    return FileDataset(options.out);
  }
  std::vector<KindScores> evaluate(const FileDataset& data, const FileEvaluation& options = {}) {
    return evaluate_files(model_, data, options, [&](int64_t done) { progress_.push_back(done); });
  }
};

TEST_F(FileScores, BitsAByteCountTheEndsAndTheBytesOfEachKind) {
  const auto data = packed("");
  const auto scores = evaluate(data);
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores[0].kind.name(), "abc");
  EXPECT_EQ(scores[1].kind.name(), "mid");
  EXPECT_EQ(scores[0].documents + scores[1].documents, static_cast<int64_t>(data.size(Split::test)));
  EXPECT_EQ(progress_.back(), static_cast<int64_t>(data.size(Split::test)));
  for (const auto& kind : scores) {
    const auto n = static_cast<double>(kind.documents), bytes = static_cast<double>(kind.bytes);
    EXPECT_NEAR(kind.bits_per_byte(), 8 * (bytes + n) / bytes, 1e-9);
    EXPECT_GT(kind.half_interval, 0);
    EXPECT_LT(kind.half_interval, 0.1);
    EXPECT_NEAR(static_cast<double>(kind.zstd), bytes, 0.1 * bytes);
    EXPECT_NEAR(static_cast<double>(kind.xz), bytes, 0.1 * bytes);
    EXPECT_EQ(kind.equal.total, 0);
  }
  EXPECT_EQ(model_.conversions, 0);
}

TEST_F(FileScores, ConversionsAreRightToTheLastByteOrNot) {
  const auto data = packed("abc:mid");
  int number = 0;
  model_.made_of = [&](const Document& d) {
    Continuation made{{d.steps.begin(), d.steps.end()}, true};
    if (d.extension == "abc") return made;
    if (number == 0) made.bytes.back() ^= 1;
    if (number == 1) made.ended = false;
    if (number == 2) made.bytes.pop_back();
    ++number;
    return made;
  };
  const auto scores = evaluate(data, {.documents = 0, .conversions = 5});
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores[0].kind.name(), "mid to abc");
  EXPECT_EQ(scores[0].equal, (Rate{5, 5}));
  EXPECT_TRUE(scores[0].examples.empty());
  EXPECT_EQ(scores[1].kind.name(), "abc to mid");
  EXPECT_EQ(scores[1].equal, (Rate{2, 5}));
  EXPECT_EQ(scores[1].ended, (Rate{4, 5}));
  ASSERT_EQ(scores[1].examples.size(), 3U);
  EXPECT_EQ(model_.conversions, 10);
  EXPECT_EQ(scores[1].examples[1].predicted, scores[1].examples[1].truth);
  EXPECT_FALSE(scores[1].examples[1].ended);
  const auto text = summary({{"predictor", {{"name", "fake"}}},
                             {"data", {{"source", "data"}, {"documents", 10}, {"split", "test"}}},
                             {"kinds", {to_json(scores[0]), to_json(scores[1])}}});
  EXPECT_NE(text.find("abc to mid"), text.npos);
  const auto line = text.find("equal files", text.find("abc to mid, converted"));
  EXPECT_EQ(text.substr(text.find_first_of("0123456789", line), 6), "2 of 5") << text;
}

TEST_F(FileScores, LabelsAreCountedByTheRightOneAndTheOneGiven) {
  for (int i = 0; i < 40; ++i) fs::remove(folder_ / "in" / fmt::format("{:02}.mid", i));
  for (int i = 0; i < 40; ++i) {
    fs::rename(folder_ / "in" / fmt::format("{:02}.abc", i),
               folder_ / "in" / fmt::format("{}_{:02}.abc", i % 4 == 0 ? "cat" : "dog", i));
  }
  const auto data = packed("", PackOptions::Labels::name);
  ASSERT_EQ(data.manifest().labels.size(), 2U);
  const auto files = static_cast<int64_t>(data.size(Split::test));
  EXPECT_THROW(evaluate_labels(model_, data, {}, [](int64_t) {}), Error);
  model_.known_labels = data.manifest().labels;
  model_.shares_of = [](const Document&) { return std::vector{0.25, 0.75}; };
  const auto scores = evaluate_labels(model_, data, {}, [&](int64_t done) { progress_.push_back(done); });
  EXPECT_EQ(progress_.back(), files);
  int64_t dogs = 0;
  for (int64_t i = 0; i < files; ++i) dogs += data.label(Split::test, static_cast<size_t>(i));
  EXPECT_GT(dogs, 0);
  EXPECT_LT(dogs, files);
  EXPECT_EQ(scores.confusion, (std::vector<std::vector<int64_t>>{{0, files - dogs}, {0, dogs}}));
  EXPECT_EQ(scores.right(), (Rate{dogs, files}));
  const auto json = to_json(scores);
  const auto share = static_cast<double>(dogs) / static_cast<double>(files);
  EXPECT_NEAR(json.at("bits_per_label").get<double>(), -share * std::log2(0.75) + (1 - share) * 2, 1e-9);
}

TEST_F(FileScores, OfTheFirstDocumentsAlone) {
  const auto data = packed("");
  int64_t documents = 0;
  for (const auto& kind : evaluate(data, {.documents = 7})) documents += kind.documents;
  EXPECT_EQ(documents, 7);
}

}  // namespace
}  // namespace bytecpu
