#include <set>

#include "datagen/corpus/dataset_corpus.hpp"
#include "datagen/corpus/program_stream.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/programs/run.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using test::expect_error;
using test::TemporaryFolder;

ProgramOptions short_programs() {
  ProgramOptions options;
  options.max_instructions = 10;
  return options;
}

ProgramStream::Options stream_options() {
  return {.machine = "toy8",
          .memory_bytes = 256,
          .programs = short_programs(),
          .seed = 5,
          .split = Split::train,
          .pool_traces = 600,
          .threads = 1};
}

Pool fill(Corpus& source, uint64_t index, const Emphasis& emphasis = {}) {
  Pool out(source.frame().layout);
  source.fill(index, emphasis, out);
  return out;
}

bool same(const TraceBatch& a, const TraceBatch& b) {
  return a.bytes == b.bytes && a.offsets == b.offsets && a.stops == b.stops;
}
bool same(const Pool& a, const Pool& b) { return same(a.traces, b.traces) && a.skills == b.skills; }

TEST(ProgramStream, PoolsAreAPureFunctionOfTheIndex) {
  ProgramStream source(stream_options()), again(stream_options());
  const auto third = fill(source, 3);
  EXPECT_EQ(third.size(), 600u);
  Pool out = fill(again, 7);
  again.fill(3, {}, out);  // replaces what was there
  EXPECT_TRUE(same(third, out));
  EXPECT_TRUE(same(third, fill(source, 3)));
  EXPECT_FALSE(same(third, fill(source, 4)));
}

TEST(ProgramStream,
     NoTraceComesTwice) {  // registers are random, so that even short programs start differently
  ProgramStream source(stream_options());
  std::set<std::string> traces;
  for (uint64_t i = 0; i < 3; ++i) {
    const auto pool = fill(source, i);
    for (size_t t = 0; t < pool.size(); ++t) {
      const auto bytes = pool.traces[t].bytes;
      traces.emplace(bytes.begin(), bytes.end());
    }
  }
  EXPECT_EQ(traces.size(), 3 * 600u);
}

TEST(ProgramStream, ThreadsChangeNothing) {
  auto options = stream_options();
  options.tell_skills = true;
  ProgramStream one(options);
  options.threads = 3;
  ProgramStream three(options);
  EXPECT_TRUE(same(fill(one, 2), fill(three, 2)));
}

TEST(ProgramStream, SeedSplitAndOptionsChangeThePrograms) {
  ProgramStream source(stream_options());
  auto options = stream_options();
  options.seed = 6;
  ProgramStream other_seed(options);
  EXPECT_FALSE(same(fill(source, 0), fill(other_seed, 0)));
  options = stream_options();
  options.programs.max_instructions = 30;
  ProgramStream longer(options);
  EXPECT_GT(fill(longer, 0).traces.bytes.size(), fill(source, 0).traces.bytes.size());
}

TEST(ProgramStream, ProgramsAreOfItsSplitAndRunAsTheMachineRunsThem) {
  for (const Split s : splits) {
    auto options = stream_options();
    options.split = s;
    ProgramStream source(options);
    const auto machine = make_machine("toy8", 256);
    const auto pool = fill(source, 0);
    std::vector<uint8_t> starts;
    for (size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(split_of(pool.traces[i].image()), s);
      const auto start = pool.traces[i].start();
      starts.insert(starts.end(), start.begin(), start.end());
    }
    TraceBatch made(machine->layout());
    machine->run(starts, {}, made);
    EXPECT_TRUE(same(pool.traces, made));
  }
}

TEST(ProgramStream, WindowsAreCutAndSaySo) {
  auto options = stream_options();
  options.programs.window_steps = 3;
  ProgramStream source(options);
  const auto pool = fill(source, 0);
  int cut = 0;
  for (size_t i = 0; i < pool.size(); ++i) {
    EXPECT_LE(pool.traces[i].bytes.size(), 256u + 4 * 16);
    EXPECT_EQ(pool[i].complete, pool.traces[i].stop == StopReason::halted);
    cut += pool.traces[i].stop == StopReason::step_limit;
  }
  EXPECT_GT(cut, 100);
  EXPECT_LT(cut, 600);
}

TEST(ProgramStream, PoolsTellTheOperationOfEveryStep) {
  auto options = stream_options();
  options.tell_skills = true;
  ProgramStream source(options);
  const auto operations = source.skills();
  const auto machine = make_machine("toy8", 256);
  const auto pool = fill(source, 0);
  std::set<int> seen;
  for (size_t i = 0; i < pool.size(); ++i) {
    const auto document = pool[i];
    ASSERT_EQ(std::ssize(document.skills), document.count());
    EXPECT_EQ(document.skills[0], -1);
    for (int64_t t = 1; t < document.count(); ++t) {
      const int operation = document.skills[t];
      seen.insert(operation);
      const auto text = machine->describe(document.step(t)).text;
      if (operation < 0) {
        EXPECT_EQ(text, "HLT");
      } else {
        EXPECT_EQ(text.substr(0, text.find(' ')), operations[operation]);
      }
    }
  }
  EXPECT_EQ(seen.size(), operations.size() + 1);
}

// Its instruction is zero, which is one of x86_64 and of thumb.
TEST(ProgramStream, State0OfANativeMachineHasNoSkill) {
  for (const char* name : {"x86_64", "arm64", "thumb"}) {
    ProgramStream::Options options;
    options.machine = name;
    options.programs.max_instructions = 10;
    options.pool_traces = 20;
    options.tell_skills = true;
    ProgramStream source(options);
    const auto pool = fill(source, 0);
    bool any = false;
    for (size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(pool[i].skills[0], -1) << name;
      any = any || pool[i].skills[1] >= 0;
    }
    EXPECT_TRUE(any) << name;
  }
}

TEST(ProgramStream, PoolsTellNoSkillsUnlessAsked) {
  auto options = stream_options();
  ProgramStream silent(options);
  options.tell_skills = true;
  ProgramStream telling(options);
  const auto pool = fill(silent, 0), told = fill(telling, 0);
  EXPECT_TRUE(pool.skills.empty());
  EXPECT_TRUE(pool[0].skills.empty());
  EXPECT_TRUE(same(pool.traces, told.traces));
}

TEST(ProgramStream, EmphasisedSkillsAreTheOperationsDrawn) {
  ProgramStream source(stream_options());
  const auto operations = source.skills();
  Emphasis emphasis;
  emphasis.skills.assign(operations.size(), 0);
  emphasis.skills[3] = 1;
  const auto machine = make_machine("toy8", 256);
  const auto pool = fill(source, 0, emphasis);
  for (size_t i = 0; i < pool.size(); ++i) {
    for (int64_t t = 1; t < pool[i].count(); ++t) {
      const int operation = machine->describe(pool[i].step(t)).operation;
      EXPECT_TRUE(operation == 3 || operation == -1) << operation;
    }
  }
}

// Of straight-line programs, which have as many states after state 0 as instructions.
TEST(ProgramStream, TheLongestThatIsAskedForIsClampedToWhatTheProgramsMayBe) {
  auto options = stream_options();
  options.programs.min_instructions = 4;
  ProgramStream source(options);
  EXPECT_EQ(source.longest(), 10);
  const auto lengths = [&](int longest) {
    const auto pool = fill(source, 0, {.longest = longest});
    std::set<int64_t> found;
    for (size_t i = 0; i < pool.size(); ++i) found.insert(pool.traces[i].states());
    return found;
  };
  EXPECT_EQ(lengths(6), (std::set<int64_t>{4, 5, 6}));
  EXPECT_EQ(lengths(4), (std::set<int64_t>{4}));
  EXPECT_EQ(lengths(1), (std::set<int64_t>{4}));
  EXPECT_EQ(lengths(0), (std::set<int64_t>{4, 5, 6, 7, 8, 9, 10}));
  EXPECT_TRUE(same(fill(source, 0), fill(source, 0, {.longest = 1000})));
}

TEST(ProgramStream, RefusesWhatCannotBe) {
  auto options = stream_options();
  options.pool_traces = 0;
  expect_error([&] { ProgramStream source(options); }, {"at least one trace"});
  options = stream_options();
  options.machine = "none";
  expect_error([&] { ProgramStream source(options); }, {"none"});
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

TEST(DatasetCorpus, AnEpochHoldsEveryTraceOnceInAnOrderOfItsOwn) {
  const TemporaryFolder folder;
  generate(dataset_options(folder / "d"));
  DatasetCorpus source(folder / "d", Split::train, 1, 100);
  EXPECT_EQ(source.pools_per_epoch(), 3u);
  const auto epoch = [&](uint64_t e) {
    std::vector<std::string> traces;
    for (uint64_t p = 0; p < 3; ++p) {
      const auto pool = fill(source, 3 * e + p);
      EXPECT_EQ(pool.size(), p == 2 ? 50u : 100u);
      for (size_t i = 0; i < pool.size(); ++i) {
        const auto bytes = pool.traces[i].bytes;
        traces.emplace_back(bytes.begin(), bytes.end());
      }
    }
    return traces;
  };
  auto first = epoch(0), second = epoch(1);
  EXPECT_NE(first, second);
  std::vector<std::string> all;
  for (size_t i = 0; i < 250; ++i) {
    const auto bytes = source.dataset().trace(Split::train, i).bytes;
    all.emplace_back(bytes.begin(), bytes.end());
  }
  EXPECT_NE(first, all);
  for (auto* order : {&first, &second, &all}) std::sort(order->begin(), order->end());
  EXPECT_EQ(first, all);
  EXPECT_EQ(second, all);
}

TEST(DatasetCorpus, PoolsAreAPureFunctionOfTheIndex) {
  const TemporaryFolder folder;
  generate(dataset_options(folder / "d"));
  DatasetCorpus source(folder / "d", Split::train, 1, 100), again(folder / "d", Split::train, 1, 100);
  const auto pool = fill(source, 5);
  fill(again, 11);
  EXPECT_TRUE(same(pool, fill(again, 5)));
  fill(source, 0);
  EXPECT_TRUE(same(pool, fill(source, 5)));
  DatasetCorpus other_seed(folder / "d", Split::train, 2, 100);
  EXPECT_FALSE(same(pool, fill(other_seed, 5)));
}

TEST(DatasetCorpus, IgnoresWhatIsEmphasised) {
  const TemporaryFolder folder;
  generate(dataset_options(folder / "d"));
  DatasetCorpus source(folder / "d", Split::train, 1, 100);
  EXPECT_TRUE(source.skills().empty());
  EXPECT_EQ(source.longest(), 0);
  EXPECT_TRUE(same(fill(source, 0), fill(source, 0, {.skills = {1, 2}, .longest = 3})));
}

TEST(DatasetCorpus, TellsWhyTracesStopped) {
  const TemporaryFolder folder;
  auto options = dataset_options(folder / "d");
  options.programs.window_steps = 2;
  generate(options);
  DatasetCorpus source(folder / "d", Split::test, 1, 1000);
  const auto pool = fill(source, 0);
  const auto& stops = pool.traces.stops;
  EXPECT_GT(std::count(stops.begin(), stops.end(), StopReason::step_limit), 0);
}

TEST(DatasetCorpus, RefusesAnEmptySplitAndAMissingDataset) {
  const TemporaryFolder folder;
  auto options = dataset_options(folder / "d");
  options.traces = {10, 0};
  generate(options);
  expect_error([&] { DatasetCorpus source(folder / "d", Split::test, 1, 100); }, {"no test traces"});
  expect_error([&] { DatasetCorpus source(folder / "none", Split::test, 1, 100); }, {"none", "No such file"});
}

}  // namespace
}  // namespace bytecpu
