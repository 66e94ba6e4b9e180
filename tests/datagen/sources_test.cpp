#include <set>

#include "datagen/corpus/dataset_corpus.hpp"
#include "datagen/corpus/program_stream.hpp"
#include "datagen/programs/generate.hpp"
#include "datagen/programs/run.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using test::expect_error;
using test::TemporaryFolder;

StreamSource::Options stream_options() {
  return {.machine = "toy8",
          .memory_bytes = 256,
          .seed = 5,
          .split = Split::train,
          .pool_traces = 600,
          .threads = 1};
}

ProgramOptions short_programs() {
  ProgramOptions options;
  options.max_instructions = 10;
  return options;
}

TraceBatch fill(TraceSource& source, uint64_t index, const ProgramOptions& programs = short_programs()) {
  TraceBatch out;
  source.fill(index, programs, out);
  return out;
}

bool same(const TraceBatch& a, const TraceBatch& b) {
  return a.bytes == b.bytes && a.offsets == b.offsets && a.stops == b.stops;
}

TEST(StreamSource, PoolsAreAPureFunctionOfTheIndex) {
  StreamSource source(stream_options()), again(stream_options());
  const auto third = fill(source, 3);
  EXPECT_EQ(third.size(), 600u);
  TraceBatch out = fill(again, 7);
  again.fill(3, short_programs(), out);  // replaces what was there
  EXPECT_TRUE(same(third, out));
  EXPECT_TRUE(same(third, fill(source, 3)));
  EXPECT_FALSE(same(third, fill(source, 4)));
}

TEST(StreamSource,
     NoTraceComesTwice) {  // registers are random, so that even short programs start differently
  StreamSource source(stream_options());
  std::set<std::string> traces;
  for (uint64_t i = 0; i < 3; ++i) {
    const auto pool = fill(source, i);
    for (size_t t = 0; t < pool.size(); ++t) traces.emplace(pool.trace(t).begin(), pool.trace(t).end());
  }
  EXPECT_EQ(traces.size(), 3 * 600u);
}

TEST(StreamSource, ThreadsChangeNothing) {
  StreamSource one(stream_options());
  auto options = stream_options();
  options.threads = 3;
  StreamSource three(options);
  EXPECT_TRUE(same(fill(one, 2), fill(three, 2)));
}

TEST(StreamSource, SeedSplitAndOptionsChangeThePrograms) {
  StreamSource source(stream_options());
  auto options = stream_options();
  options.seed = 6;
  StreamSource other_seed(options);
  EXPECT_FALSE(same(fill(source, 0), fill(other_seed, 0)));
  auto longer = short_programs();
  longer.max_instructions = 30;
  EXPECT_GT(fill(source, 0, longer).bytes.size(), fill(source, 0).bytes.size());
}

TEST(StreamSource, ProgramsAreOfItsSplitAndRunAsTheMachineRunsThem) {
  for (const Split s : splits) {
    auto options = stream_options();
    options.split = s;
    StreamSource source(options);
    const auto machine = make_machine("toy8", 256);
    const auto pool = fill(source, 0);
    std::vector<uint8_t> starts;
    for (size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(split_of(pool.trace(i).first(256)), s);
      const auto start = pool.trace(i).first(machine->layout().start_bytes());
      starts.insert(starts.end(), start.begin(), start.end());
    }
    TraceBatch made;
    machine->run(starts, {}, made);
    EXPECT_TRUE(same(pool, made));
  }
}

TEST(StreamSource, WindowsAreCutAndSaySo) {
  StreamSource source(stream_options());
  auto windows = short_programs();
  windows.window_steps = 3;
  const auto pool = fill(source, 0, windows);
  int cut = 0;
  for (size_t i = 0; i < pool.size(); ++i) {
    EXPECT_LE(pool.trace(i).size(), 256u + 4 * 16);
    cut += pool.stops[i] == StopReason::step_limit;
  }
  EXPECT_GT(cut, 100);
  EXPECT_LT(cut, 600);
}

TEST(StreamSource, KnowsTheOperationOfARecord) {
  StreamSource source(stream_options());
  const auto operations = source.operations();
  const auto machine = make_machine("toy8", 256);
  const auto pool = fill(source, 0);
  std::set<int> seen;
  for (size_t i = 0; i < pool.size(); ++i) {
    for (size_t at = 256 + 16; at < pool.trace(i).size(); at += 16) {
      const auto record = pool.trace(i).subspan(at, 16);
      const int operation = source.operation(record);
      seen.insert(operation);
      const auto text = machine->instruction_text(record);
      if (operation < 0) {
        EXPECT_EQ(text, "HLT");
      } else {
        EXPECT_EQ(text.substr(0, text.find(' ')), operations[operation]);
      }
    }
  }
  EXPECT_EQ(seen.size(), operations.size() + 1);
}

TEST(StreamSource, RefusesWhatCannotBe) {
  auto options = stream_options();
  options.pool_traces = 0;
  expect_error([&] { StreamSource source(options); }, {"at least one trace"});
  options = stream_options();
  options.machine = "none";
  expect_error([&] { StreamSource source(options); }, {"none"});
}

GenerateOptions dataset_options(const std::filesystem::path& out) {
  GenerateOptions options;
  options.memory_bytes = 256;
  options.programs = short_programs();
  options.traces = {250, 30};
  options.shard_traces = 60;
  options.out = out;
  return options;
}

TEST(DatasetSource, AnEpochHoldsEveryTraceOnceInAnOrderOfItsOwn) {
  const TemporaryFolder folder;
  generate(dataset_options(folder / "d"));
  DatasetSource source(folder / "d", Split::train, 1, 100);
  EXPECT_EQ(source.pools_per_epoch(), 3u);
  const auto epoch = [&](uint64_t e) {
    std::vector<std::string> traces;
    for (uint64_t p = 0; p < 3; ++p) {
      const auto pool = fill(source, 3 * e + p);
      EXPECT_EQ(pool.size(), p == 2 ? 50u : 100u);
      for (size_t i = 0; i < pool.size(); ++i)
        traces.emplace_back(pool.trace(i).begin(), pool.trace(i).end());
    }
    return traces;
  };
  auto first = epoch(0), second = epoch(1);
  EXPECT_NE(first, second);
  std::vector<std::string> all;
  for (size_t i = 0; i < 250; ++i) {
    const auto trace = source.dataset().trace(Split::train, i);
    all.emplace_back(trace.begin(), trace.end());
  }
  EXPECT_NE(first, all);
  for (auto* order : {&first, &second, &all}) std::sort(order->begin(), order->end());
  EXPECT_EQ(first, all);
  EXPECT_EQ(second, all);
}

TEST(DatasetSource, PoolsAreAPureFunctionOfTheIndex) {
  const TemporaryFolder folder;
  generate(dataset_options(folder / "d"));
  DatasetSource source(folder / "d", Split::train, 1, 100), again(folder / "d", Split::train, 1, 100);
  const auto pool = fill(source, 5);
  fill(again, 11);
  EXPECT_TRUE(same(pool, fill(again, 5)));
  fill(source, 0);
  EXPECT_TRUE(same(pool, fill(source, 5)));
  DatasetSource other_seed(folder / "d", Split::train, 2, 100);
  EXPECT_FALSE(same(pool, fill(other_seed, 5)));
}

TEST(DatasetSource, TellsWhyTracesStopped) {
  const TemporaryFolder folder;
  auto options = dataset_options(folder / "d");
  options.programs.window_steps = 2;
  generate(options);
  DatasetSource source(folder / "d", Split::test, 1, 1000);
  const auto pool = fill(source, 0);
  EXPECT_GT(std::count(pool.stops.begin(), pool.stops.end(), StopReason::step_limit), 0);
}

TEST(DatasetSource, RefusesAnEmptySplitAndAMissingDataset) {
  const TemporaryFolder folder;
  auto options = dataset_options(folder / "d");
  options.traces = {10, 0};
  generate(options);
  expect_error([&] { DatasetSource source(folder / "d", Split::test, 1, 100); }, {"no test traces"});
  expect_error([&] { DatasetSource source(folder / "none", Split::test, 1, 100); }, {"none", "No such file"});
}

}  // namespace
}  // namespace bytecpu
