#include "datagen/dataset/generate.hpp"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/verify.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/io/parallel.hpp"
#include "datagen/programs/split.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::datagen;
using test::expect_error;
using test::expect_same_tree;
using test::TemporaryFolder;

// 7 train shards and 2 test shards.
GenerateOptions small(const fs::path& out) {
  GenerateOptions options;
  options.memory_bytes = 256;
  options.programs.max_instructions = 20;
  options.traces = {400, 70};
  options.shard_traces = 60;
  options.seed = 9;
  options.out = out;
  return options;
}

TEST(Generate, ThreadsChangeNothing) {
  const TemporaryFolder folder;
  for (const auto rng : {GenerateOptions::Rng::native, GenerateOptions::Rng::python}) {
    for (const auto format : {GenerateOptions::Format::shards, GenerateOptions::Format::files}) {
      auto options = small(folder / "one");
      options.programs.max_instructions = 3;  // many programs come twice
      options.rng = rng;
      options.format = format;
      generate(options);
      options.out = folder / "three";
      options.threads = 3;
      generate(options);
      expect_same_tree(folder / "one", folder / "three");
      fs::remove_all(folder / "one");
      fs::remove_all(folder / "three");
    }
  }
}

TEST(Generate, AShardIsAPureFunctionOfConfigurationSeedAndIndex) {
  const TemporaryFolder folder;
  generate(small(folder / "d"));
  const auto before = test::tree(folder / "d");
  fs::remove(folder / "d" / "train-00003.safetensors");
  fs::remove(folder / "d" / "test-00001.safetensors");
  fs::remove(folder / "d" / "manifest.json");
  const auto result = generate(small(folder / "d"));
  EXPECT_EQ(result.resumed_shards, 7);
  EXPECT_TRUE(test::tree(folder / "d") == before);
  auto other_seed = small(folder / "e");
  other_seed.seed = 10;
  generate(other_seed);
  const auto machine = make_machine("toy8", 256);
  const Shard a(folder / "d" / "train-00000.safetensors", machine->layout()),
      b(folder / "e" / "train-00000.safetensors", machine->layout()),
      c(folder / "d" / "train-00001.safetensors", machine->layout());
  const auto first = [](const Shard& shard) {
    return std::string(shard[0].bytes.begin(), shard[0].bytes.end());
  };
  EXPECT_NE(first(a), first(b));
  EXPECT_NE(first(a), first(c));
}

TEST(Generate, TracesAreWhatWasAskedForAndWhatTheMachineMakes) {
  const TemporaryFolder folder;
  const auto result = generate(small(folder / "d"));
  EXPECT_EQ(result.traces, (std::array<int64_t, 2>{400, 70}));
  const Dataset dataset(folder / "d");
  EXPECT_EQ(dataset.size(Split::train), 400u);
  EXPECT_EQ(dataset.size(Split::test), 70u);
  std::set<int64_t> lengths;
  for (size_t i = 0; i < 400; ++i) lengths.insert(dataset.trace(Split::train, i).states() + 1);
  EXPECT_EQ(*lengths.begin(), 2);
  EXPECT_EQ(*lengths.rbegin(), 21);
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(report.traces, 470);
  EXPECT_EQ(report.states, result.states[0] + result.states[1]);
}

TEST(Generate, NoProgramIsInBothSplits) {
  const TemporaryFolder folder;
  auto options = small(folder / "d");
  options.programs.max_instructions = 2;
  options.traces = {3000, 500};
  const auto result = generate(options);
  const Dataset dataset(folder / "d");
  std::array<std::set<std::string>, 2> programs;
  for (const Split s : splits) {
    for (size_t i = 0; i < dataset.size(s); ++i) {
      const auto image = dataset.trace(s, i).image();
      programs[static_cast<size_t>(s)].emplace(image.begin(), image.end());
    }
    const auto distinct = static_cast<int64_t>(programs[static_cast<size_t>(s)].size());
    EXPECT_EQ(dataset.manifest()[s].duplicates, static_cast<int64_t>(dataset.size(s)) - distinct);
    EXPECT_EQ(dataset.manifest()[s].duplicates, result.duplicates[static_cast<size_t>(s)]);
    EXPECT_GT(dataset.manifest()[s].duplicates, 0);
  }
  for (const auto& program : programs[1]) EXPECT_FALSE(programs[0].contains(program));
  EXPECT_EQ(dataset.manifest().overlap, 0);
}

TEST(Generate, PublishedDrawsOverlapAndTheManifestCountsIt) {
  const TemporaryFolder folder;
  auto options = small(folder / "d");
  options.programs.max_instructions = 2;
  options.rng = GenerateOptions::Rng::python;
  const auto result = generate(options);
  const Dataset dataset(folder / "d");
  std::set<std::string> train;
  for (size_t i = 0; i < dataset.size(Split::train); ++i) {
    const auto image = dataset.trace(Split::train, i).image();
    train.emplace(image.begin(), image.end());
  }
  int64_t overlap = 0;
  for (size_t i = 0; i < dataset.size(Split::test); ++i) {
    const auto image = dataset.trace(Split::test, i).image();
    overlap += train.contains(std::string(image.begin(), image.end()));
  }
  EXPECT_GT(overlap, 0);
  EXPECT_EQ(result.overlap, overlap);
  EXPECT_EQ(dataset.manifest().overlap, overlap);
  EXPECT_TRUE(verify_dataset(folder / "d", {}).failures.empty());
}

TEST(Generate, MakesThePublishedFiles) {
  const TemporaryFolder folder;
  const auto made =
      datagen("generate --rng python --format files --seed 0 --train 2000 --test 200 --threads 2 --out '" +
              (folder / "p").string() + "'");
  ASSERT_EQ(made.code, 0) << made.err;
  const auto check = test::shell("cd '" + (folder / "p").string() +
                                 "' && sha256sum --quiet -c " BYTECPU_REFERENCE
                                 "/seed0.sha256 && ls train test | grep -c bin$");
  EXPECT_EQ(check.code, 0) << check.out.substr(0, 1000);
  EXPECT_EQ(check.out, "2195\n");

  // As shards they are the same programs, and export has the last of each name stand, too.
  const auto path = [&](const char* name) { return "'" + (folder / name).string() + "'"; };
  ASSERT_EQ(
      datagen("generate --rng python --train 2000 --test 200 --shard-traces 300 --out " + path("s")).code, 0);
  ASSERT_EQ(datagen("export " + path("s") + " --out " + path("e")).code, 0);
  expect_same_tree(folder / "p" / "train", folder / "e" / "train");
  expect_same_tree(folder / "p" / "test", folder / "e" / "test");
}

TEST(Generate, WindowsKeepTheirStopReasonAndVerify) {
  const TemporaryFolder folder;
  auto options = small(folder / "d");
  options.programs.window_steps = 3;
  generate(options);
  const Dataset dataset(folder / "d");
  int cut = 0;
  for (size_t i = 0; i < dataset.size(Split::train); ++i) {
    EXPECT_LE(dataset.trace(Split::train, i).bytes.size(), 256u + 4 * 16);
    cut += dataset.trace(Split::train, i).stop == StopReason::step_limit;
  }
  EXPECT_GT(cut, 0);
  EXPECT_LT(cut, 400);
  EXPECT_TRUE(verify_dataset(folder / "d", {}).failures.empty());
}

TEST(Generate, ABrokenShardIsMadeAgain) {
  const TemporaryFolder folder;
  generate(small(folder / "d"));
  const auto before = test::tree(folder / "d");
  const auto shard = folder / "d" / "train-00002.safetensors";
  test::put(shard, read_file(shard).substr(0, 5000));
  fs::remove(folder / "d" / "manifest.json");
  generate(small(folder / "d"));
  EXPECT_TRUE(test::tree(folder / "d") == before);
  // In a finished dataset one altered byte is enough.
  auto altered = read_file(shard);
  altered[altered.size() - 1] ^= 1;
  test::put(shard, altered);
  generate(small(folder / "d"));
  EXPECT_TRUE(test::tree(folder / "d") == before);
}

TEST(Generate, ADamagedShardOfAnUnfinishedDatasetIsMadeAgainAndTold) {
  const TemporaryFolder folder;
  auto options = small(folder / "d");
  options.programs.window_steps = 3;  // so that a shard has all three tensors
  generate(options);
  const auto before = test::tree(folder / "d");
  const std::string name = "train-00002.safetensors";
  const auto whole = read_file(folder / "d" / name);
  fs::remove(folder / "d" / "manifest.json");
  std::mt19937 random(1);
  std::vector<std::pair<size_t, int>> flips = {{0, 0},
                                               {whole.find("configuration\":\"") + 20, 0},
                                               {whole.find("stops"), 0},
                                               {whole.find("contents") + 14, 0},
                                               {whole.size() - 1, 0}};
  for (int i = 0; i < 60; ++i) flips.emplace_back(random() % whole.size(), random() % 8);
  for (const auto& [at, bit] : flips) {
    auto altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ 1 << bit);
    test::put(folder / "d" / name, altered);
    const auto result = generate(options);
    EXPECT_EQ(result.damaged_shards, std::set<std::string>{name}) << at;
    EXPECT_EQ(result.resumed_shards, 8) << at;
    EXPECT_TRUE(test::tree(folder / "d") == before) << at;
    fs::remove(folder / "d" / "manifest.json");
  }
  EXPECT_TRUE(generate(options).damaged_shards.empty());
}

TEST(Generate, AShardInAnothersPlaceIsMadeAgain) {
  const TemporaryFolder folder;
  generate(small(folder / "d"));
  const auto before = test::tree(folder / "d");
  const auto first = read_file(folder / "d" / "train-00000.safetensors");
  for (const bool finished : {false, true}) {
    test::put(folder / "d" / "train-00001.safetensors", first);
    if (!finished) fs::remove(folder / "d" / "manifest.json");
    EXPECT_EQ(generate(small(folder / "d")).damaged_shards, std::set<std::string>{"train-00001.safetensors"});
    EXPECT_TRUE(test::tree(folder / "d") == before);
  }
}

TEST(Generate, TheCommandSaysWhichShardsAreMadeAgain) {
  const TemporaryFolder folder;
  const auto options = "generate --memory 64 --max-instructions 6 --train 200 --shard-traces 100 --out '" +
                       (folder / "d").string() + "'";
  ASSERT_EQ(datagen(options).code, 0);
  fs::remove(folder / "d" / "manifest.json");
  const auto shard = folder / "d" / "train-00001.safetensors";
  auto altered = read_file(shard);
  altered.back() = static_cast<char>(altered.back() ^ 1);
  test::put(shard, altered);
  const auto inspected = datagen("inspect '" + shard.string() + "'");
  EXPECT_EQ(inspected.code, 1);
  EXPECT_TRUE(contains(inspected.err, shard.string() + ": it is not as it was written")) << inspected.err;
  const auto again = datagen(options);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, shard.string() + " was not as it had been written: made again\n"))
      << again.out;
  EXPECT_TRUE(contains(again.out, "1 shards were there already")) << again.out;
  EXPECT_EQ(datagen("verify '" + (folder / "d").string() + "'").code, 0);
}

TEST(Generate, RefusesAFolderThatHoldsSomethingElseAndLeavesItAlone) {
  const TemporaryFolder folder;
  generate(small(folder / "d"));
  const auto refused = [&](const GenerateOptions& options, std::string_view part) {
    const auto before = test::tree(options.out);
    expect_error([&] { generate(options); }, {options.out.string(), part, "choose another folder"});
    EXPECT_TRUE(test::tree(options.out) == before);
  };
  auto other = small(folder / "d");
  other.seed = 10;
  refused(other, "another configuration");
  fs::remove(folder / "d" / "manifest.json");
  refused(other, "another configuration");
  other = small(folder / "d");
  other.traces = {60, 0};  // fewer shards
  refused(other, "another configuration");
  other = small(folder / "d");
  other.format = GenerateOptions::Format::files;
  refused(other, "not empty");

  fs::create_directory(folder / "home");
  test::put(folder / "home" / "letter.txt", "dear");
  refused(small(folder / "home"), "letter.txt");
  other = small(folder / "home");
  other.format = GenerateOptions::Format::files;
  refused(other, "letter.txt");
  fs::create_directories(folder / "data" / "train");
  test::put(folder / "data" / "train" / "0.bin", "mine");
  other.out = folder / "data";
  refused(other, "train");

  other = small(folder / "files");
  other.format = GenerateOptions::Format::files;
  generate(other);
  generate(other);
  other.seed = 10;
  refused(other, "another configuration");
}

TEST(Generate, RefusesOptionsOutOfRangeBeforeItWrites) {
  const TemporaryFolder folder;
  const auto refused = [&](auto change, std::string_view part) {
    auto options = small(folder / "d");
    change(options);
    expect_error([&] { generate(options); }, {part});
    EXPECT_THROW(generate(options), UsageError);
    EXPECT_FALSE(fs::exists(folder / "d"));
  };
  refused([](auto& o) { o.traces = {-1, 5}; }, "--train -1");
  refused([](auto& o) { o.traces = {0, 0}; }, "nothing to generate");
  refused([](auto& o) { o.threads = 0; }, "--threads 0");
  refused([](auto& o) { o.shard_traces = -1; }, "--shard-traces -1");
  refused([](auto& o) { o.programs.min_instructions = 21; }, "min");
  refused([](auto& o) { o.programs.min_instructions = 0; }, "min");
  refused([](auto& o) { o.programs.max_instructions = 65; }, "65");  // 256 bytes hold 64
  refused([](auto& o) { o.programs.max_instructions = 1; }, "belongs to test");
  refused([](auto& o) { o.machine = "none"; }, "none");
  refused([](auto& o) { o.memory_bytes = 7; }, "7");
}

TEST(Generate, ASecondProcessInTheFolderIsRefused) {
  const TemporaryFolder folder;
  const OutputFolder lock(folder / "d");
  expect_error([&] { generate(small(folder / "d")); }, {"another process"});
}

// Runs the command and kills it after a while; true if it had ended by itself.
bool run_and_kill(const std::string& arguments, std::chrono::microseconds after) {
  const std::string command = "exec " BYTECPU_BIN "/bytecpu-datagen " + arguments + " >/dev/null 2>&1";
  std::string shell = "sh", flag = "-c", text = command;
  char* argv[] = {shell.data(), flag.data(), text.data(), nullptr};
  pid_t child;
  EXPECT_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, argv, environ), 0);
  std::this_thread::sleep_for(after);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status);
}

TEST(Generate, KilledAnywhereItCompletesToTheSameBytes) {
  const TemporaryFolder folder;
  const auto layout = make_machine("toy8", 256)->layout();
  for (const std::string format : {"shards", "files"}) {
    const std::string options =
        "generate --memory 256 --max-instructions 20 --train 1500 --test 200 --shard-traces 25 --format " +
        format;
    const auto whole = folder / (format + "-whole"), killed = folder / (format + "-killed");
    const auto began = std::chrono::steady_clock::now();
    ASSERT_EQ(datagen(options + " --threads 3 --out " + whole.string()).code, 0);
    std::chrono::duration<double> longest = std::chrono::steady_clock::now() - began;
    const auto expected = test::tree(whole);
    std::mt19937 random(1);
    int kills = 0;
    for (int i = 0; i < 10; ++i) {
      const auto after = std::chrono::duration_cast<std::chrono::microseconds>(
          longest * std::uniform_real_distribution(0.1, 0.9)(random));
      if (run_and_kill(options + " --out " + killed.string(), after)) {
        if (kills > 0) break;
        fs::remove_all(killed);  // it was done sooner than the first time
        longest /= 2;
        continue;
      }
      ++kills;
      if (!fs::exists(killed)) continue;
      for (const auto& [name, contents] : test::tree(killed)) {
        if (is_temporary(name)) continue;
        if (format == "shards") {
          EXPECT_TRUE(expected.at(name) == contents) << name << " is not whole";
        } else if (name != "generator.json") {
          EXPECT_TRUE(contents.size() >= 272 && contents.size() % 16 == 0) << name << " is not whole";
        }
      }
    }
    EXPECT_GT(kills, 0);
    test::put(killed / ".train-00001.safetensors.1.tmp", "left behind");
    ASSERT_EQ(datagen(options + " --out " + killed.string()).code, 0);
    expect_same_tree(whole, killed);
  }
}

TEST(Generate, AFullDiskIsAClearErrorAndItGoesOnLater) {
  const TemporaryFolder folder;
  const auto out = (folder / "d").string();
  const std::string options =
      "generate --memory 256 --max-instructions 20 --train 400 --shard-traces 200 --out " + out;
  const auto full = test::shell("ulimit -f 50; " BYTECPU_BIN "/bytecpu-datagen " + options);
  EXPECT_EQ(full.code, 1);
  EXPECT_TRUE(contains(full.err, "cannot write " + out)) << full.err;
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(datagen(options).code, 0);
  EXPECT_EQ(test::tree(out).size(), 3u);
}

TEST(ParallelFor, PassesOnTheFirstExceptionAndStops) {
  int prepared = 0;
  const auto prepare = [&](size_t i) {
    EXPECT_EQ(static_cast<size_t>(prepared++), i);
    return i;
  };
  expect_error(
      [&] {
        parallel_for(3, 1'000'000, prepare, [](int, size_t i, size_t) {
          if (i == 5) throw Error("five");
        });
      },
      {"five"});
  EXPECT_LT(prepared, 1'000'000);
}

}  // namespace
}  // namespace bytecpu
