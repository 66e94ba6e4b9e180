#include "datagen/dataset/dataset.hpp"

#include <functional>

#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;
using test::expect_error;
using test::put;
using test::TemporaryFolder;

const Layout layout{"tiny", 8, 16, {{"pc", 0, 4}, {"rest", 4, 12}}};

// Traces of 1, 2, … states; every byte is the trace's number.
TraceBatch batch(int traces) {
  TraceBatch out(layout);
  for (int i = 0; i < traces; ++i) {
    const std::vector<uint8_t> bytes(8 + 16 * (i + 1), static_cast<uint8_t>(i));
    out.add({layout, bytes});
  }
  return out;
}

// A dataset of two train shards and one test shard.
Manifest write_example(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.layout = layout;
  manifest.generator = {{"kind", "example"}};
  const auto add = [&](Split split, size_t index, const TraceBatch& traces) {
    const auto name = shard_name(split, index);
    write_shard(folder / name, layout, traces, {});
    const Shard shard(folder / name, layout);
    auto info = shard.info();
    info.checksum = checksum(shard.file_bytes());
    auto& s = manifest[split];
    s.traces += info.traces;
    s.states += info.states;
    s.bytes += info.bytes;
    s.shards.push_back(info);
  };
  add(Split::train, 0, batch(3));
  add(Split::train, 1, batch(1));
  auto cut = batch(2);
  cut.stops[1] = StopReason::step_limit;
  add(Split::test, 0, cut);
  manifest.overlap = 2;
  manifest[Split::train].duplicates = 1;
  write_file(folder / "manifest.json", to_json(manifest).dump());
  return manifest;
}

TEST(Dataset, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  write_example(folder.path());
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.layout(), layout);
  EXPECT_EQ(dataset.manifest().generator["kind"], "example");
  EXPECT_EQ(dataset.manifest().overlap, 2);
  EXPECT_EQ(dataset.manifest()[Split::train].duplicates, 1);
  ASSERT_EQ(dataset.size(Split::train), 4u);
  ASSERT_EQ(dataset.size(Split::test), 2u);
  EXPECT_EQ(dataset.manifest()[Split::train].states, 1 + 2 + 3 + 1);
  const Trace& trace = dataset.trace(Split::train, 2);
  EXPECT_EQ(trace.bytes.size(), 8u + 3 * 16);
  EXPECT_EQ(trace.bytes.front(), 2);
  EXPECT_EQ(trace.bytes.back(), 2);
  EXPECT_EQ(trace.image().size(), 8u);
  EXPECT_EQ(trace.states(), 2);
  EXPECT_EQ(dataset.trace(Split::train, 3).bytes.size(), 8u + 16);
}

TEST(Dataset, KeepsWhyTracesStopped) {
  const TemporaryFolder folder;
  write_example(folder.path());
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.trace(Split::train, 0).stop, StopReason::halted);
  EXPECT_EQ(dataset.trace(Split::test, 0).stop, StopReason::halted);
  EXPECT_EQ(dataset.trace(Split::test, 1).stop, StopReason::step_limit);
}

TEST(Dataset, StaysValidWhenMoved) {
  const TemporaryFolder folder;
  write_example(folder.path());
  Dataset first(folder.path());
  const auto* data = first.trace(Split::train, 0).bytes.data();
  const Dataset second(std::move(first));
  EXPECT_EQ(second.trace(Split::train, 0).bytes.data(), data);
}

TEST(Dataset, ShardTensorsAreAlignedForTheirElements) {
  const TemporaryFolder folder;
  write_example(folder.path());
  const safetensors::File file(folder / "train-00000.safetensors");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.find("offsets")->bytes.data()) % 8, 0u);
  EXPECT_EQ(file.find("offsets")->shape, (std::vector<int64_t>{4}));
  EXPECT_EQ(file.find("bytes")->shape, (std::vector<int64_t>{3 * 8 + 6 * 16}));
}

TEST(Dataset, NamesAMissingOrBrokenShard) {
  const TemporaryFolder folder;
  write_example(folder.path());
  const auto path = folder / "train-00001.safetensors";
  const auto whole = read_file(path);
  put(path, whole.substr(0, whole.size() - 1));
  expect_error([&] { Dataset dataset(folder.path()); }, {"train-00001.safetensors", "cut short"});
  std::filesystem::remove(path);
  expect_error([&] { Dataset dataset(folder.path()); }, {"train-00001.safetensors", "No such file"});
  write_shard(path, layout, batch(2), {});
  expect_error([&] { Dataset dataset(folder.path()); },
               {"train-00001.safetensors", "2 traces", "the manifest says 1"});
  Layout other = layout;
  other.memory_bytes = 24;
  write_shard(path, other, batch(1), {});
  expect_error([&] { Dataset dataset(folder.path()); },
               {"train-00001.safetensors", "memory_bytes is 24, expected 8"});
  other = layout;
  other.record_bytes = 32;
  write_shard(path, other, batch(1), {});
  expect_error([&] { Dataset dataset(folder.path()); },
               {"train-00001.safetensors", "record_bytes is 32, expected 16"});
}

TEST(Dataset, AFlippedBitIsAnErrorThatNamesTheShardWhenThatIsFirstRead) {
  const TemporaryFolder folder;
  write_example(folder.path());
  const auto path = folder / "train-00001.safetensors";
  test::flip_byte(path, read_file(path).size() - 1);
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.trace(Split::train, 2).bytes.back(), 2);
  EXPECT_EQ(dataset.trace(Split::test, 1).bytes.back(), 1);
  for (int again = 0; again < 2; ++again) {
    expect_error([&] { (void)dataset.trace(Split::train, 3); }, {"train-00001.safetensors", "altered"});
  }
}

TEST(Dataset, RefusesOffsetsThatDoNotFit) {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<int64_t> offsets, std::string_view part) {
    auto traces = batch(2);
    traces.offsets = std::move(offsets);
    traces.stops.resize(traces.size());
    write_shard(folder / "s", layout, traces, {});
    expect_error([&] { Shard shard(folder / "s", layout); }, {"/s: ", part});
  };
  refused({0, 24, 65}, "do not span");
  refused({1, 24, 64}, "do not span");
  refused({0, 23, 64}, "trace 0");
  refused({0, 25, 64}, "trace 0");
  refused({0, 8, 64}, "trace 0");
  refused({0, 24, -40, 64}, "trace 1");
  refused({0, 1LL << 62, 64}, "trace 0");
  refused({0, 24, 24, 64}, "trace 1");
}

TEST(Manifest, SurvivesARoundTrip) {
  const TemporaryFolder folder;
  const auto json = to_json(write_example(folder.path()));
  EXPECT_EQ(to_json(read_manifest(folder / "manifest.json")), json);
}

TEST(Manifest, KeepsTheRecordVersionAndTheEngines) {
  const TemporaryFolder folder;
  auto manifest = write_example(folder.path());
  const auto path = folder / "manifest.json";
  EXPECT_FALSE(to_json(manifest).at("layout").contains("record_version"));  // 1
  manifest.layout.record_version = 2;
  manifest.engines = {"2.1.4", "5.0"};
  put(path, to_json(manifest).dump());
  EXPECT_EQ(read_manifest(path).layout.record_version, 2);
  EXPECT_NE(read_manifest(path).layout, layout);
  EXPECT_EQ(read_manifest(path).engines, manifest.engines);
  // Made before there were any.
  manifest.engines.reset();
  EXPECT_FALSE(to_json(manifest).contains("engines"));
  put(path, to_json(manifest).dump());
  EXPECT_FALSE(read_manifest(path).engines);
}

TEST(Manifest, RefusesWhatIsNoneAndNamesTheFile) {
  const TemporaryFolder folder;
  const auto good = to_json(write_example(folder.path()));
  const auto path = folder / "manifest.json";
  const auto refused = [&](std::string_view text, std::string_view part) {
    put(path, text);
    expect_error([&] { read_manifest(path); }, {"manifest.json: ", part});
    expect_error([&] { Dataset dataset(folder.path()); }, {"manifest.json: ", part});
  };
  const auto changed = [&](const std::function<void(ordered_json&)>& change, std::string_view part) {
    auto json = good;
    change(json);
    refused(json.dump(), part);
  };
  refused("", "not valid JSON");
  refused("{", "not valid JSON");
  refused("[1]", "format");
  refused("{}", "\"format\" is missing");
  changed([](auto& j) { j["format"] = "other"; }, "not the manifest of a bytecpu dataset");
  changed([](auto& j) { j["version"] = 2; }, "update bytecpu");
  changed([](auto& j) { j["version"] = "1"; }, "\"version\"");
  changed([](auto& j) { j.erase("overlap"); }, "\"overlap\" is missing");
  changed([](auto& j) { j["overlap"] = -1; }, "\"overlap\"");
  changed([](auto& j) { j["generator"] = 3; }, "\"generator\"");
  changed([](auto& j) { j["splits"] = 3; }, "\"train\"");
  changed([](auto& j) { j["splits"].erase("test"); }, "\"test\" is missing");
  changed([](auto& j) { j["splits"]["train"]["traces"] = 5; }, "do not add up");
  changed(
      [](auto& j) {
        for (auto* of : {&j["splits"]["train"], &j["splits"]["train"]["shards"][0]}) {
          (*of)["traces"] = (*of)["traces"].template get<int64_t>() + 1'000'000'000'000'000'000;
        }
      },
      "train-00000.safetensors\": 1000000000000000003 traces");
  changed([](auto& j) { j["splits"]["train"]["shards"][0]["file"] = "../x"; }, "../x");
  changed([](auto& j) { j["splits"]["train"]["shards"][0]["file"] = ".."; }, "\"..\"");
  changed([](auto& j) { j["splits"]["train"]["shards"][0].erase("checksum"); }, "\"checksum\" is missing");
  changed([](auto& j) { j["splits"]["train"]["shards"] = "x"; }, "\"shards\" is not a list");
  changed([](auto& j) { j["layout"]["record_bytes"] = 24; }, "record_bytes");
  changed([](auto& j) { j["layout"]["memory_bytes"] = 0; }, "memory_bytes");
  changed([](auto& j) { j["layout"]["fields"][1]["offset"] = 5; }, "\"rest\"");
  changed([](auto& j) { j["layout"]["fields"].erase(1); }, "cover");
  changed([](auto& j) { j["layout"]["record_version"] = 0; }, "record version 0");
  changed([](auto& j) { j["layout"]["record_version"] = 99; }, "update bytecpu");
  changed([](auto& j) { j["layout"]["fields"][1]["name"] = "WRITE_OFFSET"; }, "of version 1");
  changed([](auto& j) { j["engines"] = "2.0.1"; }, "\"unicorn\"");
  changed([](auto& j) { j["engines"] = {{"unicorn", "2.0.1"}}; }, "\"capstone\" is missing");
  expect_error([&] { Dataset dataset(folder / "none"); }, {"none/manifest.json", "No such file"});
}

}  // namespace
}  // namespace bytecpu
