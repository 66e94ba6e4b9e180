#include "datagen/files/pack.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "datagen/files/check_files.hpp"
#include "datagen/files/export_files.hpp"
#include "datagen/io/output_folder.hpp"
#include "tests/datagen/file_support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using test::Contents;
using test::documents;
using test::expect_error;
using test::listed;
using test::mixed;
using test::packing;
using test::put_all;
using test::TemporaryFolder;
using test::unlike;
using Longer = PackOptions::Longer;

// 9 shards or so.
PackOptions small(const TemporaryFolder& folder) {
  auto options = packing(folder);
  options.shard_bytes = 2000;
  options.test = "0.3";
  return options;
}

TEST(Pack, ExportGivesTheFilesBack) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  for (const auto longer : {Longer::refuse, Longer::windows}) {
    auto options = small(folder);
    options.longer = longer;
    if (longer == Longer::windows) options.max_bytes = 48;
    const auto result = pack(options);
    EXPECT_EQ(result.manifest[Split::train].files + result.manifest[Split::test].files, std::ssize(mixed()));
    EXPECT_GT(result.manifest[Split::test].files, 0);
    const auto exported = export_files(folder / "d", folder / "out");
    EXPECT_EQ(exported.heads, 0);
    auto all = test::tree(folder / "out" / "train");
    auto test_files = test::tree(folder / "out" / "test");
    EXPECT_EQ(std::ssize(all), exported.files[0]);
    EXPECT_EQ(std::ssize(test_files), exported.files[1]);
    all.merge(test_files);
    EXPECT_TRUE(test_files.empty()) << "a name is in both splits";
    EXPECT_TRUE(all == mixed());
    EXPECT_TRUE(check_files(folder / "d", 2).problems.empty());
    fs::remove_all(folder / "d");
    fs::remove_all(folder / "out");
  }
}

TEST(Pack, NeitherThreadsNorTheFoldersOrderChangeAnything) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  auto options = small(folder);
  pack(options);
  fs::remove_all(folder / "in");
  const auto files = mixed();
  for (auto file = files.rbegin(); file != files.rend(); ++file) put_all(folder / "in", {*file});
  options.threads = 3;
  options.out = folder / "e";
  pack(options);
  test::expect_same_tree(folder / "d", folder / "e");
}

TEST(Pack, GoesOnAfterAKillAtEachShardAndLeavesTheSame) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  pack(small(folder));
  const auto whole = test::tree(folder / "d");
  std::vector<std::string> shards;
  for (const auto& [name, contents] : whole) {
    if (name.ends_with(".safetensors")) shards.push_back(name);
  }
  ASSERT_GT(shards.size(), 5u);
  for (size_t there = 0; there <= shards.size(); ++there) {
    fs::remove(folder / "d" / "manifest.json");
    for (size_t i = there; i < shards.size(); ++i) fs::remove(folder / "d" / shards[i]);
    test::put(folder / "d" / ".train-00001.safetensors.77.tmp", "torn");
    const auto result = pack(small(folder));
    EXPECT_EQ(result.resumed_shards, static_cast<int64_t>(there));
    EXPECT_TRUE(result.damaged_shards.empty());
    EXPECT_TRUE(test::tree(folder / "d") == whole) << there;
  }
}

TEST(Pack, PartsMadeAtOnceBecomeTheSameDataset) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  const auto whole = pack(small(folder));
  for (const int count : {1, 3, 20}) {
    auto options = small(folder);
    options.out = folder / "parts";
    std::vector<std::thread> threads;
    std::atomic<int64_t> shards = 0;
    for (int index = 1; index <= count; ++index) {
      auto part = options;
      part.part = Part{index, count};
      threads.emplace_back([part, &shards] { shards += pack(part).shards; });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(shards, whole.all_shards);
    EXPECT_FALSE(fs::exists(options.out / "manifest.json"));
    // What a killed part was writing; and one part is not there.
    if (count == 3) {
      test::put(options.out / ".train-00001.safetensors.1.tmp", "torn");
      fs::remove(options.out / "train-00000.safetensors");
    }
    const auto result = pack(options);
    EXPECT_EQ(result.resumed_shards, whole.all_shards - (count == 3 ? 1 : 0));
    test::expect_same_tree(folder / "d", options.out);
    fs::remove_all(options.out);
  }
}

TEST(Pack, APartIsRefusedWhereItIsMadeAlreadyOrTheDatasetIs) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  auto options = small(folder);
  options.part = Part{1, 2};
  {
    const OutputFolder shared(options.out, OutputFolder::Use::shared);
    const PartLock lock(shared, *options.part);
    expect_error([&] { pack(options); }, {"another process makes part 1 of 2"});
    options.part.reset();
    expect_error([&] { pack(options); }, {"another process"});
  }
  options.part = Part{1, 2};
  pack(options);
  auto other = options;
  other.max_bytes = 500'000;
  expect_error([&] { pack(other); }, {"of another configuration"});
  options.part.reset();
  pack(options);
  options.part = Part{2, 2};
  expect_error([&] { pack(options); }, {"holds the whole dataset already"});
}

TEST(Pack, ADamagedShardIsMadeAgainAndOtherDatasetsAreLeftAlone) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  pack(small(folder));
  const auto whole = test::tree(folder / "d");
  test::flip_byte(folder / "d" / "train-00001.safetensors",
                  fs::file_size(folder / "d" / "train-00001.safetensors") - 1);
  test::put(folder / "d" / "test-00000.safetensors", "cut");
  const auto result = pack(small(folder));
  EXPECT_EQ(result.damaged_shards,
            (std::set<std::string>{"test-00000.safetensors", "train-00001.safetensors"}));
  EXPECT_TRUE(test::tree(folder / "d") == whole);

  auto other = small(folder);
  other.seed = 5;
  expect_error([&] { pack(other); },
               {"of another configuration, or of other files", "choose another folder"});
  fs::remove(folder / "d" / "manifest.json");
  expect_error([&] { pack(other); }, {"of another configuration"});
  test::put(folder / "in" / "new.txt", "new");
  expect_error([&] { pack(small(folder)); }, {"of other files"});
  put_all(folder / "e", {{"letter.txt", "dear"}});
  other.out = folder / "e";
  expect_error([&] { pack(other); }, {"is not empty: it holds letter.txt"});
  EXPECT_TRUE(test::tree(folder / "e") == (Contents{{"letter.txt", "dear"}}));
}

TEST(Pack, AFileThatChangesMeanwhileEndsIt) {
  const fs::path random = "/proc/sys/kernel/random";  // its uuid is another one at every reading
  if (!fs::exists(random / "uuid")) GTEST_SKIP();
  const TemporaryFolder folder;
  auto options = packing(folder);
  options.folder = random;
  expect_error([&] { pack(options); }, {"random/uuid: it changed while it was packed"});
  EXPECT_FALSE(fs::exists(folder / "d" / "manifest.json"));
}

TEST(Pack, EqualContentsAreInOneSplitAndMayBeDropped) {
  const TemporaryFolder folder;
  Contents files;
  for (int i = 0; i < 100; ++i) {
    for (const char* copy : {"a", "b", "c"})
      files[fmt::format("{}/{}.{}", copy, i, *copy == 'c' ? "other" : "txt")] = unlike(i, 20);
  }
  put_all(folder / "in", files);
  auto options = packing(folder);
  options.test = "0.5";
  auto result = pack(options);
  EXPECT_EQ(listed(result, "duplicates"), 100);  // one of another extension is none
  const FileDataset dataset(folder / "d");
  std::set<std::string> train, test_contents;
  for (const auto& [name, text] : documents(dataset, Split::train)) train.insert(text);
  for (const auto& [name, text] : documents(dataset, Split::test)) test_contents.insert(text);
  EXPECT_EQ(train.size() + test_contents.size(), 100u);
  EXPECT_GT(train.size(), 25u);
  EXPECT_GT(test_contents.size(), 25u);

  options.keep_duplicates = false;
  options.out = folder / "e";
  result = pack(options);
  EXPECT_EQ(listed(result, "duplicates"), 100);
  const auto left = documents(folder / "e");
  EXPECT_EQ(left.size(), 200u);
  EXPECT_TRUE(left.contains("a/7.txt") && !left.contains("b/7.txt") && left.contains("c/7.other"));
}

TEST(Pack, TheShareOfTestContentsIsAsAskedForAndDependsOnTheSeed) {
  const TemporaryFolder folder;
  Contents files;
  for (int i = 0; i < 1000; ++i) files[fmt::format("{}", i)] = unlike(i, 9);
  put_all(folder / "in", files);
  std::set<Contents> seen;
  for (const uint64_t seed : {0, 1}) {
    auto options = packing(folder, "in", fmt::format("d{}", seed));
    options.test = "0.2";
    options.seed = seed;
    const auto share = pack(options).manifest[Split::test].documents;
    EXPECT_NEAR(static_cast<double>(share), 200, 60);
    seen.insert(documents(FileDataset(options.out), Split::test));
  }
  EXPECT_EQ(seen.size(), 2u);
  for (const char* share : {"0", "1"}) {
    auto options = packing(folder, "in", fmt::format("s{}", share));
    options.test = share;
    EXPECT_EQ(pack(options).manifest[Split::test].documents, *share == '1' ? 1000 : 0);
  }
}

TEST(Pack, WindowsThatShareAContentAreInOneSplit) {
  const TemporaryFolder folder;
  // Each shares a window with the next.
  Contents files;
  for (int i = 0; i < 30; ++i) files[fmt::format("{:02}", i)] = unlike(i, 32) + unlike(i + 1, 32) + "end";
  for (int i = 0; i < 30; ++i) files[fmt::format("{:02} alone", i)] = unlike(i + 500, 70);
  put_all(folder / "in", files);
  auto options = packing(folder);
  options.longer = Longer::windows;
  options.max_bytes = 32;
  options.test = "0.5";
  const auto result = pack(options);
  EXPECT_EQ(result.manifest.found["largest_group"], 30);
  EXPECT_EQ(listed(result, "longer"), 60);
  const FileDataset dataset(folder / "d");
  int chained_in_test = 0;
  for (const auto& [name, text] : documents(dataset, Split::test)) chained_in_test += name.size() == 2;
  EXPECT_TRUE(chained_in_test == 0 || chained_in_test == 30) << chained_in_test;
  for (size_t i = 0; i < dataset.size(Split::train); ++i) {
    const bool last = i + 1 == dataset.size(Split::train) ||
                      dataset.name(Split::train, i + 1) != dataset.name(Split::train, i);
    EXPECT_EQ(dataset.document(Split::train, i).complete, last);
  }
}

}  // namespace
}  // namespace bytecpu
