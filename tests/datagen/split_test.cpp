#include "datagen/programs/split.hpp"

#include <array>

#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

TEST(Split, OneProgramInEightIsTest) {
  NativeRandom random(1, 0);
  std::vector<uint8_t> image(1024);
  int tests = 0;
  constexpr int programs = 20'000;
  for (int i = 0; i < programs; ++i) {
    for (int b = 0; b < 16; ++b) image[b] = static_cast<uint8_t>(random.below(256));
    tests += split_of(image) == Split::test;
  }
  EXPECT_NEAR(tests, programs / 8, 5 * 47);  // five standard deviations
}

// A dataset made today must stay disjoint from one made tomorrow.
TEST(Split, RuleStaysWhatItIs) {
  std::vector<uint8_t> image(1024);
  std::string assigned;
  for (int i = 1; i <= 40; ++i) {
    image[0] = static_cast<uint8_t>(i);
    assigned += split_of(image) == Split::test ? 'T' : '.';
  }
  EXPECT_EQ(assigned, ".......T.............T..................");
}

TEST(Split, EmptyProgramIsTrainWhateverItsHash) {
  int would_be_test = 0;
  for (size_t bytes = 4; bytes <= 1024; bytes += 4) {
    const std::vector<uint8_t> image(bytes);
    would_be_test += program_hash(image) % 8 == 0;
    EXPECT_EQ(split_of(image), Split::train);
  }
  EXPECT_GT(would_be_test, 0);
}

TEST(Split, DrawsOnlyProgramsOfTheSplit) {
  const auto machine = make_machine("toy8", 256);
  std::vector<uint8_t> start(machine->layout().start_bytes());
  NativeRandom random(3, 0);
  ProgramOptions options;
  options.max_instructions = 3;
  for (const Split s : splits) {
    for (int i = 0; i < 200; ++i) {
      random_start(*machine, random, options, s, start);
      EXPECT_EQ(split_of(std::span(start).first(256)), s);
    }
  }
}

TEST(Split, TooFewProgramsAreAnErrorNotALoop) {
  const auto machine = make_machine("toy8", 256);
  std::vector<uint8_t> start(machine->layout().start_bytes());
  NativeRandom random(3, 0);
  ProgramOptions options;
  options.max_instructions = 1;
  random_start(*machine, random, options, Split::train, start);
  test::expect_error([&] { random_start(*machine, random, options, Split::test, start); },
                     {"test", "1 to 1 instructions", "allow longer programs"});
}

TEST(Split, StreamsOfDifferentPurposeOrIndexShareNothing) {
  std::vector<uint64_t> first;
  for (const auto purpose : {Purpose::shard, Purpose::pool, Purpose::shuffle}) {
    for (const Split s : splits) {
      for (uint64_t i = 0; i < 10; ++i) {
        for (uint64_t part = 0; part < 10; ++part)
          first.push_back(native_random(7, purpose, s, i, part).next());
      }
    }
  }
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::adjacent_find(first.begin(), first.end()), first.end());
  EXPECT_EQ(native_random(7, Purpose::pool, Split::test, 3).next(),
            native_random(7, Purpose::pool, Split::test, 3).next());
  EXPECT_NE(native_random(7, Purpose::pool, Split::test, 3).next(),
            native_random(8, Purpose::pool, Split::test, 3).next());
}

}  // namespace
}  // namespace bytecpu
