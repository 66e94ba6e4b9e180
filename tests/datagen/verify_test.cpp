#include "datagen/dataset/verify.hpp"

#include <algorithm>
#include <map>
#include <ranges>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/files_writer.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/dataset/writer.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::TemporaryFolder;

// 3 train shards and 1 test shard, of at most 100 traces.
void make(const fs::path& out, GenerateOptions::Format format = GenerateOptions::Format::shards) {
  GenerateOptions options;
  options.memory_bytes = 256;
  options.programs.min_instructions = 5;
  options.programs.max_instructions = 20;
  options.traces = {300, 80};
  options.shard_traces = 100;
  options.format = format;
  options.out = out;
  generate(options);
}

Layout layout() { return make_machine("toy8", 256)->layout(); }

bool names(const VerifyReport& report, std::string_view file, int64_t trace, std::string_view problem) {
  for (const auto& f : report.failures) {
    if (f.file == file && f.trace == trace && contains(f.problem, problem)) return true;
  }
  for (const auto& f : report.failures) ADD_FAILURE() << f.file << " " << f.trace << ": " << f.problem;
  return false;
}

// Writes a changed shard, with its checksum in the manifest, so that only running it again can tell.
void forge(const fs::path& folder, Split split, size_t index,
           const std::function<void(TraceBatch&)>& change) {
  auto manifest = read_manifest(folder / "manifest.json");
  auto& info = manifest[split].shards.at(index);
  const auto path = folder / info.file;
  {
    const Shard shard(path, manifest.layout);
    TraceBatch batch(manifest.layout);
    for (size_t i = 0; i < shard.size(); ++i) batch.add(shard[i]);
    change(batch);
    write_shard(path, manifest.layout, batch, shard.metadata());
  }
  const Shard forged(path, manifest.layout);
  auto& all = manifest[split];
  all.states += forged.info().states - info.states;
  all.bytes += forged.info().bytes - info.bytes;
  info = forged.info();
  info.checksum = checksum(forged.file_bytes());
  write_file(folder / "manifest.json", to_json(manifest).dump());
}

TEST(Verify, PassesWhatGenerateMade) {
  const TemporaryFolder folder;
  make(folder / "d");
  for (const int threads : {1, 3}) {
    const auto report = verify_dataset(folder / "d", {.sample = 0, .threads = threads});
    EXPECT_TRUE(report.failures.empty());
    EXPECT_EQ(report.traces, 380);
    EXPECT_EQ(report.overlap, 0);
  }
}

TEST(Verify, ASampleIsOfTheSizeAskedFor) {
  const TemporaryFolder folder;
  make(folder / "d");
  for (const int64_t n : {1, 7, 379, 380, 1000}) {
    EXPECT_EQ(verify_dataset(folder / "d", {.sample = n, .threads = 2}).traces, std::min<int64_t>(n, 380));
  }
}

TEST(Verify, AnAlteredByteNamesShardAndTrace) {
  const TemporaryFolder folder;
  make(folder / "d");
  const auto path = folder / "d" / "train-00001.safetensors";
  size_t at;
  {
    const Shard shard(path, layout());
    at = shard[42].bytes.data() - shard.file_bytes().data() + 256 + 2 * 16 + 6;  // register A of state 2
  }
  test::flip_byte(path, at);
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_EQ(report.failures.size(), 2u);
  EXPECT_TRUE(names(report, "train-00001.safetensors", -1, "checksum"));
  EXPECT_TRUE(names(report, "train-00001.safetensors", 42, "state 2"));
  EXPECT_TRUE(names(report, "train-00001.safetensors", 42, "A is "));
}

TEST(Verify, AWrongStateUnderARightChecksumIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  forge(folder / "d", Split::test, 0, [](TraceBatch& batch) { batch.bytes[batch.offsets[8] - 1] ^= 4; });
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_EQ(report.failures.size(), 1u);
  EXPECT_TRUE(names(report, "test-00000.safetensors", 7, "J is "));
}

TEST(Verify, AMissingOrSurplusStateIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  forge(folder / "d", Split::train, 0, [](TraceBatch& batch) {
    batch.bytes.resize(batch.bytes.size() - 16);
    batch.offsets.back() -= 16;
  });
  forge(folder / "d", Split::train, 2, [](TraceBatch& batch) {
    batch.bytes.resize(batch.bytes.size() + 16);
    batch.offsets.back() += 16;
  });
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_EQ(report.failures.size(), 2u);
  EXPECT_TRUE(names(report, "train-00000.safetensors", 99, "Unicorn makes more"));
  EXPECT_TRUE(names(report, "train-00002.safetensors", 99, "states, Unicorn makes"));
}

TEST(Verify, AWrongStopReasonIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  forge(folder / "d", Split::train, 0, [](TraceBatch& batch) { batch.stops[3] = StopReason::step_limit; });
  EXPECT_TRUE(names(verify_dataset(folder / "d", {}), "train-00000.safetensors", 3, "step limit"));
}

TEST(Verify, ATrainProgramInTestIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  std::vector<uint8_t> stolen;
  {
    const Dataset dataset(folder / "d");
    const auto trace = dataset.trace(Split::train, 11).bytes;
    stolen.assign(trace.begin(), trace.end());
  }
  forge(folder / "d", Split::test, 0, [&](TraceBatch& batch) {
    batch.bytes.resize(batch.offsets[batch.size() - 1]);
    batch.bytes.insert(batch.bytes.end(), stolen.begin(), stolen.end());
    batch.offsets.back() = static_cast<int64_t>(batch.bytes.size());
  });
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_TRUE(names(report, "test-00000.safetensors", 79, "not one of test"));
  EXPECT_TRUE(names(report, "", -1, "1 test traces have a program that is in train; the manifest says 0"));
}

TEST(Verify, TellsOfOtherEnginesWhereTracesDiffer) {
  const TemporaryFolder folder;
  make(folder / "d");
  const auto made_with = [&](std::optional<EngineVersions> engines) {
    auto manifest = read_manifest(folder / "d" / "manifest.json");
    manifest.engines = std::move(engines);
    write_file(folder / "d" / "manifest.json", to_json(manifest).dump());
    return verify_dataset(folder / "d", {});
  };
  EXPECT_EQ(made_with(EngineVersions{"9.9.9", "8.8"}).other_engines, "");
  forge(folder / "d", Split::train, 1, [](TraceBatch& batch) { batch.bytes[300] ^= 1; });
  auto report = made_with(EngineVersions{"9.9.9", "8.8"});
  EXPECT_FALSE(report.failures.empty());
  EXPECT_TRUE(contains(report.other_engines, "Unicorn 9.9.9 and Capstone 8.8")) << report.other_engines;
  const auto printed = test::datagen("verify " + (folder / "d").string()).out;
  EXPECT_TRUE(contains(printed, report.other_engines)) << printed;
  for (const auto& engines : {std::optional<EngineVersions>(), std::optional(engine_versions())}) {
    report = made_with(engines);
    EXPECT_FALSE(report.failures.empty());
    EXPECT_EQ(report.other_engines, "");
  }
}

TEST(Verify, MissingAndTruncatedShardsAreNamed) {
  const TemporaryFolder folder;
  make(folder / "d");
  const auto cut = folder / "d" / "train-00000.safetensors";
  test::put(cut, read_file(cut).substr(0, 10'000));
  fs::remove(folder / "d" / "test-00000.safetensors");
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_EQ(report.failures.size(), 2u);
  EXPECT_TRUE(names(report, "train-00000.safetensors", -1, "cut short"));
  EXPECT_TRUE(names(report, "test-00000.safetensors", -1, "No such file"));
  EXPECT_EQ(report.traces, 200);
}

TEST(Verify, EveryByteOfTheGeneratorThatIsChangedIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  const auto path = folder / "d" / "manifest.json";
  const auto manifest = read_file(path);
  const auto begin = manifest.find("\"generator\""), end = manifest.find("\"overlap\"");
  ASSERT_LT(begin, end);
  EXPECT_TRUE(verify_dataset(folder / "d", {.sample = 1}).unchecked.empty());
  int changes = 0;
  for (size_t i = begin; i < end; ++i) {
    if (manifest[i] == ' ' || manifest[i] == '\n') continue;
    auto changed = manifest;
    changed[i] ^= 1;
    test::put(path, changed);
    try {
      EXPECT_FALSE(verify_dataset(folder / "d", {.sample = 1}).failures.empty()) << changed.substr(begin, i);
    } catch (const Error& e) {
      EXPECT_TRUE(contains(e.what(), "manifest.json")) << e.what();
    }
    ++changes;
  }
  EXPECT_GT(changes, 200);
}

TEST(Verify, AProgramWithoutAnEndIsRunNoFurtherThanItsTrace) {
  const TemporaryFolder folder;
  const auto machine = make_machine("arm64", 256);
  auto start = machine->load_program(std::string("\0\0\0\x14", 4), "loop");  // B .
  const auto state = machine->first_state();
  start.insert(start.end(), state.begin(), state.end());
  TraceBatch traces(machine->layout());
  machine->run(start, {.steps = 10}, traces);
  fs::create_directory(folder / "d");
  DatasetWriter writer(folder / "d", machine->layout(), {{"max_steps", uint64_t{1} << 60}});
  writer.write(Split::train, 0, traces);
  writer.finish();
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_EQ(report.failures.size(), 1u);
  EXPECT_TRUE(names(report, "train-00000.safetensors", 0, "state"));
}

TEST(Verify, TellsWhatOldShardsDoNotLetItCheck) {
  const TemporaryFolder folder;
  make(folder / "d");
  auto manifest = read_manifest(folder / "d" / "manifest.json");
  for (const Split s : splits) {
    for (auto& listed : manifest[s].shards) {
      TraceBatch batch(manifest.layout);
      {
        const Shard shard(folder / "d" / listed.file, manifest.layout);
        for (size_t i = 0; i < shard.size(); ++i) batch.add(shard[i]);
      }
      write_shard(folder / "d" / listed.file, manifest.layout, batch, {});
      listed.checksum = checksum(MappedFile(folder / "d" / listed.file).bytes());
    }
  }
  write_file(folder / "d" / "manifest.json", to_json(manifest).dump());
  const auto report = verify_dataset(folder / "d", {});
  EXPECT_TRUE(report.failures.empty());
  ASSERT_EQ(report.unchecked.size(), 1u);
  EXPECT_TRUE(contains(report.unchecked[0], "generator")) << report.unchecked[0];
}

TEST(Verify, AShardInAnothersPlaceIsFound) {
  const TemporaryFolder folder;
  make(folder / "d");
  auto manifest = read_manifest(folder / "d" / "manifest.json");
  auto& shards = manifest[Split::train].shards;
  std::swap(shards[0], shards[1]);
  write_file(folder / "d" / "manifest.json", to_json(manifest).dump());
  EXPECT_TRUE(names(verify_dataset(folder / "d", {}), "train-00000.safetensors", -1, "another place"));
}

TEST(Verify, FilesThatWereNotAllWrittenDoNotPass) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  EXPECT_TRUE(verify_bin_files(folder / "d", "toy8", 256, {}).unchecked.empty());
  const auto one = list_bin_files(folder / "d", Split::train)[0].front();
  fs::rename(one, folder / "kept");
  EXPECT_TRUE(names(verify_bin_files(folder / "d", "toy8", 256, {}), "", -1, "299 .bin files in train"));
  fs::rename(folder / "kept", one);

  auto description = nlohmann::ordered_json::parse(read_file(folder / "d" / "generator.json"));
  description.erase("splits");  // as until its end
  write_file(folder / "d" / "generator.json", description.dump());
  EXPECT_TRUE(names(verify_bin_files(folder / "d", "toy8", 256, {}), "", -1, "not all files were written"));
  const auto machine = make_machine("toy8", 256);
  test::expect_error([&] { import_bin_files(folder / "d", *machine, Split::train, 64, 1, folder / "s"); },
                     {"/d: not all files were written"});
  fs::remove(folder / "d" / "generator.json");
  const auto report = verify_bin_files(folder / "d", "toy8", 256, {});
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(report.unchecked.size(), 1u);
}

TEST(Verify, BinFilesPassAndAnAlteredOneIsNamed) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  EXPECT_TRUE(verify_bin_files(folder / "d", "toy8", 256, {}).failures.empty());
  EXPECT_EQ(verify_bin_files(folder / "d", "toy8", 256, {.sample = 10, .threads = 2}).traces, 10);

  const auto file = list_bin_files(folder / "d", Split::train)[1].at(5);
  test::flip_byte(file, fs::file_size(file) - 1);
  auto report = verify_bin_files(folder / "d", "toy8", 256, {});
  EXPECT_EQ(report.failures.size(), 2u);
  EXPECT_TRUE(names(report, "", -1, "the files in test are not those that were written"));
  EXPECT_TRUE(names(report, "test/" + file.filename().string(), -1, "J is "));

  test::put(folder / "d" / "train" / "short.bin", "short");
  report = verify_bin_files(folder / "d", "toy8", 256, {});
  EXPECT_EQ(report.failures.size(), 5u);
  EXPECT_TRUE(names(report, "", -1, "301 .bin files in train, its generator.json says 300"));
  EXPECT_TRUE(names(report, "train/short.bin", -1, "5 bytes are not 256 of memory"));
}

TEST(Verify, ABinFileUnderAnotherProgramsNameIsFound) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  const auto files = list_bin_files(folder / "d", Split::train)[0];
  fs::copy_file(files[3], files[4], fs::copy_options::overwrite_existing);
  const auto report = verify_bin_files(folder / "d", "toy8", 256, {});
  EXPECT_TRUE(names(report, "train/" + files[4].filename().string(), -1, files[3].filename().string()));
}

TEST(Verify, ThePublishedTracesPass) {
  const auto report = verify_bin_files(BYTECPU_REFERENCE "/traces", "toy8", 1024, {});
  EXPECT_EQ(report.traces, 22);
  EXPECT_TRUE(report.failures.empty());
}

TEST(BinFiles, RoundTripIsByteIdentical) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  const auto machine = make_machine("toy8", 256);
  const auto [manifest, wrong, first_wrong] =
      import_bin_files(folder / "d", *machine, Split::train, 64, 1, folder / "s");
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(verify_dataset(folder / "s", {}).failures.empty());
  const auto result = export_bin_files(folder / "s", folder / "e");
  EXPECT_EQ(result.traces[1], manifest[Split::test].traces);
  EXPECT_EQ(result.overwritten[0], 0);
  test::expect_same_tree(folder / "d" / "train", folder / "e" / "train");
  test::expect_same_tree(folder / "d" / "test", folder / "e" / "test");
}

TEST(BinFiles, AFlatFolderIsOfTheSplitGiven) {
  const TemporaryFolder folder;
  const auto machine = make_machine("toy8", 1024);
  const auto manifest =
      import_bin_files(BYTECPU_REFERENCE "/traces", *machine, Split::test, 64, 1, folder / "s").manifest;
  EXPECT_EQ(manifest[Split::train].traces, 0);
  EXPECT_EQ(manifest[Split::test].traces, 22);
  export_bin_files(folder / "s", folder / "e");
  test::expect_same_tree(BYTECPU_REFERENCE "/traces", folder / "e" / "test");
}

// Stops by the bytes of the trace.
std::map<std::string, StopReason> stops_of(const fs::path& folder) {
  const Dataset dataset(folder);
  std::map<std::string, StopReason> stops;
  for (size_t i = 0; i < dataset.size(Split::train); ++i) {
    const Trace& trace = dataset.trace(Split::train, i);
    stops[{trace.bytes.begin(), trace.bytes.end()}] = trace.stop;
  }
  return stops;
}

TEST(BinFiles, ImportFindsOutWhyEachTraceEnded) {
  for (const std::string name : {"toy8", "x86_64"}) {
    const TemporaryFolder folder;
    GenerateOptions options;
    options.machine = name;
    options.memory_bytes = 1024;
    options.programs.max_instructions = 60;
    options.programs.window_steps = name == "toy8" ? 20 : 0;
    options.traces = {300, 0};
    options.out = folder / "d";
    generate(options);
    export_bin_files(folder / "d", folder / "e");
    const auto machine = make_machine(name, options.memory_bytes);
    import_bin_files(folder / "e", *machine, Split::train, 64, 2, folder / "i");
    const auto made = stops_of(folder / "d"), imported = stops_of(folder / "i");
    EXPECT_GT(imported.size(), 280u);  // of several traces of one program one was exported
    for (const auto& [trace, found] : imported) {
      const auto was = made.at(trace);
      // A machine that halts just where a limit ends the run may be said to do either.
      EXPECT_TRUE(found == was || (was == StopReason::step_limit && found == StopReason::halted))
          << name << ": " << to_string(found) << ", was " << to_string(was);
    }
    const auto expected = name == "toy8" ? StopReason::step_limit : StopReason::divide_error;
    EXPECT_GT(std::ranges::count(std::views::values(imported), expected), 0);
    EXPECT_GT(std::ranges::count(std::views::values(imported), StopReason::halted), 0);
    EXPECT_TRUE(verify_dataset(folder / "i", {}).failures.empty());
  }
}

TEST(BinFiles, ImportTellsCutAndWrongTraces) {
  const TemporaryFolder folder;
  const auto machine = make_machine("toy8", 256);
  auto start = machine->load_program("INC A\nINC A\nHLT", "test");
  start.resize(machine->layout().start_bytes());
  TraceBatch run(machine->layout());
  machine->run(start, {}, run);
  const std::string whole(run.bytes.begin(), run.bytes.end());
  const std::string cut = whole.substr(0, whole.size() - 16),
                    longer = whole + whole.substr(whole.size() - 16);
  auto wrong = whole;
  wrong.back() ^= 1;
  fs::create_directory(folder / "d");
  for (const auto& [name, trace] : {std::pair("1", whole), {"2", cut}, {"3", longer}, {"4", wrong}})
    test::put(folder / "d" / (std::string(name) + ".bin"), trace);
  const auto result = import_bin_files(folder / "d", *machine, Split::train, 64, 1, folder / "i");
  EXPECT_EQ(result.wrong, 2);
  EXPECT_EQ(result.first_wrong, (std::vector<fs::path>{folder / "d" / "3.bin", folder / "d" / "4.bin"}));
  const auto stops = stops_of(folder / "i");
  EXPECT_EQ(stops.at(whole), StopReason::halted);
  EXPECT_EQ(stops.at(cut), StopReason::step_limit);
  EXPECT_EQ(stops.at(longer), StopReason::unknown);
  EXPECT_EQ(stops.at(wrong), StopReason::unknown);
  const auto report = verify_dataset(folder / "i", {});
  EXPECT_EQ(report.failures.size(), 2u);
  EXPECT_TRUE(names(report, "train-00000.safetensors", 2, "Unicorn makes"));
  EXPECT_TRUE(names(report, "train-00000.safetensors", 3, "Unicorn makes it"));
}

TEST(BinFiles, ImportNamesTheBadFileAndWritesNothing) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  test::put(folder / "d" / "test" / "odd.bin", std::string(256 + 17, 'x'));
  const auto machine = make_machine("toy8", 256);
  test::expect_error([&] { import_bin_files(folder / "d", *machine, Split::train, 64, 1, folder / "s"); },
                     {"test/odd.bin", "273 bytes"});
  EXPECT_FALSE(fs::exists(folder / "s"));
  fs::create_directory(folder / "empty");
  test::expect_error([&] { import_bin_files(folder / "empty", *machine, Split::train, 64, 1, folder / "s"); },
                     {"empty", "no .bin files"});
  test::expect_error([&] { import_bin_files(folder / "none", *machine, Split::train, 64, 1, folder / "s"); },
                     {"none"});
}

TEST(BinFiles, ImportOfBytesThatNoMachineMadeFailsAndLeavesNothing) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "d");
  for (int i = 0; i < 20; ++i) {
    std::string bytes(256 + 3 * 16, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(std::rand());
    test::put(folder / "d" / fmt::format("{}.bin", i), bytes);
  }
  const auto machine = make_machine("toy8", 256);
  test::expect_error([&] { import_bin_files(folder / "d", *machine, Split::train, 8, 2, folder / "s"); },
                     {"/d: no trace in it is what toy8 with 256 bytes of memory makes"});
  EXPECT_FALSE(fs::exists(folder / "s"));
}

TEST(BinFiles, AKilledImportIsMadeAgainAndAFinishedOneIsNot) {
  const TemporaryFolder folder;
  make(folder / "d", GenerateOptions::Format::files);
  const auto machine = make_machine("toy8", 256);
  const auto import = [&](int64_t shard_traces) {
    return import_bin_files(folder / "d", *machine, Split::train, shard_traces, 1, folder / "s");
  };
  import(50);
  test::expect_error([&] { import(50); }, {"/s is not empty, it holds manifest.json"});
  fs::remove(folder / "s" / "manifest.json");
  test::put(folder / "s" / ".train-00001.safetensors.1.tmp", "left behind");
  import(200);  // fewer shards
  EXPECT_TRUE(verify_dataset(folder / "s", {}).failures.empty());
  EXPECT_EQ(test::tree(folder / "s").size(), 4u);
  // Shards of something else are not replaced.
  make(folder / "g");
  fs::remove(folder / "g" / "manifest.json");
  const auto before = test::tree(folder / "g");
  test::expect_error([&] { import_bin_files(folder / "d", *machine, Split::train, 50, 1, folder / "g"); },
                     {"/g is not empty"});
  EXPECT_TRUE(test::tree(folder / "g") == before);
}

TEST(BinFiles, UntilAllAreWrittenTheirFolderSaysThatItIsNotWhole) {
  const TemporaryFolder folder;
  make(folder / "d");
  const Dataset dataset(folder / "d");
  const auto machine = make_machine("toy8", 256);
  const OutputFolder out(folder / "files");
  FilesWriter writer(out, layout(), {{"seed", 1}});
  writer.write(Split::train, 0, dataset.trace(Split::train, 0), *machine);
  EXPECT_TRUE(
      names(verify_bin_files(folder / "files", "toy8", 256, {}), "", -1, "not all files were written"));
  writer.finish();
  EXPECT_TRUE(verify_bin_files(folder / "files", "toy8", 256, {}).failures.empty());
}

TEST(BinFiles, AKilledExportIsFoundAndMadeAgain) {
  const TemporaryFolder folder;
  make(folder / "d");
  export_bin_files(folder / "d", folder / "whole");
  export_bin_files(folder / "d", folder / "e");
  auto description = nlohmann::ordered_json::parse(read_file(folder / "e" / "generator.json"));
  description.erase("splits");
  write_file(folder / "e" / "generator.json", description.dump());
  fs::remove(list_bin_files(folder / "e", Split::train)[0].front());
  test::put(folder / "e" / "train" / ".x.bin.1.tmp", "left behind");
  EXPECT_TRUE(names(verify_bin_files(folder / "e", "toy8", 256, {}), "", -1, "not all files were written"));
  export_bin_files(folder / "d", folder / "e");
  test::expect_same_tree(folder / "whole", folder / "e");
  EXPECT_TRUE(verify_bin_files(folder / "e", "toy8", 256, {}).failures.empty());
  // Files of another dataset are not replaced.
  GenerateOptions options;
  options.memory_bytes = 256;
  options.programs.max_instructions = 20;
  options.traces = {50, 0};
  options.out = folder / "other";
  generate(options);
  test::expect_error([&] { export_bin_files(folder / "other", folder / "e"); }, {"another configuration"});
  test::expect_same_tree(folder / "whole", folder / "e");
}

}  // namespace
}  // namespace bytecpu
