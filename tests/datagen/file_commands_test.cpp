// bytecpu-datagen and datasets of files, as its user meets them.
#include "tests/datagen/file_support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using test::contains;
using test::datagen;
using test::put_all;
using test::TemporaryFolder;

TEST(FileCommands, BadUsageExitsWith2AndFailureWith1) {
  const TemporaryFolder folder;
  put_all(folder / "in", {{"a.x", "1"}, {"a.y", "2"}, {"sub/b", "3"}});
  fs::create_directory(folder / "nothing");
  const auto pack_in = [&](const std::string& more) {
    return datagen("pack " + (folder / "in").string() + " --out " + (folder / "d").string() + " " + more);
  };
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"--test 1.5", "--test 1.5: use a share from 0 to 1, or a folder"},
      {"--test nowhere", "--test nowhere: use a share"},
      {"--pairs a", "--pairs a: use two extensions"},
      {"--pairs a:a", "use two extensions"},
      {"--pairs .a:b", "use two extensions"},
      {"--pairs :b", "use two extensions"},
      {"--max-bytes 0", "--max-bytes 0: use a whole number"},
      {"--longer head --max-bytes 100", "--max-bytes 100: documents are cut after whole steps"},
      {"--longer windows --max-bytes 15", "use a multiple of 16"},
      {"--pairs x:y --longer windows", "--longer: half a pair is none"},
      {"--pairs x:y --longer head", "--longer: half a pair is none"},
      {"--pairs x:y --labels name", "--labels: pairs have none"},
      {"--labels colour", "--labels colour: use none, name or folder"},
      {"--test 0 --seed 1", "--seed: nothing is drawn where --test is 0 or 1"}};
  for (const auto& [more, message] : wrong) {
    const auto r = pack_in(more);
    EXPECT_EQ(r.code, 2) << more << r.err;
    EXPECT_TRUE(contains(r.err, message)) << r.err;
  }
  EXPECT_EQ(pack_in("--seed 1 --test " + (folder / "nothing").string()).code, 2);
  EXPECT_EQ(pack_in("--test " + (folder / "in" / "sub").string()).code, 2);
  EXPECT_EQ(datagen("pack " + (folder / "in").string() + " --out " + (folder / "in" / "d").string()).code, 2);
  EXPECT_EQ(datagen("pack " + (folder / "none").string() + " --out " + (folder / "d").string()).code, 1);
  const auto r = datagen("pack " + (folder / "nothing").string() + " --out " + (folder / "d").string());
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "there is nothing to pack")) << r.err;
  EXPECT_FALSE(fs::exists(folder / "d"));
}

TEST(FileCommands, InspectVerifyAndExportTakeDatasetsOfFiles) {
  const TemporaryFolder folder;
  put_all(folder / "in",
          {{"s/a_1.txt", "hello"}, {"s/b_2.txt", "world!!"}, {"c_3", std::string("\0\x01", 2)}});
  const auto d = (folder / "d").string();
  auto r = datagen("pack " + (folder / "in").string() + " --labels name --test 0 --out " + d);
  ASSERT_EQ(r.code, 0) << r.err;
  r = datagen("inspect " + d);
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* part :
       {"3 documents", "14 bytes", "5 in the median, 7 at most", "(none)", "txt", "--document N"})
    EXPECT_TRUE(contains(r.out, part)) << r.out;
  const auto json = ordered_json::parse(datagen("inspect --json " + d).out);
  EXPECT_EQ(json["documents_by_extension"]["txt"]["train"], 2);
  EXPECT_EQ(json["documents_by_label"]["b"]["train"], 1);
  EXPECT_EQ(json["lengths"]["train"]["median"], 5);
  r = datagen("inspect --document 2 " + d);
  EXPECT_TRUE(contains(r.out, "s/b_2.txt: extension txt, 7 bytes, label b")) << r.out;
  EXPECT_TRUE(contains(r.out, "77 6f 72 6c 64 21 21")) << r.out;
  EXPECT_TRUE(contains(r.out, "world!!")) << r.out;
  EXPECT_EQ(ordered_json::parse(datagen("inspect --json --document 0 " + d).out)["bytes"], "0001");
  for (const char* more : {" --document 3", " --trace 0", " --machine toy8", " --split train"})
    EXPECT_EQ(datagen("inspect " + d + more).code, 2) << more;
  EXPECT_TRUE(contains(datagen("inspect " + d + "/train-00000.safetensors").err, "inspect its folder"));

  r = datagen("verify --json " + d);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(ordered_json::parse(r.out)["ok"], true);
  EXPECT_EQ(datagen("verify --sample 1 " + d).code, 2);
  r = datagen("export " + d + " --out " + (folder / "out").string());
  EXPECT_EQ(r.code, 0) << r.err;
  test::expect_same_tree(folder / "in", folder / "out" / "train");
  EXPECT_EQ(datagen("export " + d + " --out " + (folder / "out").string()).code, 1);
  const auto shard = folder / "d" / "train-00000.safetensors";
  test::flip_byte(shard, fs::file_size(shard) - 1);
  r = datagen("verify " + d);
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.out, "train-00000.safetensors: its checksum")) << r.out;
  EXPECT_EQ(datagen("export " + d + " --out " + (folder / "out2").string()).code, 1);
}

}  // namespace
}  // namespace bytecpu
