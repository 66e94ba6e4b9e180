#include "datagen/files/pack.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "datagen/files/check_files.hpp"
#include "datagen/files/export_files.hpp"
#include "tests/datagen/file_support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using test::Contents;
using test::documents;
using test::expect_error;
using test::listed;
using test::packing;
using test::put_all;
using test::TemporaryFolder;
using test::unlike;
using Longer = PackOptions::Longer;
using Labels = PackOptions::Labels;

// Names and contents of all kinds.
Contents mixed() {
  Contents files = {{"empty", ""},
                    {"a/empty.txt", ""},
                    {".hidden", "x"},
                    {"a/b/c/deep.tar.gz", unlike(1, 100)},
                    {"no dot", "y"},
                    {"dot.", "z"},
                    {"zero\x01.bin", std::string(64, '\0')},
                    {"bad\xff.\xfe", "not UTF-8"},
                    {std::string(251, 'n') + ".txt", "long name"},
                    {"a/x.extension-of-26-bytes--", "w"},
                    {"back\\slash.txt", "v"},
                    {"a.txt", "in front of a/"}};
  for (int i = 0; i < 60; ++i)
    files[fmt::format("many/{:02}.dat", i)] = unlike(i + 100, static_cast<size_t>(i) * 7);
  return files;
}

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

TEST(Pack, PairsAreBothDirectionsAndStayTogether) {
  const TemporaryFolder folder;
  Contents files = {
      {"alone.abc", "1"}, {"only.mid", "2"}, {"x.txt", "3"}, {"s/x.y.abc", "A"}, {"s/x.y.mid", "B"}};
  // Many tunes, two of which have one MIDI.
  for (int i = 0; i < 100; ++i) {
    files[fmt::format("{}.abc", i)] = fmt::format("abc {}", i);
    files[fmt::format("{}.mid", i)] = fmt::format("mid {}", i / 2);
  }
  put_all(folder / "in", files);
  auto options = packing(folder);
  options.pairs = "abc:mid";
  options.test = "0.4";
  const auto result = pack(options);
  EXPECT_EQ(listed(result, "unpaired"), 3);
  const FileDataset dataset(folder / "d");
  EXPECT_EQ(dataset.size(Split::train) + dataset.size(Split::test), 202u);
  std::array<std::set<std::string>, 2> midis;
  for (const Split s : splits) {
    ASSERT_GT(dataset.size(s), 0u);
    for (size_t i = 0; i < dataset.size(s); i += 2) {
      const auto there = dataset.document(s, i), back = dataset.document(s, i + 1);
      EXPECT_EQ(there.context_extension, "abc");
      EXPECT_EQ(there.extension, "mid");
      EXPECT_EQ(back.context_extension, "mid");
      EXPECT_EQ(back.extension, "abc");
      EXPECT_EQ(test::text_of(there.context), files.at(std::string(dataset.name(s, i + 1))));
      EXPECT_EQ(test::text_of(there.steps), files.at(std::string(dataset.name(s, i))));
      EXPECT_EQ(test::text_of(back.steps), test::text_of(there.context));
      EXPECT_EQ(test::text_of(back.context), test::text_of(there.steps));
      EXPECT_TRUE(there.complete);
      midis[static_cast<size_t>(s)].insert(test::text_of(there.steps));
    }
  }
  for (const auto& midi : midis[0]) EXPECT_FALSE(midis[1].contains(midi)) << midi;
  for (const char* name : {"alone.abc", "only.mid", "x.txt"}) files.erase(name);
  export_files(folder / "d", folder / "out");
  auto all = test::tree(folder / "out" / "train");
  all.merge(test::tree(folder / "out" / "test"));
  EXPECT_TRUE(all == files);
}

TEST(Pack, APairsLimitIsForBothFiles) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"fits.a", "1234"},
                          {"fits.b", "123456"},
                          {"long.a", "12345"},
                          {"long.b", "1234567"},
                          {"far.a", "12345678901"},
                          {"far.b", ""}});
  auto options = packing(folder);
  options.pairs = "a:b";
  options.max_bytes = 10;
  expect_error([&] { pack(options); }, {"pairs longer than 10 bytes: 2: far.a, long.a", "--longer skip"});
  EXPECT_FALSE(fs::exists(folder / "d"));
  options.longer = Longer::skip;
  EXPECT_EQ(listed(pack(options), "longer"), 2);
  EXPECT_EQ(documents(folder / "d").size(), 2u);
}

TEST(Pack, LabelsAreByNameOrByFolder) {
  const TemporaryFolder folder;
  put_all(folder / "in",
          {{"news_1.txt", "1"}, {"sub/art_a_2.txt", "2"}, {"plain.txt", "3"}, {"sub/zoo/b.txt", "4"}});
  const auto labels = [&](Labels by, const std::string& out) {
    auto options = packing(folder, "in", out);
    options.labels = by;
    options.test = "0";
    const auto result = pack(options);
    EXPECT_EQ(listed(result, "unlabelled"), 2);
    const FileDataset dataset(options.out);
    std::map<std::string, std::string> all;
    for (size_t i = 0; i < dataset.size(Split::train); ++i) {
      const int label = dataset.label(Split::train, i);
      all[std::string(dataset.name(Split::train, i))] = label < 0 ? "-" : dataset.manifest().labels.at(label);
    }
    EXPECT_TRUE(std::ranges::is_sorted(dataset.manifest().labels));
    return all;
  };
  EXPECT_EQ(
      labels(Labels::name, "n"),
      (std::map<std::string, std::string>{
          {"news_1.txt", "news"}, {"plain.txt", "-"}, {"sub/art_a_2.txt", "art"}, {"sub/zoo/b.txt", "-"}}));
  EXPECT_EQ(
      labels(Labels::folder, "f"),
      (std::map<std::string, std::string>{
          {"news_1.txt", "-"}, {"plain.txt", "-"}, {"sub/art_a_2.txt", "sub"}, {"sub/zoo/b.txt", "sub"}}));
  put_all(folder / "none", {{"a", "1"}});
  auto options = packing(folder, "none", "e");
  options.labels = Labels::name;
  expect_error([&] { pack(options); }, {"no file has a label", "_"});
}

TEST(Pack, LongerFilesAreRefusedSkippedCutOrTakenInPieces) {
  const TemporaryFolder folder;
  const auto exact = unlike(1, 64), more = unlike(2, 65), much = unlike(3, 200), twice = unlike(4, 128);
  put_all(folder / "in", {{"exact", exact}, {"more", more}, {"much", much}, {"twice", twice}});
  auto options = packing(folder);
  options.max_bytes = 64;
  options.test = "0";
  expect_error([&] { pack(options); }, {"longer than 64 bytes: 3: more, much, twice", "--longer"});
  EXPECT_FALSE(fs::exists(folder / "d"));

  const auto packed = [&](Longer longer) {
    fs::remove_all(folder / "d");
    options.longer = longer;
    EXPECT_EQ(listed(pack(options), "longer"), 3);
    return documents(folder / "d");
  };
  EXPECT_EQ(packed(Longer::skip), (Contents{{"exact", exact}}));
  EXPECT_EQ(packed(Longer::head), (Contents{{"exact", exact},
                                            {"more", more.substr(0, 64)},
                                            {"much", much.substr(0, 64)},
                                            {"twice", twice.substr(0, 64)}}));
  {
    const FileDataset dataset(folder / "d");
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(dataset.document(Split::train, i).complete, i == 0);
  }
  EXPECT_EQ(export_files(folder / "d", folder / "heads").heads, 3);
  EXPECT_EQ(packed(Longer::windows),
            (Contents{{"exact", exact}, {"more", more}, {"much", much}, {"twice", twice}}));
  const FileDataset dataset(folder / "d");
  ASSERT_EQ(dataset.size(Split::train), 1u + 2 + 4 + 2);
  std::vector<size_t> lengths;
  std::vector<bool> complete;
  for (size_t i = 0; i < 9; ++i) {
    lengths.push_back(dataset.document(Split::train, i).steps.size());
    complete.push_back(dataset.document(Split::train, i).complete);
  }
  EXPECT_EQ(lengths, (std::vector<size_t>{64, 64, 1, 64, 64, 64, 8, 64, 64}));
  EXPECT_EQ(complete, (std::vector<bool>{true, false, true, false, false, false, true, false, true}));
}

TEST(Pack, LinksAndSpecialFilesAreListedAndNotFollowed) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"file", "1"}, {"sub/file", "2"}});
  put_all(folder / "out of it", {{"secret", "3"}});
  fs::create_symlink("file", folder / "in" / "link");
  fs::create_symlink("nowhere", folder / "in" / "broken");
  fs::create_directory_symlink(folder / "out of it", folder / "in" / "sub" / "folder");
  fs::create_directory_symlink(".", folder / "in" / "loop");
  ASSERT_EQ(::mkfifo((folder / "in" / "pipe").c_str(), 0600), 0);
  const auto result = pack(packing(folder));
  EXPECT_EQ(result.manifest.found["links"]["names"],
            (std::vector<std::string>{"broken", "link", "loop", "sub/folder"}));
  EXPECT_EQ(result.manifest.found["special"]["names"], (std::vector<std::string>{"pipe"}));
  EXPECT_EQ(documents(folder / "d"), (Contents{{"file", "1"}, {"sub/file", "2"}}));
}

TEST(Pack, WhatIsKeptAsItIsIsListedToo) {
  const TemporaryFolder folder;
  put_all(folder / "in", mixed());
  const auto result = pack(packing(folder));
  EXPECT_EQ(listed(result, "empty"), 3);  // many/00.dat too
  EXPECT_EQ(result.manifest.found["not_utf8"]["names"], (std::vector<std::string>{"bad\\xff.\\xfe"}));
  EXPECT_EQ(result.manifest.found["cut_extensions"]["names"],
            (std::vector<std::string>{"a/x.extension-of-26-bytes--"}));
  const auto& extensions = result.manifest.extensions;
  for (const char* extension : {"", "\xfe", "extension-of-26-", "gz", "hidden", "txt"})
    EXPECT_TRUE(std::ranges::binary_search(extensions, extension)) << extension;
  const FileDataset again(folder / "d");
  EXPECT_EQ(again.manifest().extensions, extensions);
}

TEST(Pack, FilesThatCannotBeReadAreListed) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"good", "1"}, {"bad", "2"}, {"closed/deep", "3"}});
  fs::permissions(folder.path(), fs::perms::all);
  fs::permissions(folder / "in" / "bad", fs::perms::none);
  fs::permissions(folder / "in" / "closed", fs::perms::none);
  const std::string as_nobody = ::geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups " : "";
  const auto r = test::shell(as_nobody + BYTECPU_BIN "/bytecpu-datagen pack " + (folder / "in").string() +
                             " --out " + (folder / "d").string());
  fs::permissions(folder / "in" / "closed", fs::perms::owner_all);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(test::contains(r.out, "cannot be read, left out: 2: closed, bad")) << r.out;
  EXPECT_EQ(documents(folder / "d"), (Contents{{"good", "1"}}));
}

TEST(Pack, ATestFolderKeepsItsContentsAndTrainDoesWithout) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"a", "1"}, {"b", "2"}, {"same", "3"}});
  put_all(folder / "held", {{"a", "9"}, {"other name", "2"}});
  auto options = packing(folder);
  options.test = folder / "held";
  const auto result = pack(options);
  EXPECT_EQ(result.manifest.found["in_test"]["names"], (std::vector<std::string>{"b"}));
  const FileDataset dataset(folder / "d");
  EXPECT_EQ(documents(dataset, Split::train), (Contents{{"a", "1"}, {"same", "3"}}));
  EXPECT_EQ(documents(dataset, Split::test), (Contents{{"a", "9"}, {"other name", "2"}}));
}

TEST(Pack, BadUsageExitsWith2AndFailureWith1) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"a.x", "1"}, {"a.y", "2"}, {"sub/b", "3"}});
  fs::create_directory(folder / "nothing");
  const auto pack_in = [&](const std::string& more) {
    return test::datagen("pack " + (folder / "in").string() + " --out " + (folder / "d").string() + " " +
                         more);
  };
  for (const std::string more :
       {"--test 1.5", "--test nowhere", "--pairs a", "--pairs a:a", "--pairs .a:b", "--pairs :b",
        "--max-bytes 0", "--longer head --max-bytes 100", "--longer windows --max-bytes 15",
        "--pairs x:y --longer windows", "--pairs x:y --longer head", "--pairs x:y --labels name",
        "--labels colour", "--test 0 --seed 1"}) {
    const auto r = pack_in(more);
    EXPECT_EQ(r.code, 2) << more << r.err;
    EXPECT_TRUE(test::contains(r.err, more.substr(0, more.find(' ')))) << r.err;
  }
  EXPECT_EQ(pack_in("--seed 1 --test " + (folder / "nothing").string()).code, 2);
  EXPECT_EQ(pack_in("--test " + (folder / "in" / "sub").string()).code, 2);
  EXPECT_EQ(
      test::datagen("pack " + (folder / "in").string() + " --out " + (folder / "in" / "d").string()).code, 2);
  EXPECT_EQ(test::datagen("pack " + (folder / "none").string() + " --out " + (folder / "d").string()).code,
            1);
  const auto r = test::datagen("pack " + (folder / "nothing").string() + " --out " + (folder / "d").string());
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(test::contains(r.err, "there is nothing to pack")) << r.err;
  EXPECT_FALSE(fs::exists(folder / "d"));
}

}  // namespace
}  // namespace bytecpu
