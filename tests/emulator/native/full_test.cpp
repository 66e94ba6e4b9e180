// The full layout: all registers at full width, large memories in regions, strings, and why a program stops.
#include <gtest/gtest.h>

#include "emulator/native/instruction_pool.hpp"
#include "emulator/native/native.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

std::string words(std::initializer_list<uint32_t> words) {
  return {reinterpret_cast<const char*>(words.begin()), 4 * words.size()};
}

constexpr uint64_t code = native::full_code_address;
// Of a machine of 64 KB.
constexpr uint64_t data = code + 0x8000;

std::string text_of_last(const Machine& machine, const test::OwnedTrace& trace) {
  return machine.describe(trace.record(trace.count() - 1)).text;
}

TEST(Full, MemoryIsFrom4KTo16MInRegionsThatTheLayoutNames) {
  for (const char* name : {"x86_64-full", "arm64-full"}) {
    for (const int bytes : {4096, 12288, 65536, 16 << 20}) {
      const auto machine = make_machine(name, bytes);
      const auto& layout = machine->layout();
      const std::vector<LayoutRegion> regions = layout.regions;
      ASSERT_EQ(regions.size(), 4u);
      int end = 0;
      for (const auto& region : regions) {
        EXPECT_EQ(region.offset, end);
        end += region.bytes;
      }
      EXPECT_EQ(end, bytes);
      EXPECT_EQ(regions[0].name, "code");
      EXPECT_EQ(regions[0].address, code);
      EXPECT_EQ(regions[1].name, "read-only data");
      EXPECT_EQ(regions[2].name, "data");
      EXPECT_EQ(regions[2].offset, layout.data_offset);
      EXPECT_EQ(regions[2].address % 4096, 0u);
      EXPECT_EQ(regions[3].name, "stack");
      for (const Region& region : machine->regions()) {
        const auto same = [&](const LayoutRegion& r) {
          return r.offset == region.offset && r.address == region.address;
        };
        EXPECT_TRUE(region.name == "return address" || std::ranges::any_of(regions, same)) << region.name;
      }
    }
    for (const int bytes : {1024, 4097, 5000, (16 << 20) + 4096})
      EXPECT_THROW(make_machine(name, bytes), Error) << bytes;
  }
}

TEST(Full, RegistersHave64BitsAndAllAreRecorded) {
  const auto machine = make_machine("x86_64-full", 65536);
  // MOV R15, R12; LEA RAX, [RBX + RCX * 8 + 0x12345678]; HLT
  const auto trace = test::run_code(*machine, "\x4d\x89\xe7\x48\x8d\x84\xcb\x78\x56\x34\x12\xf4"s,
                                    {{"R12", 0x8877665544332211}, {"RBX", uint64_t{1} << 40}, {"RCX", 3}});
  ASSERT_EQ(trace.stop, StopReason::halted);
  EXPECT_EQ(trace.get(2, "R15"), 0x8877665544332211u);
  EXPECT_EQ(trace.get(3, "RAX"), (uint64_t{1} << 40) + 24 + 0x12345678);

  const auto arm = make_machine("arm64-full", 65536);
  // ADD X28, X9, X20, LSL #40; HLT
  const auto of_arm =
      test::run_code(*arm, words({0x8B14A13C, 0xD4400000}), {{"X9", 0xF000000000000000}, {"X20", 5}});
  EXPECT_EQ(of_arm.get(2, "X28"), 0xF000000000000000 + (uint64_t{5} << 40));
}

TEST(Full, AnInstructionOf11To15BytesIsRecordedWhole) {
  const auto machine = make_machine("x86_64-full", 65536);
  // MOV QWORD PTR [RDI + RCX * 8 + 0x100], 0x11223344: 12 bytes; a NOP of 15
  const std::string store = "\x48\xc7\x84\xcf\0\1\0\0\x44\x33\x22\x11"s;
  const std::string nop = "\x66\x66\x66\x66\x66\x66\x2e\x0f\x1f\x84\0\0\0\0\0"s;
  const auto trace = test::run_code(*machine, store + nop + "\xf4"s, {{"RDI", data}, {"RCX", 2}});
  ASSERT_EQ(trace.stop, StopReason::halted);
  ASSERT_EQ(trace.count(), 4u);
  const auto& insn = test::field(trace.layout, "INSN");
  EXPECT_EQ(insn.bytes, 15);
  const auto bytes = [&](size_t t) {
    return std::string(trace.record(t).begin() + insn.offset,
                       trace.record(t).begin() + insn.offset + insn.bytes);
  };
  EXPECT_EQ(bytes(1), store + "\0\0\0"s);
  EXPECT_EQ(bytes(2), nop);
  EXPECT_EQ(trace.get(2, "ACCESS_OFFSET"), 0x8000u + 0x110);
  EXPECT_EQ(trace.get(2, "WRITE_SIZE"), 8u);
  EXPECT_EQ(trace.get(2, "WRITE_VALUE"), 0x11223344u);
}

// STP X0, X1, [SP, #-16]!
TEST(Full, APairOf64BitsIsOneWriteOf16Bytes) {
  const auto machine = make_machine("arm64-full", 65536);
  const auto trace =
      test::run_code(*machine, words({0xA9BF07E0, 0xD4400000}), {{"X0", 0x1122334455667788}, {"X1", 9}});
  ASSERT_EQ(trace.stop, StopReason::halted);
  EXPECT_EQ(trace.get(2, "WRITE_SIZE"), 16u);
  EXPECT_EQ(trace.get(2, "ACCESS_OFFSET"), 65536u - 16);
  const auto& value = test::field(trace.layout, "WRITE_VALUE");
  ASSERT_EQ(value.bytes, 16);
  uint64_t low, high;
  std::memcpy(&low, trace.record(2).data() + value.offset, 8);
  std::memcpy(&high, trace.record(2).data() + value.offset + 8, 8);
  EXPECT_EQ(low, 0x1122334455667788u);
  EXPECT_EQ(high, 9u);
}

TEST(Full, AStringInstructionHasARecordForEveryRepetition) {
  const auto machine = make_machine("x86_64-full", 65536);
  for (const uint64_t count : {0, 1, 3}) {
    // REP MOVSB; HLT
    const auto trace =
        test::run_code(*machine, "\xf3\xa4\xf4"s, {{"RSI", data}, {"RDI", data + 64}, {"RCX", count}},
                       std::vector<uint8_t>{7, 8, 9});
    ASSERT_EQ(trace.stop, StopReason::halted);
    const uint64_t repetitions = std::max<uint64_t>(count, 1);  // with none it is fetched all the same
    ASSERT_EQ(trace.count(), 2 + repetitions) << count;
    for (size_t t = 1; t <= repetitions; ++t) {
      EXPECT_EQ(trace.get(t, "PC"), 0u);
      EXPECT_EQ(trace.get(t, "RCX"), count - (count > 0 ? t - 1 : 0));
      EXPECT_EQ(trace.get(t + 1, "WRITE_SIZE"), count > 0 ? 1u : 0u);
      EXPECT_EQ(trace.get(t + 1, "READ_SIZE"), count > 0 ? 1u : 0u);
      if (count == 0) continue;
      EXPECT_EQ(trace.get(t + 1, "ACCESS_OFFSET"), 0x8000 + 64 + t - 1);  // the write's
      EXPECT_EQ(trace.get(t + 1, "WRITE_VALUE"), 6 + t);
    }
    EXPECT_EQ(trace.get(trace.count() - 1, "RCX"), 0u);
  }
  // REPNE SCASB ends with what it looks for: the second byte
  const auto found = test::run_code(*machine, "\xf2\xae\xf4"s, {{"RDI", data}, {"RCX", 9}, {"RAX", 8}},
                                    std::vector<uint8_t>{7, 8, 9});
  EXPECT_EQ(found.count(), 4u);
  EXPECT_EQ(found.get(3, "RCX"), 7u);
  // A limit in the middle of it.
  const auto start = test::start_of(*machine, "\xf3\xaa\xf4"s, {{"RDI", data}, {"RCX", 100}});
  EXPECT_EQ(test::run(*machine, start, {.steps = 10}).at(0).count(), 11u);
}

TEST(Full, AnAccessAcrossAPageIsOneAccess) {
  const auto machine = make_machine("x86_64-full", 65536);
  for (const uint64_t back : {1, 3, 7}) {
    // MOV [RDI], RAX; MOV RBX, [RDI]; HLT
    const auto trace = test::run_code(*machine, "\x48\x89\x07\x48\x8b\x1f\xf4"s,
                                      {{"RDI", data + 4096 - back}, {"RAX", 0x0102030405060708}});
    ASSERT_EQ(trace.stop, StopReason::halted);
    for (const size_t t : {2, 3}) EXPECT_EQ(trace.get(t, "ACCESS_OFFSET"), 0x8000 + 4096 - back);
    EXPECT_EQ(trace.get(2, "WRITE_SIZE"), 8u);
    EXPECT_EQ(trace.get(2, "WRITE_VALUE"), 0x0102030405060708u);
    EXPECT_EQ(trace.get(3, "READ_SIZE"), 8u);
    EXPECT_EQ(trace.get(3, "RBX"), 0x0102030405060708u);
  }
  const auto arm = make_machine("arm64-full", 65536);
  // STP X0, X1, [X2]; LDP X3, X4, [X2]; HLT
  const auto trace = test::run_code(*arm, words({0xA9000440, 0xA9401043, 0xD4400000}),
                                    {{"X0", 0x0102030405060708}, {"X1", 5}, {"X2", data + 4096 - 8}});
  ASSERT_EQ(trace.stop, StopReason::halted);
  EXPECT_EQ(trace.get(2, "WRITE_SIZE"), 16u);
  EXPECT_EQ(trace.get(3, "READ_SIZE"), 16u);
  EXPECT_EQ(trace.get(3, "X3"), 0x0102030405060708u);
  EXPECT_EQ(trace.get(3, "X4"), 5u);
}

TEST(Full, CallsPushesAndJumpsByMemoryRun) {
  const auto machine = make_machine("x86_64-full", 65536);
  std::vector<uint8_t> pointers(16);
  const uint64_t target = code + 12;
  std::memcpy(pointers.data(), &target, 8);
  // PUSH [RDI]; POP [RDI + 8]; CALL [RDI + 8]; HLT … at 12: NOTRACK JMP [RSP]
  const std::string program = "\xff\x37\x8f\x47\x08\xff\x57\x08\xf4\x90\x90\x90\x3e\xff\x24\x24\xf4"s;
  const auto trace = test::run_code(*machine, program, {{"RDI", data}}, pointers);
  ASSERT_EQ(trace.stop, StopReason::halted) << text_of_last(*machine, trace);
  EXPECT_EQ(trace.get(5, "PC"), 8u);
  EXPECT_EQ(trace.get(4, "READ_SIZE"), 8u);
  EXPECT_EQ(trace.get(4, "WRITE_SIZE"), 8u);
  EXPECT_EQ(trace.get(4, "WRITE_VALUE"), code + 8);
}

TEST(Full, RecordsShowWhatCallsAndPairsWrite) {
  const auto machine = make_machine("arm64-full", 65536);
  // BL 8; HLT; BLR X5; at 16: LDP X9, X10, [X2], #16; HLT
  const auto trace = test::run_code(
      *machine, words({0x94000002, 0xD4400000, 0xD63F00A0, 0xD4400000, 0xA8C12849, 0xD4400000}),
      {{"X5", code + 16}, {"X2", data}}, std::vector<uint8_t>{1, 0, 0, 0, 0, 0, 0, 0, 2});
  ASSERT_EQ(trace.stop, StopReason::halted);
  EXPECT_EQ(trace.get(2, "LR"), code + 4);
  EXPECT_EQ(trace.get(3, "LR"), code + 12);
  EXPECT_EQ(trace.get(4, "X9"), 1u);
  EXPECT_EQ(trace.get(4, "X10"), 2u);
  EXPECT_EQ(trace.get(4, "X2"), data + 16);
}

TEST(Full, WhatIsReadOnlyIsNotWrittenNorFetched) {
  const auto machine = make_machine("x86_64-full", 65536);
  const uint64_t read_only = code + 0x6000;
  EXPECT_EQ(test::run_code(*machine, "\x89\x07\xf4"s, {{"RDI", read_only}}).stop, StopReason::code_write);
  EXPECT_EQ(test::run_code(*machine, "\x8b\x07\xf4"s, {{"RDI", read_only}}).stop, StopReason::halted);
  EXPECT_EQ(test::run_code(*machine, "\xff\xe7\xf4"s, {{"RDI", read_only}}).stop, StopReason::memory_fault);
  EXPECT_EQ(test::run_code(*machine, "\x8b\x07\xf4"s, {{"RDI", code + 65536}}).stop,
            StopReason::memory_fault);
}

TEST(Full, WhatIsLeftOutSaysWhyAndWhatToDo) {
  struct Left {
    const char* machine;
    std::string code;
    std::string says;
  };
  const Left all[] = {
      {"x86_64-full", "\x66\x0f\xef\xc0"s,
       "pxor xmm0, xmm0: not in the table of x86_64-full: floating point and vectors "
       "are left out; compile with -mgeneral-regs-only, or -fno-tree-vectorize"},
      {"x86_64-full", "\xd9\xe8"s, "floating point"},
      {"x86_64-full", "\x64\x48\x8b\x04\x25\x28\0\0\0"s, "-fno-stack-protector"},
      {"x86_64-full", "\x0f\x05"s, "there is no operating system"},
      {"x86_64-full", "\x0f\x0b"s, "the program stops itself"},
      {"x86_64-full", "\xf0\xff\x07"s, "atomic"},
      {"x86_64-full", "\xf3\x0f\xb8\xc0"s, "-mno-popcnt"},
      {"x86_64", "\x4d\x89\xe7"s, "x86_64-full has it"},
      {"arm64", words({0xA9BF07E0}), "arm64-full has it"},
      {"arm64-full", words({0x1E270000}),
       "floating point and vectors are left out; compile with -mgeneral-regs-only"},
      {"arm64-full", words({0x4F000400}), "floating point and vectors"},
      {"arm64-full", words({0xD4000001}), "there is no operating system"},
      {"arm64-full", words({0xD53BD040}), "-fno-stack-protector"},
      {"arm64-full", words({0x885F7C00}), "atomic"},
      {"arm64-full", words({0xD4200020}), "the program stops itself"},
  };
  for (const auto& [name, bytes, says] : all) {
    const auto machine = make_machine(name, usual_memory(name));
    const auto trace = test::run_code(*machine, bytes);
    EXPECT_EQ(trace.stop, StopReason::illegal_instruction) << says;
    EXPECT_NE(text_of_last(*machine, trace).find(says), std::string::npos) << text_of_last(*machine, trace);
  }
}

TEST(Full, TheSameProgramRunsAgainFromOtherRegisters) {
  const auto machine = make_machine("x86_64-full", 65536);
  std::vector<uint8_t> starts;
  for (const uint64_t value : {1, 2, 3}) {
    for (const auto& program : {"\x48\x01\xc0\xf4"s /* ADD RAX, RAX */, "\x48\x29\xc0\xf4"s /* SUB */}) {
      for (int twice = 0; twice < 2; ++twice) {
        const auto start = test::start_of(*machine, program, {{"RAX", value}});
        starts.insert(starts.end(), start.begin(), start.end());
      }
    }
  }
  const auto traces = test::run(*machine, starts);
  for (size_t i = 0; i < traces.size(); ++i) {
    EXPECT_EQ(traces[i].stop, StopReason::halted);
    EXPECT_EQ(traces[i].get(2, "RAX"), i / 2 % 2 ? 0 : 2 * (i / 4 + 1)) << i;
  }
}

TEST(Full, RandomProgramsHalt) {
  for (const char* full : {"x86_64-full", "arm64-full"}) {
    const auto machine = make_machine(full, 4096);
    const ProgramOptions options{.min_instructions = 10, .max_instructions = 60};
    const auto traces = test::run(*machine, test::random_starts(*machine, 3, 200, options));
    const auto count = [&](StopReason why) {
      return std::ranges::count(traces, why, &test::OwnedTrace::stop);
    };
    EXPECT_GE(count(StopReason::halted), 190) << full;
    EXPECT_EQ(count(StopReason::halted) + count(StopReason::divide_error), 200) << full;
  }
}

// Also behind instructions that do not run, and alone.
TEST(Full, WhatIsDrawnCanBeDecoded) {
  for (const char* full : {"x86_64-full", "arm64-full"}) {
    const auto machine = make_machine(full, 4096);
    const ProgramOptions options{.max_instructions = 60, .anywhere_share = 1};
    for (const auto& trace : test::run(*machine, test::random_starts(*machine, 4, 100, options)))
      EXPECT_TRUE(trace.stop == StopReason::halted || trace.stop == StopReason::divide_error) << full;
    std::vector<uint8_t> start(static_cast<size_t>(machine->layout().start_bytes()));
    NativeRandom random(1, 0);
    for (size_t operation = 0; operation < machine->operations().size(); ++operation) {
      EXPECT_TRUE(machine->isolated_start(random, operation, 0, start)) << machine->operations()[operation];
    }
  }
}

// One by one, in place, and with the translations of an earlier run: each twice in a row, thrice in all, by a machine that
// has run others, against one that has not.
TEST(Full, AProgramRunAgainHasTheSameTrace) {
  constexpr uint64_t pool = native::InstructionPool::after_instruction;
  for (const char* full : {"x86_64-full", "arm64-full"}) {
    const auto machine = make_machine(full, 65536);
    const ProgramOptions options{.min_instructions = 10, .max_instructions = 60};
    auto starts = test::random_starts(*machine, 3, 100, options);
    const auto add = [&](const std::string& program, const test::Values& values) {
      const auto start = test::start_of(*machine, program, values);
      starts.insert(starts.end(), start.begin(), start.end());
    };
    if (full == "x86_64-full"s) {
      // MOV RAX, [RBX]; MOV [RBX], RAX; JMP RBX; CALL RBX; PUSH [RBX]: of memory, and of what is none of the machine's.
      for (const auto& program : {"\x48\x8b\x03"s, "\x48\x89\x03"s, "\xff\xe3"s, "\xff\xd3"s, "\xff\x33"s}) {
        for (const uint64_t address :
             {data, data - 4, code + 4, pool, pool + 16, pool + 32, pool + 64, uint64_t{0}}) {
          add("\x90\x90" + program + "\x90\xf4", {{"RBX", address}});
        }
      }
      add("\x48\xff\xc0\xe2\xfb\xf4"s, {{"RCX", 30}});               // INC RAX; LOOP to it
      add("\xe3\x05\x48\xff\xc9\xeb\xf9\xf4"s, {{"RCX", 30}});       // JRCXZ to the end; DEC RCX; JMP back
      add("\x90\xf3\xaa\x90\xf4"s, {{"RCX", 5}, {"RDI", data}});     // REP STOSB
      add("\x6a\x07\xe8\x01\0\0\0\xf4\x90\xc2\x08\0"s, {});          // PUSH 7; CALL to RET 8
      add("\x90\x48\xf7\xf3\xf4"s, {{"RBX", 0}});                    // DIV RBX, a fault
      add("\x90\x48\xb8\x08\x07\x06\x05\x04\x03\x02\x01\xf4"s, {});  // MOV RAX, of 64 bits
      add("\x90\x48\x81\x84\xcb\0\0\0\0\x44\x33\x22\x11\xf4"s,
          {{"RBX", data}, {"RCX", 1}});  // ADD of 12 bytes
      add("\x90\x0f\x0b"s, {});          // UD2
    }
    const size_t each = machine->layout().start_bytes(), count = starts.size() / each;
    std::vector<uint8_t> doubled;
    for (size_t i = 0; i < 2 * count; ++i) {
      const auto start = std::span(starts).subspan(i / 2 * each, each);
      doubled.insert(doubled.end(), start.begin(), start.end());
    }
    const Limits limits{.steps = 300};
    std::vector<test::OwnedTrace> expected;
    for (size_t i = 0; i < count; ++i) {
      const auto fresh = make_machine(full, 65536);
      expected.push_back(test::run(*fresh, std::span(starts).subspan(i * each, each), limits).at(0));
    }
    for (int again = 0; again < 3; ++again) {
      const auto traces = test::run(*machine, doubled, limits);
      for (size_t i = 0; i < traces.size(); ++i) {
        const test::OwnedTrace& alone = expected[i / 2];
        ASSERT_EQ(traces[i].stop, alone.stop) << full << " " << i / 2 << "\n"
                                              << machine->disassemble(alone.image());
        ASSERT_EQ(traces[i].bytes, alone.bytes) << full << " " << i / 2 << "\n"
                                                << machine->disassemble(alone.image());
      }
    }
  }
}

}  // namespace
}  // namespace bytecpu
