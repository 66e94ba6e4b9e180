#include "emulator/toy8/toy8.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "emulator/error.hpp"
#include "tests/emulator/reference_toy8.hpp"
#include "tests/emulator/toy8/compare.hpp"

namespace bytecpu {
namespace {

using testing::compare;
using testing::ReferenceToy8;

std::vector<uint8_t> random_bytes(NativeRandom& random, size_t count, uint32_t bound = 256) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.below(bound));
  return bytes;
}

TEST(Toy8, ReproducesTheReferenceTraces) {
  const auto machine = make_toy8(1024);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BYTECPU_REFERENCE "/traces")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<uint8_t> expected(std::istreambuf_iterator<char>(file), {});
    TraceBatch batch(machine->layout());
    machine->run(std::span(expected).first(1040), {}, batch);
    EXPECT_EQ(batch.bytes, expected) << entry.path();
    EXPECT_EQ(batch.stops[0], StopReason::halted);
    ++files;
  }
  EXPECT_EQ(files, 22);
}

TEST(Toy8, AgreesWithTheReferenceOnAMillionRandomInstructions) {
  const auto machine = make_toy8(1024);
  NativeRandom random(1, 0);
  std::vector<uint8_t> starts(1040 * 8000);
  for (size_t at = 0; at < starts.size(); at += 1040)
    machine->random_start(random, {}, std::span(starts).subspan(at, 1040));
  EXPECT_GE(compare(*machine, starts), 1000000u);
}

TEST(Toy8, AgreesWithTheReferenceOnGarbage) {
  NativeRandom random(2, 0);
  for (const int memory : {64, 80, 512, 1024}) {
    const auto machine = make_toy8(memory);
    // Bytes of any value are nearly always illegal at once; small ones run on.
    for (const uint32_t bound : {256u, 24u, 12u})
      compare(*machine, random_bytes(random, (memory + 16) * 300, bound));
  }
}

TEST(Toy8, EveryRegisterCanBeEveryOperand) {
  const auto machine = make_toy8(64);
  NativeRandom random(3, 0);
  std::vector<uint8_t> starts;
  for (uint8_t opcode = 12; opcode <= 20; ++opcode) {
    for (uint8_t a = 0; a <= 11; ++a) {
      for (uint8_t b = 0; b <= 11; ++b) {
        for (uint8_t c = 0; c <= 11; ++c) {
          std::vector<uint8_t> start(64);
          const auto state = random_bytes(random, 16);
          start[0] = opcode, start[1] = a, start[2] = b, start[3] = c;
          starts.insert(starts.end(), start.begin(), start.end());
          starts.insert(starts.end(), state.begin(), state.end());
          starts[starts.size() - 16] = 0;
        }
      }
    }
  }
  compare(*machine, starts);
}

// A first PC anywhere, in and out of memory.
TEST(Toy8, StartsAtAnyPC) {
  const auto machine = make_toy8(80);
  NativeRandom random(4, 0);
  for (int pc = 0; pc < 256; ++pc) {
    std::vector<uint8_t> start = random_bytes(random, 96, 9);
    start[80] = static_cast<uint8_t>(pc);
    compare(*machine, start);
  }
}

class Toy8Limits : public ::testing::Test {
 protected:
  std::vector<uint8_t> start(std::string_view program) {
    std::vector<uint8_t> bytes = machine_->load_program(program, "program");
    bytes.resize(machine_->layout().start_bytes());
    return bytes;
  }
  TraceBatch run(const std::vector<uint8_t>& starts, const Limits& limits) {
    TraceBatch batch(machine_->layout());
    machine_->run(starts, limits, batch);
    return batch;
  }
  // Sixteen INC fill the memory: it never halts.
  std::vector<uint8_t> endless() {
    std::string program;
    for (int i = 0; i < 16; ++i) program += "INC A\n";
    return start(program);
  }

  std::unique_ptr<Machine> machine_ = make_toy8(64);
};

TEST_F(Toy8Limits, StepsCutATraceExactly) {
  const auto program = start("INC\nINC\nINC\nHLT");
  for (const int64_t steps : {0, 1, 2, 3}) {
    const auto batch = run(program, {.steps = static_cast<uint64_t>(steps)});
    EXPECT_EQ(batch[0].states(), steps);
    EXPECT_EQ(batch.stops[0], StopReason::step_limit);
  }
  for (const uint64_t steps : {4, 5, 1000000}) {
    const auto batch = run(program, {.steps = steps});
    EXPECT_EQ(batch[0].states(), 4);
    EXPECT_EQ(batch.stops[0], StopReason::halted);
  }
}

TEST_F(Toy8Limits, WithoutALimitEveryInstructionRunsOnce) {
  const auto batch = run(endless(), {});
  EXPECT_EQ(batch[0].states(), 16);
  EXPECT_EQ(batch.stops[0], StopReason::step_limit);
}

TEST_F(Toy8Limits, LongTracesGoOnAcrossSlices) {
  // Three traces that each take more than a call of the firmware holds, one that ends just where a call does.
  std::vector<uint8_t> starts;
  for (int i = 0; i < 3; ++i) {
    auto program = endless();
    program[64 + 6] = static_cast<uint8_t>(i);
    starts.insert(starts.end(), program.begin(), program.end());
  }
  EXPECT_EQ(compare(*machine_, starts, {.steps = 40001}), 3 * 40001u);
  EXPECT_EQ(compare(*machine_, starts, {.steps = 16384}), 3 * 16384u);
  EXPECT_EQ(compare(*machine_, starts, {.steps = 8192}), 3 * 8192u);
}

TEST_F(Toy8Limits, TimeEndsATraceAndOnlyThatOne) {
  std::vector<uint8_t> starts = endless();
  const auto halting = start("INC\nHLT");
  starts.insert(starts.end(), halting.begin(), halting.end());
  const auto begin = std::chrono::steady_clock::now();
  const auto batch = run(starts, {.steps = 1ull << 40, .time = std::chrono::milliseconds(20)});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch.stops[0], StopReason::time_limit);
  EXPECT_GT(batch[0].states(), 0);
  EXPECT_EQ(batch.stops[1], StopReason::halted);
  EXPECT_EQ(batch[1].states(), 2);
  const Trace trace = batch[0];
  const std::span<const uint8_t> first(starts.data(), 80);
  EXPECT_TRUE(std::ranges::equal(trace.bytes, ReferenceToy8::run(first, trace.states()).bytes));
}

TEST_F(Toy8Limits, IllegalInstructionsEndTheTraceWithTheirRecord) {
  for (const char* illegal : {".byte 21 0 0 0", ".byte 255 1 1 1", ".byte 2 11 0 0", ".byte 13 0 1 0",
                              ".byte 13 1 2 11", ".byte 9 0 0 0", ".byte 20 1 0 0", ".byte 12 0 0 0"}) {
    const auto batch = run(start(std::string("INC\n") + illegal + "\nINC"), {});
    EXPECT_EQ(batch.stops[0], StopReason::illegal_instruction) << illegal;
    EXPECT_EQ(batch[0].states(), 2) << illegal;
    EXPECT_EQ(machine_->describe(batch[0].record(batch[0].states())).text, "???");
  }
}

TEST_F(Toy8Limits, OperandsThatAnInstructionDoesNotTakeAreIgnored) {
  for (const char* legal :
       {".byte 0 99 99 99", ".byte 2 1 99 99", ".byte 11 200 99 99", ".byte 13 1 0 99", ".byte 20 1 2 99"}) {
    EXPECT_EQ(run(start(legal), {}).stops[0], StopReason::halted) << legal;
  }
}

TEST_F(Toy8Limits, AFirstPcOutsideOfMemoryIsAMemoryFaultWithoutARecord) {
  auto program = start("HLT");
  program[64] = 16;
  const auto batch = run(program, {});
  EXPECT_EQ(batch.stops[0], StopReason::memory_fault);
  EXPECT_EQ(batch[0].states(), 0);
}

TEST_F(Toy8Limits, TracesAreAppendedToTheBatch) {
  TraceBatch batch(machine_->layout());
  machine_->run({}, {}, batch);
  EXPECT_EQ(batch.size(), 0u);
  machine_->run(start("HLT"), {}, batch);
  machine_->run(start("INC\nHLT"), {}, batch);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0].states(), 1);
  EXPECT_EQ(batch[1].states(), 2);
}

TEST_F(Toy8Limits, StartsMustBeWhole) {
  TraceBatch batch(machine_->layout());
  EXPECT_THROW(machine_->run(std::vector<uint8_t>(79), {}, batch), std::logic_error);
}

TEST(Toy8, MemoryIsAMultipleOf16From64To1024) {
  for (const int memory : {-16, 0, 16, 48, 63, 72, 1000, 1040, 4096})
    EXPECT_THROW(make_toy8(memory), Error) << memory;
  for (const int memory : {64, 80, 1008, 1024}) EXPECT_EQ(make_toy8(memory)->layout().memory_bytes, memory);
}

TEST(Toy8, MachinesOfDifferentThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    threads.emplace_back([seed] {
      const auto machine = make_toy8(256);
      NativeRandom random(seed, 9);
      std::vector<uint8_t> starts(272 * 200);
      for (size_t at = 0; at < starts.size(); at += 272) {
        machine->random_start(random, {.max_instructions = 64}, std::span(starts).subspan(at, 272));
      }
      for (int i = 0; i < 3; ++i) compare(*machine, starts);
    });
  }
  for (auto& thread : threads) thread.join();
}

// Resident memory of this process, in bytes.
size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST(Toy8, MakingAndDestroyingMachinesDoesNotLeak) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps freed memory resident, and reports leaks itself";
#endif
  const auto cycle = [](int count) {
    for (int i = 0; i < count; ++i) {
      const auto machine = make_toy8(64);
      TraceBatch batch(machine->layout());
      machine->run(std::vector<uint8_t>(80), {}, batch);
    }
  };
  cycle(20);
  const size_t before = resident_bytes();
  cycle(200);
  EXPECT_LT(resident_bytes(), before + 200 * 4096);
}

}  // namespace
}  // namespace bytecpu
