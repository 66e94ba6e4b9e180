// Datasets of real code, out of a program that is there: bytecpu-datagen itself.
#include <nlohmann/json.hpp>
#include <set>

#include "datagen/dataset/dataset.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::json;
using test::contains;
using test::datagen;
using test::TemporaryFolder;

const std::string program = BYTECPU_BIN "/bytecpu-datagen";

#if defined(__x86_64__)
const std::string machine = "x86_64-full", compact = "x86_64";
#else
const std::string machine = "arm64-full", compact = "arm64";
#endif

TEST(Harvest, MakesADatasetThatVerifiesAndCountsWhatItHolds) {
  const TemporaryFolder folder;
  const auto at = [&](const char* name) { return (folder / name).string(); };
  const auto harvest = "harvest " + program + " --most 400 --machine " + machine + " --seed 3 --out ";
  const auto r = datagen(harvest + at("a") + " --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const auto summary = json::parse(r.out);
  EXPECT_EQ(summary["pieces"], 400);
  EXPECT_EQ(summary["files"], 1);
  EXPECT_EQ(datagen(harvest + at("b")).code, 0);
  test::expect_same_tree(folder / "a", folder / "b");
  const auto verified = datagen("verify " + at("a"));
  EXPECT_EQ(verified.code, 0) << verified.out;

  const auto manifest = json::parse(read_file(folder / "a" / "manifest.json"));
  const auto& generator = manifest["generator"];
  EXPECT_EQ(generator["kind"], "harvested code");
  EXPECT_GT(generator["mnemonics"]["mov"], 100);
  int64_t left_out = 0;
  for (const auto& [what, count] : generator["left_out"].items()) left_out += count.get<int64_t>();
  EXPECT_GT(left_out, 0);
  EXPECT_EQ(manifest["overlap"], 0);
  EXPECT_TRUE(contains(datagen("inspect --trace 0 " + at("a")).out, "read-only data"));

  // Distinct by code, and split by it; none of them faults.
  const Dataset dataset(folder / "a");
  std::set<std::string> codes;
  for (const Split s : splits) {
    EXPECT_GT(dataset.size(s), s == Split::train ? 250u : 20u);
    for (size_t i = 0; i < dataset.size(s); ++i) {
      const Trace& trace = dataset.trace(s, i);
      const auto code = trace.image().first(static_cast<size_t>(dataset.layout().data_offset));
      EXPECT_TRUE(codes.emplace(code.begin(), code.end()).second);
      EXPECT_LE(trace.stop, StopReason::time_limit);
      EXPECT_GE(trace.states(), 2);
    }
  }
}

TEST(Harvest, SeveralStartsOfAPieceAreOfOneSplit) {
  const TemporaryFolder folder;
  ASSERT_EQ(datagen("harvest " + program + " --most 60 --starts 3 --machine " + compact +
                    " --memory 1024 --out " + (folder / "d").string())
                .code,
            0);
  const Dataset dataset(folder / "d");
  std::set<std::string> codes[2];
  for (const Split s : splits) {
    for (size_t i = 0; i < dataset.size(s); ++i) {
      const auto code = dataset.trace(s, i).image().first(512);
      codes[static_cast<size_t>(s)].emplace(code.begin(), code.end());
    }
  }
  EXPECT_EQ(codes[0].size() + codes[1].size(), 60u);
  EXPECT_GT(dataset.size(Split::train), 120u);
  for (const auto& code : codes[1]) EXPECT_FALSE(codes[0].contains(code));
}

TEST(Harvest, ALargeMemoryIsInTheDatasetOnceForEveryPiece) {
  const TemporaryFolder folder;
  const auto out = (folder / "d").string();
  ASSERT_EQ(datagen("harvest " + program + " --most 50 --starts 4 --machine " + machine +
                    " --memory 65536 --out " + out)
                .code,
            0);
  const Dataset dataset(folder / "d");
  const auto traces = dataset.size(Split::train) + dataset.size(Split::test);
  EXPECT_GT(traces, 100u);
  int64_t images = 0, on_disk = 0;
  for (const Split s : splits) {
    for (const auto& shard : dataset.manifest()[s].shards) {
      const safetensors::File file(folder / "d" / shard.file);
      images += file.require("images", safetensors::Dtype::U8, 2).shape[0];
      on_disk += static_cast<int64_t>(test::fs::file_size(folder / "d" / shard.file));
    }
    for (size_t i = 0; i < dataset.size(s); ++i) EXPECT_TRUE(dataset.trace(s, i).is_whole());
  }
  EXPECT_EQ(images, 50);
  EXPECT_LT(on_disk, 60 * 65536);
  EXPECT_EQ(datagen("verify " + out).code, 0);
  EXPECT_EQ(datagen("export --out " + (folder / "files").string() + " " + out).code, 0);
  EXPECT_EQ(datagen("verify --machine " + machine + " " + (folder / "files").string()).code, 0);
}

TEST(Harvest, RefusesWhatItCannotDoInOneLine) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& arguments, int code, std::string_view says) {
    const auto r = datagen("harvest --out " + (folder / "d").string() + " " + arguments);
    EXPECT_EQ(r.code, code) << arguments;
    EXPECT_TRUE(contains(r.err, says)) << r.err;
    EXPECT_EQ(std::ranges::count(r.err, '\n'), 1) << r.err;
    EXPECT_FALSE(test::fs::exists(folder / "d"));
  };
  test::put(folder / "text", "no program");
  test::put(folder / "elf", read_file(program).substr(0, 5000));
  refused((folder / "none").string(), 1, "there is no such file or folder");
  refused((folder / "text").string(), 1, "none of the files is an ELF file of");
  refused((folder / "elf").string() + " --machine " + machine, 1, "the file is cut short");
  refused(program + " --machine toy8 --memory 64", 1, "toy8 runs no code of ELF files");
  refused(program + " --memory 100", 2, "cannot have a memory of 100 bytes");
  test::fs::create_directory(folder / "e");
  test::put(folder / "e" / "there", "");
  const auto r =
      datagen("harvest " + program + " --machine " + machine + " --out " + (folder / "e").string());
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "not empty")) << r.err;
}

}  // namespace
}  // namespace bytecpu
