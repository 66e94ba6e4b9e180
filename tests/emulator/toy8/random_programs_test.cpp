#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {
namespace {

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class RandomPrograms : public ::testing::Test {
 protected:
  std::vector<uint8_t> draw(RandomSource& random, const ProgramOptions& options = {}) {
    std::vector<uint8_t> start(machine_->layout().start_bytes(), 0xEE);
    machine_->random_start(random, options, start);
    return start;
  }
  std::string error(const ProgramOptions& options) {
    NativeRandom random(0, 0);
    try {
      draw(random, options);
    } catch (const Error& failure) {
      return failure.what();
    }
    return "no error";
  }
  // Instructions of the program, HLT included.
  static int length(std::span<const uint8_t> start) {
    int count = 0;
    while (start[4 * count] != 0) ++count;
    return count + 1;
  }

  std::unique_ptr<Machine> machine_ = make_machine("toy8", 1024);
};

// All 22 reference files are of seed 0, so that they come up among its 2,200 programs.
TEST_F(RandomPrograms, PythonSeedZeroReproducesThePublishedFiles) {
  std::set<std::string> expected;
  for (const auto& entry : std::filesystem::directory_iterator(BYTECPU_REFERENCE "/traces")) {
    expected.insert(read_bytes(entry.path()));
  }
  ASSERT_EQ(expected.size(), 22u);
  PythonRandom random(0);
  TraceBatch batch(machine_->layout());
  std::vector<uint8_t> starts;
  for (int i = 0; i < 2200; ++i) {
    const auto start = draw(random);
    starts.insert(starts.end(), start.begin(), start.end());
  }
  machine_->run(starts, {}, batch);
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto trace = batch[i].bytes;
    expected.erase(std::string(trace.begin(), trace.end()));
  }
  EXPECT_EQ(expected.size(), 0u);
}

// CPython: random.seed(0), then the published order of draws, written out by hand for the first program.
TEST_F(RandomPrograms, FirstDrawsOfPythonSeedZeroAreAccAndRegisters) {
  PythonRandom random(0);
  const auto start = draw(random);
  PythonRandom again(0);
  EXPECT_EQ(start[1024 + 1], again.below(256));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(start[1024 + 6 + i], again.below(256));
  EXPECT_EQ(length(start), static_cast<int>(1 + again.below(255)));
}

TEST_F(RandomPrograms, OperationsAndFormsAreUniform) {
  NativeRandom random(1, 2);
  std::map<std::string, int> forms;
  std::map<std::string, int> operations;
  int total = 0;
  for (int i = 0; i < 1500; ++i) {
    const auto start = draw(random);
    ASSERT_EQ(start[1024], 0);
    for (int at = 0; at + 1 < length(start); ++at) {
      std::vector<uint8_t> record(16);
      std::copy_n(start.begin() + 4 * at, 4, record.begin() + 2);
      const std::string form = machine_->describe(record).form;
      ++forms[form];
      ++operations[form.substr(0, form.find(' '))];
      ++total;
    }
  }
  ASSERT_EQ(operations.size(), 20u);
  // Five deviations, and more.
  for (const auto& [name, count] : operations)
    EXPECT_NEAR(count, total / 20.0, 6 * std::sqrt(total / 20.0)) << name;
  EXPECT_EQ(forms.size(), 8u * 2 + 1 + 1 + 1 + 2 + 7 * 3 + 1);
  for (const char* form : {"ADD R", "ADD R R", "ADD R R R"}) {
    EXPECT_NEAR(forms[form], total / 60.0, 6 * std::sqrt(total / 60.0)) << form;
  }
}

TEST_F(RandomPrograms, LengthsCoverTheirRangeAndFillAllOfMemory) {
  NativeRandom random(3, 0);
  std::set<int> lengths;
  for (int i = 0; i < 200; ++i)
    lengths.insert(length(draw(random, {.min_instructions = 5, .max_instructions = 8})));
  EXPECT_EQ(lengths, (std::set{5, 6, 7, 8}));
  EXPECT_EQ(length(draw(random, {.min_instructions = 256, .max_instructions = 256})), 256);
  const auto shortest = draw(random, {.min_instructions = 1, .max_instructions = 1});
  EXPECT_TRUE(std::all_of(shortest.begin(), shortest.begin() + 1024, [](uint8_t byte) { return byte == 0; }));
}

TEST_F(RandomPrograms, WeightsDecideHowOftenAnOperationIsDrawn) {
  ProgramOptions options{.min_instructions = 255};
  options.operation_weights.assign(20, 0.0);
  options.operation_weights[0] = 1;   // CLR
  options.operation_weights[19] = 3;  // MOV
  NativeRandom random(4, 0);
  std::map<int, int> counts;
  for (int i = 0; i < 40; ++i) {
    const auto start = draw(random, options);
    for (int at = 0; at < 254; ++at) ++counts[start[4 * at]];
  }
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[20], 0.75 * 40 * 254, 300);
}

TEST_F(RandomPrograms, SmallOperandsHaveFewSignificantBits) {
  NativeRandom random(5, 0);
  const auto mean_bits = [&](double share) {
    double bits = 0;
    for (int i = 0; i < 500; ++i) {
      const auto start = draw(random, {.max_instructions = 1, .small_operands = share});
      for (int at = 5; at < 16; ++at) bits += std::bit_width(start[1024 + (at == 5 ? 1 : at)]) / (500 * 11.0);
    }
    return bits;
  };
  const double whole = mean_bits(0), half = mean_bits(0.5), small = mean_bits(1);
  EXPECT_NEAR(whole, 7.0, 0.15);
  EXPECT_NEAR(small, 3.7, 0.3);
  EXPECT_NEAR(half, (whole + small) / 2, 0.2);
}

TEST_F(RandomPrograms, WindowsStartAnywhereAndStopWithTheProgram) {
  NativeRandom random(6, 0);
  std::set<int> places;
  for (int i = 0; i < 500; ++i) {
    const auto start = draw(random, {.min_instructions = 40, .max_instructions = 40, .window_steps = 32});
    const int place = start[1024], left = 40 - place;
    places.insert(place);
    EXPECT_TRUE(
        std::all_of(start.begin() + 1026, start.begin() + 1030, [](uint8_t byte) { return byte == 0; }));
    TraceBatch batch(machine_->layout());
    machine_->run(start, {.steps = 32}, batch);
    EXPECT_EQ(batch.bytes.size(), 1024u + (1 + std::min(left, 32)) * 16u);
    EXPECT_EQ(batch.stops[0], left <= 32 ? StopReason::halted : StopReason::step_limit);
  }
  EXPECT_EQ(places.size(), 40u);
  EXPECT_EQ(*places.rbegin(), 39);
}

TEST_F(RandomPrograms, OptionsThatDoNotFitAreErrors) {
  EXPECT_NE(error({.min_instructions = 0}), "no error");
  EXPECT_NE(error({.min_instructions = 9, .max_instructions = 8}), "no error");
  EXPECT_EQ(error({.max_instructions = 257}),
            "programs of 1 to 257 instructions: use 1 ≤ min ≤ max ≤ 256, what fits a memory of 1024 bytes");
  EXPECT_EQ(error({.operation_weights = {1, 2}}), "2 operation weights, but toy8 draws from 20 operations");
  std::vector<double> weights(20, 1.0);
  weights[12] = -1;
  EXPECT_EQ(error({.operation_weights = weights}), "the weight of operation ADD is -1; use 0 or more");
  weights[12] = std::nan("");
  EXPECT_NE(error({.operation_weights = weights}), "no error");
  weights[12] = INFINITY;
  EXPECT_NE(error({.operation_weights = weights}), "no error");
  EXPECT_NE(error({.operation_weights = std::vector<double>(20, 0.0)}), "no error");
  EXPECT_NE(error({.small_operands = 1.5}), "no error");
  EXPECT_NE(error({.small_operands = std::nan("")}), "no error");
  EXPECT_NE(error({.window_steps = -1}), "no error");
}

}  // namespace
}  // namespace bytecpu
