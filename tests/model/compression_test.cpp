// Files compressed by a model's probabilities: what comes out is what went in, in as many bits as the model's loss says.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "emulator/error.hpp"
#include "model/inference/archive.hpp"
#include "model/inference/arithmetic_coder.hpp"
#include "tests/datagen/support.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using test::random_bytes;
using Bytes = std::vector<uint8_t>;

TEST(ArithmeticCoder, SymbolsComeBackInAsManyBitsAsTheyAreImprobable) {
  NativeRandom random(1, 0);
  for (const float spread : {0.F, 1.F, 5.F, 30.F, 300.F}) {
    std::vector<Frequencies> frequencies;
    Bytes symbols;
    double bits = 0;
    for (int i = 0; i < 5000; ++i) {
      std::array<float, 256> logits;
      for (auto& l : logits) l = spread * static_cast<float>(random.below(1000)) / 1000.F;
      const auto& f = frequencies.emplace_back(logits);
      // As probable as they say; now and then whatever comes.
      const auto symbol = i % 50 ? f.at(static_cast<uint32_t>(random.below(f.all()))) : random.below(256);
      symbols.push_back(static_cast<uint8_t>(symbol));
      bits -= std::log2(static_cast<double>(f.of(symbols.back())) / f.all());
    }
    Encoder encoder;
    for (size_t i = 0; i < symbols.size(); ++i) encoder.encode(symbols[i], frequencies[i]);
    const auto bytes = encoder.finish();
    EXPECT_LE(static_cast<double>(bytes.size()), bits / 8 * 1.0001 + 2) << spread;
    Decoder decoder(bytes);
    for (size_t i = 0; i < symbols.size(); ++i) ASSERT_EQ(decoder.decode(frequencies[i]), symbols[i]) << i;
  }
}

TEST(ArithmeticCoder, WhatIsSureCostsNextToNothing) {
  std::array<float, 256> logits;
  logits.fill(-1000);
  logits[7] = 1000;
  const Frequencies sure(logits);
  Encoder encoder;
  for (int i = 0; i < 100'000; ++i) encoder.encode(7, sure);
  const auto bytes = encoder.finish();
  EXPECT_LE(bytes.size(), 2U);
  Decoder decoder(bytes);
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(decoder.decode(sure), 7);
  EXPECT_TRUE(Encoder().finish().empty());
}

TEST(ArithmeticCoder, RefusesWhatIsNoProbability) {
  std::array<float, 256> logits = {};
  logits[3] = std::nanf("");
  EXPECT_THROW((void)Frequencies(logits), Error);
  logits[3] = INFINITY;
  EXPECT_THROW((void)Frequencies(logits), Error);
}

std::shared_ptr<ByteModel> file_model() {
  auto config = tiny_config("bgpt");
  config.frame = frame_of_files();
  return tiny_model(config);
}

TEST(Compression, FilesComeBackWhateverTheirLengthsAndTheBatch) {
  const auto model = file_model();
  const int64_t most = (model->config().patch_length - 2) * model->config().patch_size;
  std::vector<Bytes> files;
  std::vector<FileSize> sizes;
  for (const int64_t length :
       {int64_t{0}, int64_t{1}, int64_t{16}, int64_t{17}, most, most + 1, 2 * most + 20}) {
    files.push_back(random_bytes(static_cast<size_t>(length), static_cast<uint64_t>(length)));
    sizes.push_back({length % 2 ? "txt" : "", length});
  }
  for (const int64_t batch : {1, 3, 100}) {
    int64_t done = 0;
    const auto coded = compress(*model, sizes, files, batch, [&](int64_t n) { done = n; });
    EXPECT_EQ(done, 1 + 16 + 17 + 4 * most + 21);
    EXPECT_EQ(decompress(*model, sizes, coded, batch), files) << batch;
  }
}

TEST(Compression, TakesAsManyBitsAsTheModelSays) {
  const auto model = file_model();
  const std::vector<Bytes> files = {random_bytes(150, 1)};
  const std::vector<FileSize> sizes = {{"txt", 150}};
  c10::InferenceMode inference;
  double bits = 0;
  for (int64_t place = 0; place < 150; ++place) {
    const auto start =
        Document::file("txt", std::span(files[0]).first(static_cast<size_t>(place - place % 16)), false);
    auto patch = torch::full({1, 16}, nothing, torch::kLong);
    for (int64_t i = 0; i < place % 16; ++i)
      patch[0][i] = files[0][static_cast<size_t>(place - place % 16 + i)];
    const auto logits = model->logits(model->begin(std::span(&start, 1))->condition(), patch)[0][place % 16];
    const auto log_p = logits.slice(0, 0, nothing).log_softmax(0);
    bits -= log_p[files[0][static_cast<size_t>(place)]].item<double>() / std::log(2.0);
  }
  const auto coded = compress(*model, sizes, files, 1);
  EXPECT_NEAR(8.0 * static_cast<double>(coded.size()), bits, 10);
}

class Archives : public testing::Test {
 protected:
  void write(std::string name, int64_t bytes) {
    std::filesystem::remove(path_);
    write_archive(path_, {"weights", {2, "fp32", "cpu"}, 64}, std::vector<ArchivedFile>{{name, bytes, "sum"}},
                  coded_);
  }
  std::string problem() {
    try {
      Archive archive(path_);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "archive";
  Bytes coded_ = {1, 2, 3};
};

TEST_F(Archives, HoldWhatDecompressingNeeds) {
  write("a\xff.txt", 12);
  const Archive archive(path_);
  EXPECT_EQ(archive.coding().weights, "weights");
  EXPECT_EQ(archive.coding().inference.threads, 2);
  EXPECT_EQ(archive.coding().inference.precision, "fp32");
  EXPECT_EQ(archive.coding().batch, 64);
  ASSERT_EQ(archive.files().size(), 1U);
  EXPECT_EQ(archive.files()[0].name, "a\xff.txt");
  EXPECT_EQ(archive.files()[0].size().extension, "txt");
  EXPECT_EQ(archive.files()[0].bytes, 12);
  EXPECT_EQ(Bytes(archive.compressed().begin(), archive.compressed().end()), coded_);
}

TEST_F(Archives, AreRefusedWhereTheyAreDamagedOrName) {
  for (const auto* name : {"", "..", "a/b"}) {
    write(name, 1);
    EXPECT_NE(problem().find("is no file's name"), std::string::npos) << name;
  }
  write("a", INT64_MAX);
  EXPECT_NE(problem().find("cannot be coded in 3"), std::string::npos);
  write("a", 1);
  EXPECT_EQ(problem(), "");
  const auto size = std::filesystem::file_size(path_);
  for (size_t place = 0; place < size; ++place) {
    write("a", 1);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(place));
    const auto byte = static_cast<char>(file.get() ^ 0x01);
    file.seekp(static_cast<std::streamoff>(place));
    file.put(byte);
    file.close();
    // A changed name, size or setting is found by the checksums of what comes out.
    if (place + coded_.size() >= size) {
      EXPECT_NE(problem().find("is damaged"), std::string::npos) << place;
    } else {
      (void)problem();
    }
  }
}

}  // namespace
}  // namespace bytecpu
