// A dataset made in parts is the dataset that one process makes.
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "datagen/dataset/generate.hpp"
#include "datagen/dataset/merge.hpp"
#include "datagen/dataset/part_file.hpp"
#include "datagen/dataset/plan.hpp"
#include "datagen/dataset/verify.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using test::contains;
using test::datagen;
using test::expect_error;
using test::expect_same_tree;
using test::TemporaryFolder;

// 7 train shards and 2 test shards.
GenerateOptions small(const fs::path& out, std::optional<Part> part = {}) {
  GenerateOptions options;
  options.memory_bytes = 256;
  options.programs.max_instructions = 3;  // many programs come twice
  options.traces = {400, 70};
  options.shard_traces = 60;
  options.seed = 9;
  options.part = part;
  options.out = out;
  return options;
}

constexpr int shards = 9;

void generate_parts(const fs::path& folder, int count) {
  for (int index = count; index >= 1; --index) generate(small(folder, Part{index, count}));
}

std::string quoted(const fs::path& path) { return fmt::format("'{}'", path.string()); }

TEST(Part, IsReadAsKOfN) {
  EXPECT_EQ(parse_part("1/1"), (Part{1, 1}));
  EXPECT_EQ(parse_part("65536/65536"), (Part{65536, 65536}));
  for (const char* wrong : {"", "1", "/", "1/", "/2", "0/2", "3/2", "-1/2", "1/65537", "1/2/3", "1/2 ",
                            " 1/2", "1.0/2", "99999999999/99999999999", "a/b"}) {
    EXPECT_FALSE(parse_part(wrong)) << wrong;
  }
}

TEST(Part, IsFoundByTheNameOfItsFile) {
  EXPECT_EQ(part_file_name({2, 4}), "part-2-of-4.json");
  EXPECT_EQ(part_of_file("part-2-of-4.json"), (Part{2, 4}));
  for (const char* wrong : {"part-5-of-4.json", "part-02-of-4.json", "part-2-of-4.json.bak", "part-.json",
                            "part--of-.json", "part-of-.json", "manifest.json", ""}) {
    EXPECT_FALSE(part_of_file(wrong)) << wrong;
  }
}

TEST(ShardPlan, EveryShardIsOfOnePartAndFoundByItsName) {
  const ShardPlan plan({400, 70}, 60);
  ASSERT_EQ(plan.size(), 9u);
  EXPECT_EQ(plan[6].traces, 40);
  EXPECT_EQ(plan[7].split, Split::test);
  EXPECT_EQ(plan[8].traces, 10);
  for (size_t job = 0; job < plan.size(); ++job) {
    EXPECT_EQ(plan.find(shard_name(plan[job].split, plan[job].index)), job);
  }
  for (const char* none : {"train-00007.safetensors", "test-00002.safetensors", "train-0.safetensors",
                           "train-.safetensors", "train-00000.safetensors.x", "train-", "x"}) {
    EXPECT_FALSE(plan.find(none)) << none;
  }
  for (const int count : {1, 2, 9, 20}) {
    std::vector<int> times(plan.size());
    for (int index = 1; index <= count; ++index) {
      for (const size_t job : plan.share({index, count})) {
        EXPECT_TRUE((Part{index, count}.has(job)));
        ++times[job];
      }
    }
    EXPECT_EQ(times, std::vector<int>(plan.size(), 1)) << count;
  }
}

TEST(Parts, MergedInTheirFolderAreTheBytesOfOneProcess) {
  for (const auto rng : {GenerateOptions::Rng::native, GenerateOptions::Rng::python}) {
    const TemporaryFolder folder;
    auto whole = small(folder / "whole");
    whole.rng = rng;
    generate(whole);
    for (const int count : {1, 3, 20}) {
      const auto out = folder / std::to_string(count);
      for (int index = count; index >= 1; --index) {
        auto part = small(out, Part{index, count});
        part.rng = rng;
        generate(part);
      }
      const auto result = merge_parts({{out}, out, 2});
      EXPECT_EQ(result.parts, count);
      EXPECT_EQ(result.there, shards);
      EXPECT_GT(result.manifest[Split::train].duplicates, 0);
      expect_same_tree(folder / "whole", out);
    }
  }
}

TEST(Parts, OfSeveralFoldersAreLinkedAndTheFoldersStay) {
  const TemporaryFolder folder;
  generate(small(folder / "whole"));
  std::vector<fs::path> folders;
  for (int index = 1; index <= 3; ++index) {
    folders.push_back(folder / std::to_string(index));
    generate(small(folders.back(), Part{index, 3}));
  }
  const auto before = test::tree(folders[1]);
  const auto result = merge_parts({folders, folder / "out", 1});
  EXPECT_EQ(result.linked, shards);
  EXPECT_EQ(result.copied + result.there, 0);
  expect_same_tree(folder / "whole", folder / "out");
  EXPECT_TRUE(test::tree(folders[1]) == before);
  EXPECT_TRUE(verify_dataset(folder / "out", {}).failures.empty());

  // A second time nothing is left to do; and one of the folders may be the one to write to.
  EXPECT_EQ(merge_parts({folders, folder / "out", 1}).there, shards);
  expect_same_tree(folder / "whole", folder / "out");
  EXPECT_EQ(merge_parts({folders, folders[0], 1}).there, 3);
  expect_same_tree(folder / "whole", folders[0]);
  EXPECT_TRUE(test::tree(folders[1]) == before);
}

TEST(Parts, OfManyProcessesAtOnceInOneFolder) {
  const TemporaryFolder folder;
  const std::string options =
      "generate --memory 256 --max-instructions 20 --train 1500 --test 200 --shard-traces 25 ";
  ASSERT_EQ(datagen(options + "--out " + quoted(folder / "whole")).code, 0);
  std::string all;
  for (int index = 1; index <= 8; ++index) {
    all += fmt::format("{}/bytecpu-datagen {} --part {}/8 --out {} & pids=\"$pids $!\"; ", BYTECPU_BIN,
                       options, index, quoted(folder / "d"));
  }
  const auto made = test::shell(all + "for pid in $pids; do wait $pid || exit 1; done");
  EXPECT_EQ(made.code, 0) << made.err;
  const auto merged = datagen("merge " + quoted(folder / "d"));
  EXPECT_EQ(merged.code, 0) << merged.err;
  EXPECT_TRUE(contains(merged.out, "8 parts merged")) << merged.out;
  expect_same_tree(folder / "whole", folder / "d");
}

TEST(Parts, AnInterruptedOneGoesOnAndADamagedShardIsMadeAgain) {
  const TemporaryFolder folder;
  generate(small(folder / "whole"));
  generate_parts(folder / "d", 2);
  const auto before = test::tree(folder / "d");
  fs::remove(folder / "d" / "train-00002.safetensors");
  auto result = generate(small(folder / "d", Part{1, 2}));
  EXPECT_EQ(result.resumed_shards, 4);
  EXPECT_EQ(result.traces, (std::array<int64_t, 2>{60 * 3 + 40, 10}));
  EXPECT_TRUE(test::tree(folder / "d") == before);
  const auto shard = folder / "d" / "train-00001.safetensors";
  test::flip_byte(shard, fs::file_size(shard) - 1);
  result = generate(small(folder / "d", Part{2, 2}));
  EXPECT_EQ(result.damaged_shards, std::set<std::string>{"train-00001.safetensors"});
  EXPECT_TRUE(test::tree(folder / "d") == before);
  merge_parts({{folder / "d"}, folder / "d"});
  expect_same_tree(folder / "whole", folder / "d");
}

TEST(Parts, OnlyTemporariesOfItsOwnAreRemoved) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "d");
  const auto mine = folder / "d" / ".train-00001.safetensors.77.tmp",
             others = folder / "d" / ".train-00000.safetensors.78.tmp",
             other_file = folder / "d" / ".part-1-of-2.json.78.tmp";
  for (const auto& file : {mine, others, other_file}) test::put(file, "at work");
  generate(small(folder / "d", Part{2, 2}));
  EXPECT_FALSE(fs::exists(mine));
  EXPECT_TRUE(fs::exists(others));
  EXPECT_TRUE(fs::exists(other_file));
  generate(small(folder / "d", Part{1, 2}));
  EXPECT_FALSE(fs::exists(others));
}

TEST(Parts, OneProcessMakesAPartAndNoOtherTheWhole) {
  const TemporaryFolder folder;
  const auto second = small(folder / "d", Part{2, 3});
  {
    const OutputFolder output(folder / "d", OutputFolder::Use::shared);
    const PartLock lock(output, {2, 3});
    expect_error([&] { generate(second); }, {"/d: another process makes part 2 of 3"});
    EXPECT_NO_THROW(generate(small(folder / "d", Part{1, 3})));
    expect_error([&] { generate(small(folder / "d")); }, {"another process is writing to it"});
    expect_error([&] { merge_parts({{folder / "d"}, folder / "d"}); }, {"another process is writing to it"});
  }
  EXPECT_NO_THROW(generate(second));
  const OutputFolder alone(folder / "d");
  expect_error([&] { generate(second); }, {"another process is writing to it"});
}

TEST(Parts, AFolderThatStaysEmptyIsNotRemovedFromUnderAnother) {
  const TemporaryFolder folder;
  auto maker = std::make_unique<OutputFolder>(folder / "d", OutputFolder::Use::shared);
  {
    const OutputFolder other(folder / "d", OutputFolder::Use::shared);
    maker.reset();
    EXPECT_TRUE(fs::exists(folder / "d"));
  }
  fs::remove(folder / "d");
  { const OutputFolder made(folder / "d", OutputFolder::Use::shared); }
  EXPECT_FALSE(fs::exists(folder / "d"));
}

TEST(Parts, RefuseAFolderOfSomethingElseAndLeaveItAlone) {
  const TemporaryFolder folder;
  generate_parts(folder / "d", 3);
  const auto refused = [&](const GenerateOptions& options, std::string_view part) {
    const auto before = test::tree(options.out);
    expect_error([&] { generate(options); }, {options.out.string(), part});
    EXPECT_TRUE(test::tree(options.out) == before);
  };
  auto other = small(folder / "d", Part{2, 3});
  other.seed = 10;
  refused(other, "another configuration");
  refused(small(folder / "d", Part{2, 4}), "holds parts of 3: give --part K/3");
  refused(small(folder / "d"), "holds parts of a dataset: bytecpu-datagen merge makes");
  // More parts than shards: that no shard is there tells nothing.
  generate(small(folder / "e", Part{20, 20}));
  other = small(folder / "e", Part{19, 20});
  other.seed = 10;
  refused(other, "part-20-of-20.json of another configuration");

  merge_parts({{folder / "d"}, folder / "d"});
  refused(small(folder / "d", Part{2, 3}), "holds the whole dataset already");
  fs::create_directory(folder / "home");
  test::put(folder / "home" / "letter.txt", "dear");
  refused(small(folder / "home", Part{1, 2}), "letter.txt");
  test::put(folder / "e" / "part-3-of-20.json", "{}");
  refused(small(folder / "e", Part{2, 20}), "part-3-of-20.json: \"format\" is missing");

  auto files = small(folder / "f", Part{1, 2});
  files.format = GenerateOptions::Format::files;
  EXPECT_THROW(generate(files), UsageError);
  EXPECT_FALSE(fs::exists(folder / "f"));
}

// A finished set of three parts, and one thing wrong with it.
class MergeRefuses : public testing::Test {
 protected:
  MergeRefuses() { generate_parts(parts_, 3); }

  // Neither the parts nor the output are touched.
  void refused(const std::vector<fs::path>& folders, std::initializer_list<std::string_view> texts) {
    for (const auto& out : {folder_ / "out", folders[0]}) {
      const auto before = test::tree(folder_.path());
      expect_error([&] { merge_parts({folders, out}); }, texts);
      EXPECT_TRUE(test::tree(folder_.path()) == before);
      EXPECT_FALSE(fs::exists(folder_ / "out"));
    }
  }

  TemporaryFolder folder_;
  fs::path parts_ = folder_ / "parts";
};

TEST_F(MergeRefuses, MissingParts) {
  fs::remove(parts_ / "part-2-of-3.json");
  refused({parts_}, {"of 3 parts one is missing: 2; generate --part 2/3 makes it"});
  fs::remove(parts_ / "part-3-of-3.json");
  refused({parts_}, {"of 3 parts 2 are missing: 2, 3; generate --part 2/3 makes the first"});
  fs::remove(parts_ / "part-1-of-3.json");
  refused({parts_}, {parts_.string(), "no part of a dataset is in it"});
}

TEST_F(MergeRefuses, AFolderThatIsNotThere) {
  expect_error(
      [&] {
        merge_parts({{folder_ / "none"}, folder_ / "none"});
      },
      {"/none: there is no such folder"});
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(MergeRefuses, AnUnfinishedPart) {
  auto file = ordered_json::parse(read_file(parts_ / "part-3-of-3.json"));
  file.erase("shards");
  test::put(parts_ / "part-3-of-3.json", file.dump());
  refused({parts_}, {"part-3-of-3.json: the part is not finished: generate --part 3/3 goes on with it"});
}

TEST_F(MergeRefuses, TwoConfigurations) {
  auto other = small(folder_ / "other", Part{2, 3});
  other.seed = 10;
  generate(other);
  refused({parts_, folder_ / "other"}, {"parts of two datasets: seed is 9 in", "and 10 in"});
  generate(small(folder_ / "of4", Part{2, 4}));
  refused({parts_, folder_ / "of4"}, {"is one of 3 parts, and", "is one of 4"});
}

TEST_F(MergeRefuses, ADamagedOrMissingShard) {
  const auto shard = parts_ / "train-00004.safetensors";
  const auto whole = read_file(shard);
  test::flip_byte(shard, whole.size() - 1);
  refused({parts_},
          {shard.string(), "part-2-of-3.json lists: it was altered; generate --part 2/3 makes it again"});
  test::put(shard, whole.substr(0, 3000));
  refused({parts_}, {shard.string(), "generate --part 2/3 makes it again"});
  // Whole, but another's.
  test::put(shard, read_file(parts_ / "train-00005.safetensors"));
  refused({parts_}, {shard.string(), "it was altered"});
  fs::remove(shard);
  refused({parts_}, {"cannot read " + shard.string(), "generate --part 2/3 makes it again"});
}

TEST_F(MergeRefuses, APartThatIsThereTwiceWithDifferentContents) {
  fs::copy(parts_, folder_ / "copy");
  auto file = ordered_json::parse(read_file(parts_ / "part-2-of-3.json"));
  file["shards"][1]["checksum"] = std::string(32, '0');
  test::put(folder_ / "copy" / "part-2-of-3.json", file.dump());
  refused({parts_, folder_ / "copy"}, {"part 2/3 is there twice, with different contents"});
}

TEST_F(MergeRefuses, AListOfOtherShards) {
  const auto path = parts_ / "part-2-of-3.json";
  const auto file = ordered_json::parse(read_file(path));
  const auto refused_with = [&](auto change) {
    auto other = file;
    change(other);
    test::put(path, other.dump());
    refused({parts_}, {"the shards that it lists are not those of part"});
  };
  refused_with([](auto& f) { f["shards"].erase(1); });
  refused_with([](auto& f) { f["shards"].push_back(f["shards"][0]); });
  refused_with([](auto& f) { f["shards"][0] = f["shards"][1]; });
  refused_with([](auto& f) { f["shards"][0]["file"] = "train-00000.safetensors"; });
  auto renamed = file;
  renamed["part"] = 1;
  test::put(path, renamed.dump());
  refused({parts_}, {"part-2-of-3.json: it says that it is part 1 of 3"});
  test::put(path, file.dump().substr(0, 200));
  refused({parts_}, {"part-2-of-3.json: not valid JSON"});
}

TEST_F(MergeRefuses, AnOutputFolderOfSomethingElse) {
  const auto out = folder_ / "full";
  const auto refuse = [&](std::initializer_list<std::string_view> texts) {
    const auto before = test::tree(folder_.path());
    expect_error([&] { merge_parts({{parts_}, out}); }, texts);
    EXPECT_TRUE(test::tree(folder_.path()) == before);
    fs::remove_all(out);
  };
  fs::create_directory(out);
  test::put(out / "letter.txt", "dear");
  refuse({"/full is not empty, it holds letter.txt; choose another folder"});
  auto other = small(out);
  other.seed = 10;
  generate(other);
  refuse({"/full holds a dataset of another configuration"});
  generate(other);
  fs::remove(out / "manifest.json");
  refuse({"/full/test-00000.safetensors is there, and it is not the shard that"});
  generate(small(out, Part{1, 3}));  // parts that merge was not asked to merge
  refuse({"/full is not empty, it holds .parts.lock"});
}

TEST(Parts, APartMayBeThereTwiceAsACopyOrUnfinished) {
  const TemporaryFolder folder;
  generate_parts(folder / "a", 3);
  fs::copy(folder / "a", folder / "b");
  auto file = ordered_json::parse(read_file(folder / "b" / "part-3-of-3.json"));
  file.erase("shards");
  test::put(folder / "b" / "part-3-of-3.json", file.dump());
  merge_parts({{folder / "b", folder / "a"}, folder / "out"});
  generate(small(folder / "whole"));
  expect_same_tree(folder / "whole", folder / "out");
}

TEST(Parts, AnInterruptedMergeIsMadeAgain) {
  const TemporaryFolder folder;
  generate(small(folder / "whole"));
  generate_parts(folder / "d", 3);
  const auto parts = test::tree(folder / "d");
  // Between two shards; a copy was cut short.
  fs::create_directory(folder / "out");
  fs::copy(folder / "d" / "train-00000.safetensors", folder / "out");
  test::put(folder / "out" / ".train-00001.safetensors.1.tmp", "half");
  const auto result = merge_parts({{folder / "d"}, folder / "out"});
  EXPECT_EQ(result.there, 1);
  EXPECT_EQ(result.linked, shards - 1);
  expect_same_tree(folder / "whole", folder / "out");
  // In place, when the manifest was there and some part files were removed.
  merge_parts({{folder / "d"}, folder / "d"});
  test::put(folder / "d" / "part-2-of-3.json", parts.at("part-2-of-3.json"));
  EXPECT_TRUE(merge_parts({{folder / "d"}, folder / "d"}).was_merged);
  expect_same_tree(folder / "whole", folder / "d");
  EXPECT_TRUE(merge_parts({{folder / "d"}, folder / "d"}).was_merged);
}

TEST(Parts, TheManifestNamesTheEnginesOfTheLast) {
  const TemporaryFolder folder;
  generate_parts(folder / "d", 2);
  const auto path = folder / "d" / "part-1-of-2.json";
  auto file = ordered_json::parse(read_file(path));
  file["engines"]["unicorn"] = "0.1";
  test::put(path, file.dump());
  // Where nothing is made again, they are those that made it.
  generate(small(folder / "d", Part{1, 2}));
  EXPECT_EQ(ordered_json::parse(read_file(path))["engines"]["unicorn"], "0.1");
  const auto result = merge_parts({{folder / "d"}, folder / "d"});
  EXPECT_TRUE(result.several_engines);
  EXPECT_EQ(result.manifest.engines, engine_versions());
}

TEST(Parts, TheCommandsSayWhatTheyDid) {
  const TemporaryFolder folder;
  const std::string options =
      "generate --memory 64 --max-instructions 6 --train 200 --shard-traces 100 --out " +
      quoted(folder / "d");
  const auto made = datagen(options + " --part 1/2 --json");
  ASSERT_EQ(made.code, 0) << made.err;
  const auto summary = ordered_json::parse(made.out);
  EXPECT_EQ(summary["part"], "1/2");
  EXPECT_EQ(summary["traces"], 100);
  EXPECT_FALSE(summary.contains("overlap"));
  const auto second = datagen(options + " --part 2/2");
  EXPECT_TRUE(contains(second.out, "/d, part 2/2: 100 traces")) << second.out;
  const auto merged = datagen("merge --json " + quoted(folder / "d"));
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_EQ(ordered_json::parse(merged.out)["splits"]["train"]["traces"], 200);
  EXPECT_TRUE(contains(datagen("merge " + quoted(folder / "d")).out, "it was merged already"));
  EXPECT_EQ(datagen("verify " + quoted(folder / "d")).code, 0);

  for (const std::string& usage :
       {options + " --part 0/2", options + " --part 3/2", options + " --part 2", options + " --part 1/65537",
        options + " --part 1/2 --format files", std::string("merge"), std::string("merge a b")}) {
    const auto refused = datagen(usage);
    EXPECT_EQ(refused.code, 2) << usage << refused.err;
  }
}

}  // namespace
}  // namespace bytecpu
