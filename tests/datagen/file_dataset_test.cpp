#include "datagen/files/file_dataset.hpp"

#include <functional>
#include <set>

#include "datagen/dataset/dataset.hpp"
#include "datagen/files/check_files.hpp"
#include "datagen/files/file_corpus.hpp"
#include "datagen/files/file_shard.hpp"
#include "tests/datagen/file_support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using test::contains;
using test::expect_error;
using test::packing;
using test::put_all;
using test::TemporaryFolder;

// Two files, one of them in two windows, with labels.
struct Made {
  FileManifest manifest;
  FileBatch batch;
};
Made labelled() {
  Made made;
  made.manifest.extensions = {"", "txt"};
  made.manifest.labels = {"x", "y"};
  auto& b = made.batch;
  b.offsets = {0, 16, 19, 20};
  b.name_offsets = {0, 5, 10, 11};
  b.extensions = {1, 1, 0};
  b.labels = {0, 0, -1};
  b.complete = {0, 1, 1};
  b.bytes.assign(20, 'b');
  b.names = "a.txta.txtb";
  return made;
}
Made paired() {
  Made made;
  made.manifest.extensions = {"abc", "mid"};
  made.manifest.pairs = {"abc", "mid"};
  auto& b = made.batch;
  b.offsets = {0, 5};
  b.contexts = {2};
  b.name_offsets = {0, 5, 10};
  b.extensions = {0, 1};
  b.complete = {1};
  b.bytes.assign(5, 'b');
  b.names = "t.abct.mid";
  return made;
}

void expect_refused(const Made& made, std::initializer_list<std::string_view> parts) {
  const TemporaryFolder folder;
  const auto path = folder / "train-00000.safetensors";
  write_shard(path, made.manifest, made.batch, {});
  expect_error([&] { FileShard(path, made.manifest); }, parts);
  expect_error([&] { FileShard(path, made.manifest); }, {path.string()});
}

TEST(FileShard, WholeOnesAreTaken) {
  const TemporaryFolder folder;
  for (const auto& made : {labelled(), paired()}) {
    write_shard(folder / "s", made.manifest, made.batch, {});
    const FileShard shard(folder / "s", made.manifest);
    EXPECT_EQ(shard.intact(), true);
    EXPECT_EQ(shard.info().documents, made.manifest.pairs ? 2 : 3);
  }
}

TEST(FileShard, WhatIsWrongIsSaidWithThePath) {
  using Break = std::function<void(Made&)>;
  const std::vector<std::pair<Break, std::string_view>> all = {
      {[](Made& m) { m.batch.offsets = {}; }, "offsets are empty"},
      {[](Made& m) { m.batch.offsets[0] = 1; }, "offsets do not span the 20 bytes"},
      {[](Made& m) { m.batch.offsets[3] = 21; }, "offsets do not span the 20 bytes"},
      {[](Made& m) { m.batch.offsets[1] = 32; }, "offsets go back after 1"},
      {[](Made& m) { m.batch.name_offsets[1] = -5; }, "name_offsets go back after 0"},
      {[](Made& m) { m.batch.name_offsets.push_back(11); }, "names and extensions are not one a file"},
      {[](Made& m) { m.batch.extensions.pop_back(); }, "names and extensions are not one a file"},
      {[](Made& m) { m.batch.labels.pop_back(); }, "are not one an entry"},
      {[](Made& m) { m.batch.complete.pop_back(); }, "are not one an entry"},
      {[](Made& m) { m.batch.labels[1] = 2; }, "entry 1: 2 is the number of no label"},
      {[](Made& m) { m.batch.labels[1] = -2; }, "entry 1: -2 is the number of no label"},
      {[](Made& m) { m.batch.complete[1] = 2; }, "entry 1: complete is 2"},
      {[](Made& m) { m.batch.complete[1] = 0; }, "entry 1: it is cut, and not after a whole step"},
      {[](Made& m) { m.batch.offsets[1] = 0; }, "entry 0: it is cut, and not after a whole step"},
      {[](Made& m) { m.batch.extensions[2] = 1; }, "entry 2: 1 is not the number of the extension of \"b\""},
      {[](Made& m) { m.batch.extensions[2] = 7; }, "entry 2: 7 is not the number"},
      {[](Made& m) { m.batch.extensions[2] = -1; }, "entry 2: -1 is not the number"},
      {[](Made& m) { m.batch.names[10] = '/'; }, "entry 2: \"/\" cannot be a file's name: it is absolute"},
      {[](Made& m) { m.batch.names[10] = '\0'; }, "entry 2: \"\\x00\" cannot be a file's name"},
      {[](Made& m) { m.batch.names.replace(0, 5, "../.x"); }, "entry 0: \"../.x\" cannot be a file's name"},
  };
  for (const auto& [damage, message] : all) {
    auto made = labelled();
    damage(made);
    expect_refused(made, {message});
  }
  const std::vector<std::pair<Break, std::string_view>> of_pairs = {
      {[](Made& m) { m.batch.contexts[0] = 6; }, "entry 0: 6 of 5 bytes cannot be a's"},
      {[](Made& m) { m.batch.contexts[0] = -1; }, "entry 0: -1 of 5 bytes cannot be a's"},
      {[](Made& m) { m.batch.contexts.clear(); }, "are not one an entry"},
      {[](Made& m) { m.batch.complete[0] = 0; }, "pairs cannot be cut"},
      {[](Made& m) { m.batch.names[5] = 'u'; }, "\"t.abc\" and \"u.mid\" are no pair"},
      {[](Made& m) {
         m.batch.names = "t.midt.abc";
         m.batch.extensions = {1, 0};
       },
       "\"t.mid\" is not of the pairs' extension"},
  };
  for (const auto& [damage, message] : of_pairs) {
    auto made = paired();
    damage(made);
    expect_refused(made, {message});
  }
}

TEST(FileShard, ItMustBeOfFilesAndOfThisVersion) {
  const TemporaryFolder folder;
  const auto made = labelled();
  write_shard(folder / "s", made.manifest, made.batch, {});
  const auto contents = read_file(folder / "s");
  for (const auto& [from, to, message] :
       {std::tuple{"bytecpu-shard", "bytecpu-other", "format is bytecpu-other, expected bytecpu-shard"},
        std::tuple{"\"version\":\"1\"", "\"version\":\"2\"", "version is 2, expected 1"},
        std::tuple{"\"kind\":\"files\"", "\"kink\":\"files\"", "kind is missing, expected files"},
        std::tuple{"\"labels\":", "\"lapels\":", "there is no tensor \"labels\""},
        std::tuple{"\"extensions\":{\"dtype\":\"I32\"", "\"extensions\":{\"dtype\":\"F32\"",
                   "expected I32"}}) {
    auto damaged = contents;
    ASSERT_NE(damaged.find(from), damaged.npos) << from;
    damaged.replace(damaged.find(from), std::string_view(from).size(), to);
    test::put(folder / "s", damaged);
    expect_error([&] { FileShard(folder / "s", made.manifest); }, {(folder / "s").string(), message});
  }
  auto unlabelled = made.manifest;
  unlabelled.labels.clear();
  test::put(folder / "s", contents);
  expect_error([&] { FileShard(folder / "s", unlabelled); },
               {"there are labels, of which the manifest does not know"});
}

// A dataset of 20 files in several shards.
fs::path made_dataset(const TemporaryFolder& folder) {
  test::Contents files;
  for (int i = 0; i < 20; ++i) files[fmt::format("{:02}.txt", i)] = test::unlike(i, 50);
  put_all(folder / "in", files);
  auto options = packing(folder);
  options.shard_bytes = 200;
  options.test = "0.3";
  pack(options);
  return folder / "d";
}

TEST(FileDataset, WrongManifestsAreRefusedWithTheirPath) {
  const TemporaryFolder folder;
  const auto dataset = made_dataset(folder);
  const auto path = dataset / "manifest.json";
  const auto good = ordered_json::parse(read_file(path));
  using Break = std::function<void(ordered_json&)>;
  const std::vector<std::pair<Break, std::string_view>> all = {
      {[](auto& j) { j["format"] = "other"; }, "not the manifest of a bytecpu dataset"},
      {[](auto& j) { j["version"] = 2; }, "update bytecpu"},
      {[](auto& j) { j["version"] = 0; }, "there is no format version 0"},
      {[](auto& j) { j.erase("kind"); }, "a machine's traces, where one of files is wanted"},
      {[](auto& j) { j["kind"] = 1; }, "\"kind\" is not a string"},
      {[](auto& j) { j.erase("generator"); }, "\"generator\" is missing"},
      {[](auto& j) { j["found"] = 1; }, "\"found\" is not an object"},
      {[](auto& j) { j["extensions"] = "txt"; }, "\"extensions\" is not a list"},
      {[](auto& j) { j["extensions"] = {1}; }, "holds something that is no string"},
      {[](auto& j) {
         j["extensions"] = {"txt", "abc"};
       },
       "\"extensions\" is not sorted"},
      {[](auto& j) {
         j["extensions"] = {"txt", "txt"};
       },
       "\"extensions\" is not sorted"},
      {[](auto& j) { j["extensions"] = {"a.b"}; }, "\"a.b\" is no extension"},
      {[](auto& j) { j["extensions"] = {"0123456789abcdefg"}; }, "is no extension of at most 16 bytes"},
      {[](auto& j) { j["extensions"] = {"\\q"}; }, "a backslash that is not of"},
      {[](auto& j) {
         j["labels"] = {"b", "a"};
       },
       "\"labels\" is not sorted"},
      {[](auto& j) { j["pairs"] = {"txt"}; }, "\"pairs\" are not two extensions"},
      {[](auto& j) {
         j["pairs"] = {"txt", "mid"};
       },
       "\"mid\" of the pairs is not among the extensions"},
      {[](auto& j) { j["splits"].erase("test"); }, "\"test\" is missing"},
      {[](auto& j) { j["splits"]["train"]["documents"] = 1; }, "do not add up"},
      {[](auto& j) { j["splits"]["train"]["bytes"] = -1; }, "\"bytes\" is not a count"},
      {[](auto& j) { j["splits"]["train"]["files"] = 1; }, "files; the manifest says 1"},
      {[](auto& j) { j["splits"]["train"]["shards"][0]["file"] = "../x"; },
       "is not a file in the dataset's folder"},
      {[](auto& j) { j["splits"]["train"]["shards"][0]["file"] = "none"; }, "cannot read"},
      {[](auto& j) {
         std::swap(j["splits"]["train"]["shards"][0]["file"], j["splits"]["train"]["shards"][1]["file"]);
       },
       "names are not sorted"},
      {[](auto& j) {
         j["splits"]["train"]["shards"][0]["bytes"] = 1;
         j["splits"]["train"]["bytes"] = j["splits"]["train"]["bytes"].template get<int>() - 199;
       },
       "the manifest says 4, 1"},
  };
  for (const auto& [damage, message] : all) {
    auto json = good;
    damage(json);
    test::put(path, json.dump());
    expect_error([&] { FileDataset{dataset}; }, {message, dataset.string()});
  }
  test::put(path, "{");
  expect_error([&] { FileDataset{dataset}; }, {"not valid JSON", path.string()});
  expect_error([&] { holds_files(dataset); }, {"not valid JSON", path.string()});
}

TEST(FileDataset, AChecksumIsTestedAtFirstUseAndVerifySaysMore) {
  const TemporaryFolder folder;
  const auto dataset = made_dataset(folder);
  const auto shard = dataset / "train-00001.safetensors";
  test::flip_byte(shard, fs::file_size(shard) - 1);
  const FileDataset files(dataset);
  EXPECT_EQ(files.document(Split::train, 0).steps.size(), 50u);
  for (int i = 0; i < 2; ++i) {
    expect_error([&] { files.document(Split::train, 4); }, {shard.string(), "it was altered"});
    expect_error([&] { files.name(Split::train, 4); }, {shard.string(), "it was altered"});
  }
  const auto report = check_files(dataset, 1);
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].file, "train-00001.safetensors");
  EXPECT_TRUE(contains(report.problems[0].problem, "its checksum is not the manifest's"));
  EXPECT_TRUE(contains(report.problems[1].problem, "it does not hold what was written"));
}

TEST(FileDataset, VerifyFindsContentsThatAreInBothSplits) {
  const TemporaryFolder folder;
  const auto dataset = made_dataset(folder);
  auto json = ordered_json::parse(read_file(dataset / "manifest.json"));
  json["splits"]["test"] = json["splits"]["train"];
  test::put(dataset / "manifest.json", json.dump());
  const auto report = check_files(dataset, 2);
  EXPECT_EQ(report.shared, json["splits"]["train"]["files"].get<int64_t>());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(contains(report.problems[0].problem, "test contents are in train too"));
}

TEST(FileCorpus, AnEpochHoldsEveryDocumentOnceInAnotherOrder) {
  const TemporaryFolder folder;
  const auto dataset = made_dataset(folder);
  FileCorpus corpus(dataset, Split::train, 3, 4);
  EXPECT_EQ(corpus.frame(), frame_of_files());
  const auto documents = corpus.dataset().size(Split::train);
  Pool pool{Layout{}};
  const auto epoch = [&](FileCorpus& of, uint64_t number) {
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < of.pools_per_epoch(); ++i) {
      of.fill(number * of.pools_per_epoch() + i, {}, pool);
      EXPECT_LE(pool.size(), 4u);
      for (size_t d = 0; d < pool.size(); ++d) texts.push_back(test::text_of(pool[d].steps));
    }
    return texts;
  };
  const auto first = epoch(corpus, 0), second = epoch(corpus, 1);
  EXPECT_EQ(first.size(), documents);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), documents);
  EXPECT_EQ(std::set(first.begin(), first.end()), std::set(second.begin(), second.end()));
  EXPECT_NE(first, second);
  EXPECT_EQ(epoch(corpus, 0), first);
  FileCorpus other(dataset, Split::train, 4, 4);
  EXPECT_NE(epoch(other, 0), first);
  expect_error([&] { FileCorpus(dataset, Split::train, 3, 0); }, {"at least one document"});
}

TEST(FileCorpus, CutsFilesThatAreLongerThanTheEmphasis) {
  const TemporaryFolder folder;
  test::Contents files;
  for (int i = 0; i < 20; ++i)
    files[fmt::format("{:02}.txt", i)] = test::unlike(i, static_cast<size_t>(5 * i));
  put_all(folder / "in", files);
  pack(packing(folder));
  FileCorpus corpus(folder / "d", Split::train, 3, 1000);
  FileCorpus of_ends(folder / "d", Split::train, 3, 1000, FileCorpus::Learn::files, FileCorpus::Keep::end);
  int longest = 0, cut = 0;
  Pool all{Layout{}}, pool{Layout{}}, ends{Layout{}};
  corpus.fill(0, {}, all);
  corpus.fill(0, {.longest = 2}, pool);
  of_ends.fill(0, {.longest = 2}, ends);
  ASSERT_EQ(pool.size(), all.size());
  ASSERT_EQ(ends.size(), all.size());
  for (size_t d = 0; d < pool.size(); ++d) {
    const auto text = test::text_of(all[d].steps);
    EXPECT_EQ(test::text_of(ends[d].steps), text.substr(text.size() - std::min<size_t>(text.size(), 32)));
    EXPECT_EQ(ends[d].complete, all[d].count() <= 2);
    longest = std::max(longest, static_cast<int>(all[d].count()));
    cut += all[d].count() > 2;
    EXPECT_EQ(test::text_of(pool[d].steps), test::text_of(all[d].steps).substr(0, 32));
    EXPECT_EQ(pool[d].complete, all[d].count() <= 2);
  }
  EXPECT_EQ(corpus.longest(), longest);
  EXPECT_GT(cut, 0);
  // Of files that are cut already, what is left of one has no end to begin from.
  auto cutting = packing(folder);
  cutting.out = folder / "pieces";
  cutting.max_bytes = 32;
  cutting.longer = PackOptions::Longer::windows;
  pack(cutting);
  EXPECT_NO_THROW(FileCorpus(folder / "pieces", Split::train, 3, 1000));
  expect_error(
      [&] {
        FileCorpus(folder / "pieces", Split::train, 3, 9, FileCorpus::Learn::files, FileCorpus::Keep::end);
      },
      {"is cut, and files are read from their end: pack them whole"});
  EXPECT_LT(cut, std::ssize(files));
}

TEST(FileDataset, EachKindIsRefusedWhereTheOtherIsWanted) {
  const TemporaryFolder folder;
  const auto dataset = made_dataset(folder);
  EXPECT_TRUE(holds_files(dataset));
  expect_error([&] { Dataset{dataset}; },
               {dataset.string(), "a dataset of files, where one of a machine's traces"});
  const auto traces = (folder / "t").string();
  ASSERT_EQ(test::datagen("generate --train 3 --test 0 --out " + traces).code, 0);
  EXPECT_FALSE(holds_files(traces));
  expect_error([&] { FileDataset{traces}; }, {traces, "a machine's traces, where one of files is wanted"});
  expect_error([&] { holds_files(folder.path()); }, {folder.path().string(), "cannot read"});
}

}  // namespace
}  // namespace bytecpu
