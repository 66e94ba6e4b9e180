// What all native machines have in common.
#include "emulator/native/native.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "emulator/native/disassembler.hpp"
#include "emulator/native/instruction_pool.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using native::code_address, native::data_address;

// What the tests need to know of a machine: instructions by what they do.
struct Example {
  std::string name;
  std::string add;      // of two registers
  std::string store;    // of 4 bytes at the address in `base`
  std::string load;     // of 4 bytes from there
  std::string endless;  // a branch to itself
  std::string base;     // register
  std::string halt;
  std::string illegal;
  size_t operations;  // at least
  size_t branches;    // of random programs, calls and returns among them
};

std::ostream& operator<<(std::ostream& out, const Example& example) { return out << example.name; }

using namespace std::string_literals;
const Example examples[] = {
    {"x86_64", "\x01\xd8"s, "\x89\x06"s, "\x8b\x06"s, "\xeb\xfe"s, "ESI", "\xf4"s, "\x0f\x05"s /* SYSCALL */,
     60, 19},
    {"arm64", "\x20\x00\x02\x0b"s, "\xe0\x00\x00\xb9"s, "\xe0\x00\x40\xb9"s, "\x00\x00\x00\x14"s, "W7",
     "\x00\x00\x40\xd4"s, "\x01\x00\x00\xd4"s /* SVC */, 60, 21},
    {"thumb", "\x88\x18"s, "\x38\x60"s, "\x38\x68"s, "\xfe\xe7"s, "R7", "\x00\xbe"s, "\x00\xdf"s /* SVC */,
     40, 15},
};

class NativeTest : public testing::TestWithParam<Example> {
 protected:
  const Example& example() const { return GetParam(); }
  std::vector<test::OwnedTrace> random_traces(int count, const ProgramOptions& options, uint64_t seed = 1) {
    return test::run(*machine_, test::random_starts(*machine_, seed, count, options));
  }

  std::unique_ptr<Machine> machine_ = make_machine(GetParam().name, 1024);
  const ProgramOptions options_{.min_instructions = 1, .max_instructions = 60};
};

INSTANTIATE_TEST_SUITE_P(Machines, NativeTest, testing::ValuesIn(examples),
                         [](const auto& param) { return param.param.name; });

TEST_P(NativeTest, TheImageIsHalfCodeHalfDataOf256To4096Bytes) {
  for (const int bytes : {256, 288, 4096}) {
    const auto machine = make_machine(example().name, bytes);
    EXPECT_EQ(machine->layout().memory_bytes, bytes);
    EXPECT_EQ(machine->layout().data_offset, bytes / 2);
  }
  for (const int bytes : {0, 128, 264, 4128, -256}) EXPECT_THROW(make_machine(example().name, bytes), Error);
}

TEST_P(NativeTest, TheRegionsAreTheImageWithoutGapAndTheStackPointerPointsIntoThem) {
  const auto regions = machine_->regions();
  int at = 0;
  for (const Region& region : regions) {
    EXPECT_EQ(region.offset, at) << region.name;
    EXPECT_EQ(region.address, at < 512 ? code_address + at : data_address + at - 512) << region.name;
    at += region.bytes;
  }
  EXPECT_EQ(at, 1024);
  EXPECT_EQ(regions[0].bytes, 512);
  const auto state = machine_->first_state();
  for (const Region& region : regions) {
    if (region.pointer.empty()) continue;
    const uint64_t pointer = test::get(machine_->layout(), state, region.pointer);
    EXPECT_TRUE(pointer == region.address || pointer == region.address + region.bytes) << region.name;
    // Random programs leave it to calls.
    for (const auto& trace : random_traces(50, options_)) {
      EXPECT_EQ(trace.get(0, region.pointer), pointer);
    }
  }
  EXPECT_EQ(regions.size(), example().name == "x86_64" ? 4u : example().name == "arm64" ? 3u : 2u);
}

TEST_P(NativeTest, ARecordShowsTheFetchedInstructionAndTheStateBeforeIt) {
  const auto code = example().store + example().halt;
  const auto trace = test::run_code(*machine_, code, {{example().base, data_address + 8}});
  ASSERT_EQ(trace.count(), 3u);
  EXPECT_EQ(trace.stop, StopReason::halted);
  EXPECT_EQ(trace.get(0, "PC"), 0u);
  EXPECT_EQ(trace.get(0, "INSN"), 0u);
  EXPECT_EQ(trace.get(1, "PC"), 0u);
  EXPECT_EQ(trace.get(2, "PC"), example().store.size());
  const auto& field = test::field(trace.layout, "INSN");
  for (const auto& [t, instruction] : {std::pair(1, example().store), {2, example().halt}}) {
    const auto insn = trace.record(t).subspan(field.offset, field.bytes);
    const auto rest = insn.subspan(instruction.size());
    EXPECT_EQ(std::memcmp(insn.data(), instruction.data(), instruction.size()), 0);
    EXPECT_TRUE(std::ranges::all_of(rest, [](uint8_t byte) { return byte == 0; }));
  }
}

// State 1 is state 0, which is given, with the first instruction in it.
TEST_P(NativeTest, TheFirstStepFetchesTheInstructionAtThePcOfState0) {
  const auto code = example().add + example().load + example().halt;
  const uint64_t second = example().add.size();
  const auto trace = test::run_code(*machine_, code, {{example().base, data_address}, {"PC", second}});
  ASSERT_EQ(trace.count(), 3u);
  EXPECT_EQ(trace.get(1, "PC"), second);
  EXPECT_EQ(machine_->describe(trace.record(1)).group, "memory");
  auto fetched = std::vector<uint8_t>(trace.record(0).begin(), trace.record(0).end());
  const auto& field = test::field(trace.layout, "INSN");
  std::ranges::copy(example().load, fetched.begin() + field.offset);
  EXPECT_TRUE(std::ranges::equal(trace.record(1), fetched));
}

TEST_P(NativeTest, TheRecordBeginsWithWhatIsFetchedAndWhatWasAccessedAndEndsInFlags) {
  std::vector<std::string> names;
  for (const Field& field : machine_->layout().fields) names.push_back(field.name);
  const std::vector<std::string> first = {"PC",        "INSN",       "ACCESS_OFFSET",
                                          "READ_SIZE", "WRITE_SIZE", "WRITE_VALUE"};
  EXPECT_TRUE(std::ranges::equal(std::span(names).first(first.size()), first));
  EXPECT_EQ(names.back(), example().name == "x86_64" ? "FLAGS" : "NZCV");
  EXPECT_EQ(machine_->layout().record_bytes, example().name == "thumb" ? 48 : 64);
  EXPECT_EQ(machine_->layout().record_version, 2);
}

TEST_P(NativeTest, ReadsOfCodeAreAtTheirOffsetInTheImage) {
  const auto code = example().load + example().halt;
  const auto trace = test::run_code(*machine_, code, {{example().base, code_address + 8}});
  ASSERT_EQ(trace.count(), 3u);
  EXPECT_EQ(trace.get(2, "ACCESS_OFFSET"), 8u);
  EXPECT_EQ(trace.get(2, "READ_SIZE"), 4u);
}

// An access is in the state after its instruction, and in no other; not the one of an earlier run either.
TEST_P(NativeTest, AnInstructionWithoutAnAccessLeavesNone) {
  const auto code = example().load + example().add + example().store + example().add + example().halt;
  for (int again = 0; again < 3; ++again) {
    const auto trace = test::run_code(*machine_, code, {{example().base, data_address + 8}});
    ASSERT_EQ(trace.count(), 6u);
    for (size_t t = 0; t < 6; ++t) {
      EXPECT_EQ(trace.get(t, "READ_SIZE"), t == 2 ? 4u : 0u) << t;
      EXPECT_EQ(trace.get(t, "WRITE_SIZE"), t == 4 ? 4u : 0u) << t;
      EXPECT_EQ(trace.get(t, "ACCESS_OFFSET"), t == 2 || t == 4 ? 520u : 0u) << t;
    }
    EXPECT_EQ(test::run_code(*machine_, example().load).stop, StopReason::memory_fault);
  }
}

TEST_P(NativeTest, FaultsStopTheTraceWithTheirReason) {
  const auto stop = [&](const std::string& code, uint64_t base, uint64_t pc = 0) {
    return test::run_code(*machine_, code, {{example().base, base}, {"PC", pc}}, {}, {.steps = 100}).stop;
  };
  EXPECT_EQ(stop(example().store, data_address + 508), StopReason::halted);
  EXPECT_EQ(stop(example().store, data_address + 509), StopReason::memory_fault);
  EXPECT_EQ(stop(example().store, data_address + 512), StopReason::memory_fault);
  EXPECT_EQ(stop(example().store, data_address - 1), StopReason::memory_fault);
  EXPECT_EQ(stop(example().store, 0), StopReason::memory_fault);
  EXPECT_EQ(stop(example().store, 0xFFFFFFFF), StopReason::memory_fault);
  EXPECT_EQ(stop(example().store, code_address), StopReason::code_write);
  EXPECT_EQ(stop(example().load, code_address), StopReason::halted);
  EXPECT_EQ(stop(example().load, code_address + 512), StopReason::memory_fault);
  EXPECT_EQ(stop(example().load, data_address + 509), StopReason::memory_fault);
  EXPECT_EQ(stop(example().load, 0), StopReason::memory_fault);
  EXPECT_EQ(stop(example().endless, 0), StopReason::step_limit);
  EXPECT_EQ(stop(example().illegal, 0), StopReason::illegal_instruction);
  EXPECT_EQ(stop(example().halt, 0, 512), StopReason::memory_fault);
  // A fault leaves nothing behind for the next run.
  EXPECT_EQ(stop(example().add, 0), StopReason::halted);
}

TEST_P(NativeTest, LimitsOfStepsAndTimeHold) {
  for (const uint64_t steps : {0, 1, 2, 1000}) {
    const auto trace = test::run_code(*machine_, example().endless, {}, {}, {.steps = steps});
    EXPECT_EQ(trace.count(), 1 + steps);
    EXPECT_EQ(trace.stop, StopReason::step_limit);
  }
  const auto halted = test::run_code(*machine_, example().halt, {}, {}, {.steps = 1});
  EXPECT_EQ(halted.stop, StopReason::halted);
  const auto timed =
      test::run_code(*machine_, example().endless, {}, {}, {.time = std::chrono::milliseconds(5)});
  EXPECT_EQ(timed.stop, StopReason::time_limit);
  EXPECT_GT(timed.count(), 100u);
}

TEST_P(NativeTest, ReplayingTheWritesGivesTheMemoryAtEveryStep) {
  auto options = options_;
  options.memory_share = 0.6;
  int checked = 0;
  for (const auto& trace : random_traces(400, options)) {
    auto memory = std::vector<uint8_t>(trace.image().begin(), trace.image().end());
    for (size_t t = 1; t < trace.count(); ++t) {
      const uint64_t value = trace.get(t, "WRITE_VALUE");
      if (trace.get(t, "WRITE_SIZE"))
        std::memcpy(&memory[trace.get(t, "ACCESS_OFFSET")], &value, trace.get(t, "WRITE_SIZE"));
      // The rest of the run, from this memory and these registers, is the rest of the trace.
      if (t % 7 != 0) continue;
      auto start = memory;
      start.insert(start.end(), trace.record(t).begin(), trace.record(t).end());
      const auto rest = test::run(*machine_, start).at(0);
      ASSERT_EQ(rest.count(), trace.count() - t + 1);
      for (size_t i = 2; i < rest.count(); ++i) {
        ASSERT_TRUE(std::ranges::equal(rest.record(i), trace.record(t + i - 1)))
            << "state " << t + i - 1 << ", " << machine_->describe(trace.record(t + i - 2)).text;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 400);
}

TEST_P(NativeTest, RandomProgramsEndAndUseAllOperations) {
  std::set<std::string> seen;
  std::map<StopReason, int> stops;
  std::map<std::string_view, int> groups;
  const auto operations = machine_->operations();
  int states = 0, written = 0, read = 0;
  for (const auto& trace : random_traces(1500, options_)) {
    ++stops[trace.stop];
    for (size_t t = 1; t < trace.count(); ++t) {
      const auto instruction = machine_->describe(trace.record(t));
      const auto& form = instruction.form;
      seen.insert(form.substr(0, form.find(' ')));
      EXPECT_EQ(instruction.name, form.substr(0, form.find(' ')));
      EXPECT_NE(trace.get(t, "INSN"), 0u);  // only state 0, which has fetched nothing, has none
      // Records hold all of it.
      EXPECT_EQ(instruction.text.find("of which a record holds"), std::string::npos) << instruction.text;
      const auto drawn = std::ranges::find(operations, instruction.name);
      EXPECT_EQ(instruction.operation, drawn == operations.end() ? -1 : drawn - operations.begin());
      ++groups[instruction.group];
      ++states;
      written += trace.get(t, "WRITE_SIZE") > 0;
      read += trace.get(t, "READ_SIZE") > 0;
    }
  }
  EXPECT_GE(operations.size(), example().operations);
  for (const auto operation : operations) EXPECT_TRUE(seen.contains(std::string(operation))) << operation;
  EXPECT_FALSE(seen.contains("???"));
  EXPECT_FALSE(groups.contains("???"));
  EXPECT_GE(groups["branch"], states / 20);
  EXPECT_GE(written, states / 50);
  EXPECT_GE(read, states / 50);
  EXPECT_GE(stops[StopReason::halted], 1400);
  EXPECT_EQ(stops[StopReason::halted] + stops[StopReason::divide_error], 1500);
}

TEST_P(NativeTest, BranchesOfAllKindsGoBackWithoutALoop) {
  auto options = options_;
  options.branch_share = 0.4;
  options.loop_share = 0;
  options.small_operands = 1;       // zero, which CBZ asks for, is one
  std::map<std::string, int> back;  // how often, of what branches at all
  for (const auto& trace : random_traces(5000, options, 5)) {
    for (size_t t = 1; t + 1 < trace.count(); ++t) {
      const auto instruction = machine_->describe(trace.record(t));
      if (instruction.group != "branch") continue;
      back[std::string(instruction.name)] += trace.get(t + 1, "PC") < trace.get(t, "PC");
    }
  }
  EXPECT_EQ(back.size(), example().branches);
  for (const auto& [name, count] : back) {
    const bool calls = std::set<std::string>{"bl", "call"}.contains(name);
    EXPECT_EQ(count > 0, !calls) << name;
  }
}

TEST_P(NativeTest, ProgramsOfManyBranchesAndLoopsEndAndBranchToInstructions) {
  auto options = options_;
  options.branch_share = 0.5;
  options.loop_share = 0.3;
  for (const auto& trace : random_traces(400, options, 6)) {
    EXPECT_TRUE(trace.stop == StopReason::halted || trace.stop == StopReason::divide_error);
    for (size_t t = 1; t < trace.count(); ++t) {
      EXPECT_TRUE(machine_->instruction_line(trace.image(), trace.record(t))) << "within an instruction";
    }
  }
}

TEST_P(NativeTest, SharesAndWeightsDecideWhatIsDrawn) {
  const auto share = [&](const ProgramOptions& options, auto counts) {
    int states = 0, counted = 0;
    for (const auto& trace : random_traces(200, options, 3)) {
      for (size_t t = 1; t < trace.count(); ++t, ++states) counted += counts(trace.record(t));
    }
    return counted / static_cast<double>(states);
  };
  const auto accesses = [&](auto record) {
    const auto instruction = machine_->describe(record);
    return instruction.form.find('m', 4) != std::string::npos || instruction.group == "memory";
  };
  const auto branches = [&](auto record) { return machine_->describe(record).group == "branch"; };
  auto options = options_;
  options.min_instructions = 40;
  options.memory_share = 0;
  options.branch_share = options.loop_share = 0;
  EXPECT_EQ(share(options, branches), 0);
  EXPECT_EQ(share(options, [&](auto record) { return machine_->describe(record).group == "memory"; }), 0);
  options.memory_share = 0.8;
  EXPECT_GT(share(options, accesses), 0.5);
  options.memory_share = 0;
  options.branch_share = 0.5;
  EXPECT_GT(share(options, branches), 0.25);
  options.branch_share = 0;
  options.operation_weights.assign(machine_->operations().size(), 0);
  options.operation_weights[0] = 1;
  EXPECT_GT(share(options,
                  [&](auto record) {
                    return machine_->describe(record).text.starts_with(machine_->operations()[0]);
                  }),
            0.9);
}

TEST_P(NativeTest, ProgramsBeginAnywhereBehindInstructionsThatDoNotRun) {
  const auto& layout = machine_->layout();
  auto options = options_;
  for (const auto& trace : random_traces(100, options, 4)) EXPECT_EQ(trace.get(1, "PC"), 0U);
  options.anywhere_share = 0.5;
  int moved = 0;
  uint64_t last = 0;
  for (const int most : {6, 60}) {
    options.max_instructions = most;
    for (const auto& trace : random_traces(300, options, 4)) {
      EXPECT_TRUE(trace.stop == StopReason::halted || trace.stop == StopReason::divide_error);
      const auto first = trace.get(1, "PC");
      moved += first > 0;
      last = std::max(last, first);
      // What is before it does not run, and where returns lead there is a halt.
      for (size_t t = 1; t < trace.count(); ++t) EXPECT_GE(trace.get(t, "PC"), first);
      const auto code = trace.image().first(layout.data_offset);
      EXPECT_TRUE(std::ranges::equal(code.last(example().halt.size()), example().halt,
                                     [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }));
    }
  }
  EXPECT_NEAR(moved, 300, 60);
  EXPECT_GT(last, 400U);
}

TEST_P(NativeTest, OptionsThatDoNotFitAreErrors) {
  NativeRandom random(1, 0);
  std::vector<uint8_t> start(machine_->layout().start_bytes());
  const auto refuses = [&](auto change) {
    auto options = options_;
    change(options);
    EXPECT_THROW(machine_->random_start(random, options, start), Error);
  };
  refuses([](auto& o) { o.min_instructions = 0; });
  refuses([](auto& o) { o.max_instructions = 1000; });
  refuses([](auto& o) { o.min_instructions = 61; });
  refuses([](auto& o) { o.window_steps = 8; });
  refuses([](auto& o) { o.memory_share = 1.5; });
  refuses([](auto& o) { o.loop_share = -0.1; });
  refuses([](auto& o) { o.anywhere_share = 1.1; });
  refuses([](auto& o) { o.operation_weights = {1, 2}; });
  refuses([&](auto& o) { o.operation_weights.assign(machine_->operations().size(), 0); });
}

TEST_P(NativeTest, TheSameDrawsGiveTheSameProgramAndAnEngineRemembersNothing) {
  const auto starts = test::random_starts(*machine_, 5, 100, options_);
  EXPECT_EQ(starts, test::random_starts(*machine_, 5, 100, options_));
  const auto traces = test::run(*machine_, starts);
  const size_t each = machine_->layout().start_bytes();
  for (size_t i = 0; i < traces.size(); i += 9) {
    const auto fresh = make_machine(example().name, 1024);
    const auto alone = test::run(*fresh, std::span(starts).subspan(i * each, each)).at(0);
    EXPECT_EQ(alone.bytes, traces[i].bytes);
    EXPECT_EQ(alone.stop, traces[i].stop);
  }
}

// Instructions that earlier programs had run one by one, others in place: when a program comes again it runs
// the other way.
TEST_P(NativeTest, AProgramRunAgainHasTheSameTrace) {
  auto starts = test::random_starts(*machine_, 7, 400, options_);
  const auto add = [&](const std::string& code, uint64_t base) {
    const auto start = test::start_of(*machine_, code, {{example().base, base}});
    starts.insert(starts.end(), start.begin(), start.end());
  };
  for (const uint64_t base :
       {data_address, data_address + 509, data_address - 1, code_address, uint64_t{0}}) {
    add(example().store, base);
    add(example().load, base);
  }
  add(example().endless, 0);
  add(example().illegal, 0);
  add(example().add + example().endless, 0);
  if (example().name == "x86_64") {
    add("\xf7\xf3"s, 0);                                                        // DIV EBX, thrice a fault
    add("\x31\xdb\xf7\xf3"s, 0);                                                // after XOR EBX, EBX
    add("\x0f\x84\x01\0\0\0\xf4\x0f\x85\xfa\xff\xff\xff\xe9\x00\x10\0\0"s, 0);  // JE, JNE, JMP by 32 bits
    // Returns beyond the machine's memory, to where instructions are that run one by one.
    for (const uint64_t into : {0, 16, 0x1004}) {
      const auto by =
          static_cast<uint32_t>(native::InstructionPool::after_instruction + into - (code_address + 5));
      add("\xe8\x01\0\0\0\xf4\x58\x05"s + std::string(reinterpret_cast<const char*>(&by), sizeof by) +
              "\x50\xc3",
          0);
    }
  }
  const Limits limits{.steps = 3000};
  const auto first = test::run(*machine_, starts, limits);
  for (int again = 0; again < 3; ++again) {
    const auto traces = test::run(*machine_, starts, limits);
    for (size_t i = 0; i < traces.size(); ++i) {
      ASSERT_EQ(traces[i].stop, first[i].stop) << "program " << i << "\n"
                                               << machine_->disassemble(first[i].image());
      ASSERT_EQ(traces[i].bytes, first[i].bytes) << "program " << i;
    }
  }
}

// More instructions than are kept.
TEST(X86_64Test, RunsMoreInstructionsThanItKeeps) {
  const auto machine = make_machine("x86_64", 4096);
  const int each = 400, count = 560'000;
  for (int done = 0; done < count; done += each) {
    std::string code;
    for (int i = done; i < done + each; ++i) {
      code += '\xb8';  // MOV EAX, i
      code.append(reinterpret_cast<const char*>(&i), sizeof i);
    }
    const auto trace = test::run_code(*machine, code);
    ASSERT_EQ(trace.count(), each + 2u);
    ASSERT_EQ(trace.get(each + 1, "EAX"), done + each - 1u);
    ASSERT_EQ(test::run_code(*machine, code.substr(0, 5)).get(2, "EAX"), static_cast<uint64_t>(done));
  }
}

TEST_P(NativeTest, AnyBytesAreSafeToRun) {
  NativeRandom random(9, 0);
  const size_t each = machine_->layout().start_bytes();
  std::vector<uint8_t> starts(2000 * each);
  for (uint8_t& byte : starts) byte = static_cast<uint8_t>(random.below(256));
  for (size_t at = 0; at < starts.size(); at += each) {
    const auto state = std::span(starts).subspan(at + 1024, machine_->layout().record_bytes);
    test::set(machine_->layout(), state, "PC", random.below(128) * 4);
    if (random.below(2))
      test::set(machine_->layout(), state, example().base, data_address + random.below(512));
  }
  for (const auto& trace : test::run(*machine_, starts, {.steps = 1000})) {
    machine_->disassemble(trace.image());
    for (size_t t = 0; t < trace.count(); ++t) machine_->describe(trace.record(t));
  }
}

TEST_P(NativeTest, GivenProgramsAreCheckedForTheirLength) {
  EXPECT_NO_THROW(machine_->load_program(std::string(508, '\x90'), "p"));
  EXPECT_THROW(machine_->load_program(std::string(513, '\x90'), "p"), Error);
  EXPECT_THROW(machine_->load_program("", "p"), Error);
  EXPECT_THROW(machine_->load_program("\x90", "p", "f"), Error);
}

TEST_P(NativeTest, ProgramsOfOtherBytesHaveOtherTexts) {
  std::set<std::string> texts;
  const auto starts = test::random_starts(*machine_, 2, 50, options_);
  for (size_t at = 0; at < starts.size(); at += machine_->layout().start_bytes()) {
    auto image = std::vector(starts.begin() + at, starts.begin() + at + 1024);
    texts.insert(machine_->disassemble(image));
    image[700] ^= 1;
    texts.insert(machine_->disassemble(image));
  }
  EXPECT_EQ(texts.size(), 100u);
}

}  // namespace
}  // namespace bytecpu
