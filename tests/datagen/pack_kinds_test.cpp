// What becomes of pairs, labels, long files and whatever else a folder may hold.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "datagen/files/export_files.hpp"
#include "datagen/files/pack.hpp"
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
using Labels = PackOptions::Labels;

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

}  // namespace
}  // namespace bytecpu
