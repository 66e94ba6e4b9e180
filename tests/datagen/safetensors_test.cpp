#include "datagen/io/safetensors.hpp"

#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "tests/datagen/support.hpp"

namespace bytecpu::safetensors {
namespace {

using test::expect_error;
using test::put;
using test::TemporaryFolder;

std::string with_header(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), 8);
  return file.append(header).append(data);
}

// Opens a file of this header and data; expects an Error that has the parts.
void expect_refused(std::string_view header, std::string_view data,
                    std::initializer_list<std::string_view> parts) {
  const TemporaryFolder folder;
  put(folder / "f.safetensors", with_header(header, data));
  expect_error([&] { File file(folder / "f.safetensors"); }, {"f.safetensors: "});
  expect_error([&] { File file(folder / "f.safetensors"); }, parts);
}

void write_example(const std::filesystem::path& path) {
  const std::vector<int64_t> wide = {-1, 0, 1LL << 40};
  const std::vector<uint8_t> bytes = {9, 8, 7, 6, 5, 4};
  const std::vector<Tensor> tensors = {
      {"wide", Dtype::I64, {3}, {reinterpret_cast<const uint8_t*>(wide.data()), 24}},
      {"bytes", Dtype::U8, {2, 3}, bytes},
      {"none", Dtype::F32, {0, 5}, {}},
      {"scalar", Dtype::I16, {}, std::span(bytes).first(2)},
      {"flags", Dtype::BOOL, {1}, std::span(bytes).first(1)}};
  write(path, tensors, {{"key", "välue \"quoted\""}});
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const File file(folder / "f");
  EXPECT_EQ(file.metadata(), (Metadata{{"key", "välue \"quoted\""}}));
  ASSERT_EQ(file.tensors().size(), 5u);
  int64_t wide[3];
  std::memcpy(wide, file.require("wide", Dtype::I64, 1).bytes.data(), sizeof wide);
  EXPECT_EQ(wide[2], 1LL << 40);
  const auto& bytes = file.require("bytes", Dtype::U8, 2);
  EXPECT_EQ(bytes.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::vector<uint8_t>(bytes.bytes.begin(), bytes.bytes.end()),
            (std::vector<uint8_t>{9, 8, 7, 6, 5, 4}));
  EXPECT_TRUE(file.require("none", Dtype::F32, 2).bytes.empty());
  EXPECT_EQ(file.require("scalar", Dtype::I16, 0).bytes.size(), 2u);
  EXPECT_EQ(file.find("other"), nullptr);
}

TEST(Safetensors, RequireNamesFileAndTensor) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const File file(folder / "f");
  expect_error([&] { file.require("other", Dtype::U8, 1); }, {"/f", "\"other\""});
  expect_error([&] { file.require("bytes", Dtype::I64, 2); }, {"/f", "\"bytes\"", "U8", "I64"});
  expect_error([&] { file.require("bytes", Dtype::U8, 1); }, {"\"bytes\"", "2 dimensions"});
}

// The format, step by step as its description has it: N, u64 little-endian; N bytes of JSON that begin with
// '{', spaces at the end allowed; data_offsets relative to what follows, without holes.
TEST(Safetensors, LayoutIsTheFormatsDescription) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const auto file = read_file(folder / "f");
  uint64_t n = 0;
  for (int i = 7; i >= 0; --i) n = n << 8 | static_cast<uint8_t>(file[i]);
  EXPECT_EQ(n % 8, 0u);
  ASSERT_LE(8 + n, file.size());
  const auto text = file.substr(8, n);
  EXPECT_EQ(text[0], '{');
  const auto header = nlohmann::json::parse(text);
  EXPECT_EQ(header["__metadata__"], (nlohmann::json{{"key", "välue \"quoted\""}}));
  EXPECT_EQ(header["wide"],
            nlohmann::json::parse(R"({"dtype": "I64", "shape": [3], "data_offsets": [0, 24]})"));
  EXPECT_EQ(header["bytes"],
            nlohmann::json::parse(R"({"dtype": "U8", "shape": [2, 3], "data_offsets": [24, 30]})"));
  EXPECT_EQ(header["none"],
            nlohmann::json::parse(R"({"dtype": "F32", "shape": [0, 5], "data_offsets": [30, 30]})"));
  EXPECT_EQ(header["scalar"],
            nlohmann::json::parse(R"({"dtype": "I16", "shape": [], "data_offsets": [30, 32]})"));
  EXPECT_EQ(header["flags"],
            nlohmann::json::parse(R"({"dtype": "BOOL", "shape": [1], "data_offsets": [32, 33]})"));
  EXPECT_EQ(file.size(), 8 + n + 33);
  EXPECT_EQ(file.substr(8 + n + 24, 6), "\x09\x08\x07\x06\x05\x04");
}

TEST(Safetensors, RefusesMalformedHeaders) {
  expect_refused("", "", {"not valid JSON"});
  expect_refused("[]", "", {"not a JSON object"});
  expect_refused("{\"a\": 1}", "", {"\"a\""});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1]}})", "x", {"\"a\"", "data_offsets"});
  expect_refused(R"({"a": {"dtype": "U9", "shape": [1], "data_offsets": [0, 1]}})", "x", {"\"a\"", "U9"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}})", "x", {"\"a\"", "shape"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1.5], "data_offsets": [0, 1]}})", "x",
                 {"\"a\"", "shape"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 0]}})", "x",
                 {"\"a\"", "in order"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})", "x",
                 {"\"a\"", "past the end"});
  expect_refused(R"({"a": {"dtype": "I16", "shape": [1], "data_offsets": [0, 1]}})", "x",
                 {"\"a\"", "2 bytes"});
  expect_refused(R"({"a": {"dtype": "I64", "shape": [4611686018427387904, 8], "data_offsets": [0, 0]}})", "",
                 {"\"a\"", "too large"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}})", "xy", {"\"a\"", "gap"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
                     "b": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]}})",
                 "xyz", {"\"b\"", "overlap"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", "xy",
                 {"after the last tensor"});
  expect_refused(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                     "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
                 "x", {"\"a\" is there twice"});
  expect_refused(R"({"__metadata__": {"a": 1}})", "", {"__metadata__", "\"a\""});
  expect_refused(R"({"a": )" + std::string(100'000, '['), "", {"nested"});
}

TEST(Safetensors, RefusesHeadersMadeToFillTheMemory) {
  std::string ones = "1";
  for (int i = 0; i < 300'000; ++i) ones += ",1";
  expect_refused(R"({"a": {"dtype": "U8", "shape": [)" + ones + R"(], "data_offsets": [0, 1]}})", "x",
                 {"more than 200000 values"});

  // As long as a header may be, and longer; sparse files.
  const TemporaryFolder folder;
  for (const uint64_t length : {100'000'000, 100'000'001}) {
    put(folder / "long", std::string_view(reinterpret_cast<const char*>(&length), 8));
    std::filesystem::resize_file(folder / "long", 8 + length);
    expect_error([&] { File file(folder / "long"); },
                 {length > 100'000'000 ? "header's length" : "not valid JSON"});
  }
}

TEST(Safetensors, RefusesWrongLengths) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const auto whole = read_file(folder / "f");
  for (size_t length = 0; length < whole.size(); ++length) {
    put(folder / "cut", std::string_view(whole).substr(0, length));
    expect_error([&] { File file(folder / "cut"); }, {"cut: "});
  }
  auto huge = whole;
  std::fill_n(huge.begin(), 8, '\xff');
  put(folder / "huge", huge);
  expect_error([&] { File file(folder / "huge"); }, {"header's length"});
}

TEST(Safetensors, MutatedFilesAreReadOrRefusedNeverTrusted) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const auto whole = read_file(folder / "f");
  uint64_t header_bytes;
  std::memcpy(&header_bytes, whole.data(), 8);
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  constexpr std::string_view alphabet = "{}[]\",:0123456789-.eU8I64F32 \\\xff";
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    auto file = whole;
    for (size_t edits = 1 + below(3); edits > 0; --edits) {
      const size_t at = below(8 + header_bytes);
      switch (below(4)) {
        case 0:
          file[at % file.size()] ^= static_cast<char>(1 << below(8));
          break;
        case 1:
          file[at % file.size()] = alphabet[below(alphabet.size())];
          break;
        case 2:
          file.insert(at % file.size(), 1, alphabet[below(alphabet.size())]);
          break;
        default:
          file.erase(at % file.size(), 1 + below(4));
      }
      // Most edits keep the length right, to get past the first check.
      if (below(4) > 0 && file.size() >= 8 + 33) {
        const uint64_t length = file.size() - 8 - 33;
        std::memcpy(file.data(), &length, 8);
      }
    }
    put(folder / "m", file);
    try {
      const File opened(folder / "m");
      size_t total = 0, sum = 0;
      for (const auto& tensor : opened.tensors()) {
        total += tensor.bytes.size();
        sum = std::accumulate(tensor.bytes.begin(), tensor.bytes.end(), sum);
      }
      EXPECT_LE(total, file.size());
      EXPECT_LT(sum, 256 * file.size());
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 5000);
}

}  // namespace
}  // namespace bytecpu::safetensors
