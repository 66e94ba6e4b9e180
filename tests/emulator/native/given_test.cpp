// Given programs: what is refused when they are loaded, what stops them where they leave their code.
#include <gtest/gtest.h>

#include "tests/emulator/native/elf_file.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

std::string words(std::initializer_list<uint32_t> words) {
  return {reinterpret_cast<const char*>(words.begin()), 4 * words.size()};
}

// The refusal of a program, or nothing.
std::string refusal(const Machine& machine, const std::string& program, std::string_view function = {}) {
  try {
    machine.load_program(program, "file", function);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

StopReason stop_of(Machine& machine, const std::string& program, std::string_view function = {},
                   const test::Values& values = {}) {
  auto start = machine.load_program(program, "file", function);
  auto state = machine.first_state();
  for (const auto& [name, value] : values) test::set(machine.layout(), state, name, value);
  start.insert(start.end(), state.begin(), state.end());
  return test::run(machine, start, {.steps = 100}).at(0).stop;
}

struct Kind {
  const char* machine;
  uint16_t elf;
  std::string nop, ret, halt, filler;
  std::string forward_4;  // a jump over 4 bytes behind it
  std::string call_16;    // a call to what lies 16 bytes from its start
  std::string jump_16;
  std::vector<std::string> reads_16;  // what holds the address 16 bytes from its start
};
std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.machine; }

const Kind kinds[] = {
    {"x86_64",
     EM_X86_64,
     "\x90"s,
     "\xc3"s,
     "\xf4"s,
     "\xcc"s,
     "\xeb\x04"s,
     "\xe8\x0b\0\0\0"s,
     "\xeb\x0e"s,
     {"\x8b\x05\x0a\0\0\0"s /* MOV EAX, [RIP + 10] */, "\x48\x8d\x05\x09\0\0\0"s /* LEA */,
      "\xc7\x05\x06\0\0\0\1\0\0\0"s /* MOV [RIP + 6], 1 */, "\x0f\xbe\x05\x09\0\0\0"s /* MOVSX */}},
    {"arm64",
     EM_AARCH64,
     words({0xD503201F}),
     words({0xD65F03C0}),
     words({0xD4400000}),
     words({0}),
     words({0x14000002}),
     words({0x94000004}),
     words({0x14000004}),
     {words({0x10000080}) /* ADR */, words({0x18000080}) /* LDR W0 */, words({0x58000080}) /* LDR X0 */,
      words({0x98000080}) /* LDRSW */}},
};

class GivenTest : public testing::TestWithParam<Kind> {
 protected:
  const Kind& kind() const { return GetParam(); }
  // `head`, NOPs, at 8 RET, NOPs; two of them are the functions f and g of 16 bytes each.
  std::string object(const std::string& head, uint16_t type = ET_REL, uint64_t address = 0) const {
    std::string body = head;
    while (body.size() < 12) body += kind().nop;
    body = body.substr(0, 12) + kind().ret;
    while (body.size() < 16) body += kind().nop;
    return test::ElfFile{kind().elf, type, address, body + body, "12345678", {{"f", 0, 16}, {"g", 16, 16}}}
        .bytes();
  }
  std::unique_ptr<Machine> machine_ = make_machine(GetParam().machine, 1024);
};

INSTANTIATE_TEST_SUITE_P(Machines, GivenTest, testing::ValuesIn(kinds),
                         [](const auto& param) { return param.param.machine; });

TEST_P(GivenTest, AFunctionThatStandsAloneRuns) {
  for (const auto& head : {""s, kind().forward_4}) {
    EXPECT_EQ(stop_of(*machine_, object(head), "f"), StopReason::halted);
    EXPECT_EQ(stop_of(*machine_, object(head, ET_DYN, 0x1000), "f"), StopReason::halted);
  }
}

TEST_P(GivenTest, ABranchOutOfAFunctionIsRefusedByName) {
  for (const auto& head : {kind().call_16, kind().jump_16}) {
    for (const auto& file : {object(head), object(head, ET_DYN, 0x1000), object(head, ET_EXEC, 0x400000)}) {
      EXPECT_NE(refusal(*machine_, file, "f").find("leads to g, outside of it"), std::string::npos)
          << refusal(*machine_, file, "f");
      EXPECT_NE(refusal(*machine_, file, "g").find("at +0x0 leads to"), std::string::npos);
    }
  }
}

TEST_P(GivenTest, AnAddressOutsideOfAFunctionIsRefusedByName) {
  for (const auto& head : kind().reads_16) {
    EXPECT_NE(refusal(*machine_, object(head), "f").find("refers to g, outside of it"), std::string::npos)
        << refusal(*machine_, object(head), "f");
    const auto linked = refusal(*machine_, object(head, ET_DYN, 0x1000), "g");
    EXPECT_NE(linked.find("refers to table, outside of it"), std::string::npos) << linked;
  }
}

TEST_P(GivenTest, CodeThatEndsInsideAnInstructionIsRefused) {
  const auto cut = kind().call_16.substr(0, 3);
  EXPECT_NE(refusal(*machine_, cut).find("ends inside of an instruction, at +0x0"), std::string::npos);
  EXPECT_NE(refusal(*machine_, kind().nop + cut).find("ends inside"), std::string::npos);
  const test::ElfFile file{kind().elf, ET_REL, 0, kind().call_16 + "\0\0\0\0"s, {}, {{"f", 0, 3}}};
  EXPECT_NE(refusal(*machine_, file.bytes(), "f").find("ends inside"), std::string::npos);
  // What no branch leads to may be data.
  EXPECT_EQ(refusal(*machine_, kind().halt + cut), "");
  EXPECT_EQ(refusal(*machine_, kind().ret + cut), "");
}

TEST_P(GivenTest, AProgramHaltsAtItsEndAndNowhereBehindIt) {
  EXPECT_EQ(stop_of(*machine_, kind().nop), StopReason::halted);
  EXPECT_EQ(stop_of(*machine_, kind().ret), StopReason::halted);
  EXPECT_EQ(stop_of(*machine_, kind().jump_16), StopReason::illegal_instruction);
  EXPECT_EQ(stop_of(*machine_, kind().call_16), StopReason::illegal_instruction);
  const auto image = machine_->load_program(kind().nop, "file");
  const uint64_t unit = kind().halt.size();
  for (uint64_t at = unit; at < 512; at += unit) {
    const bool halts = at == unit || at + unit == 512;
    EXPECT_EQ(stop_of(*machine_, kind().nop, {}, {{"PC", at}}),
              halts ? StopReason::halted : StopReason::illegal_instruction)
        << at;
  }
}

TEST_P(GivenTest, AFunctionDoesNotHaltAtItsEnd) {
  const test::ElfFile file{kind().elf, ET_REL, 0, kind().call_16 + "\0\0\0\0"s, {}, {{"f", 0, 0}}};
  auto falls = file;
  falls.code = kind().nop;
  while (falls.code.size() < 8) falls.code += kind().nop;
  falls.functions[0].bytes = 8;
  EXPECT_EQ(stop_of(*machine_, falls.bytes(), "f"), StopReason::illegal_instruction);
}

TEST_P(GivenTest, TheListingHoldsTheProgramAndNotWhatLiesBehindIt) {
  const auto lines = [&](const std::string& program, std::string_view function = {}) {
    const auto text = machine_->disassemble(machine_->load_program(program, "file", function));
    // But for the line of the data that holds the return address.
    return std::ranges::count(text, '\n') - (kind().elf == EM_X86_64);
  };
  // One more, at the code's end: where a return leads.
  EXPECT_EQ(lines(kind().nop + kind().nop), 3 + 1);
  EXPECT_EQ(lines(kind().nop + kind().halt), 3 + 1);
  EXPECT_EQ(lines(object(""), "f"), (kind().elf == EM_X86_64 ? 16 : 4) + 1);
}

TEST_P(GivenTest, EveryStateHasItsLine) {
  for (const auto& program : {kind().nop + kind().ret, kind().nop + kind().halt, kind().nop}) {
    const auto trace = test::run_code(*machine_, program);
    std::vector<size_t> lines;
    for (size_t t = 1; t < trace.count(); ++t) {
      const auto line = machine_->instruction_line(trace.image(), trace.record(t));
      ASSERT_TRUE(line) << t;
      lines.push_back(*line);
    }
    EXPECT_EQ(lines.size(), program == kind().nop + kind().ret ? 3u : 2u);
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], lines.size() == 3 && i == 2 ? 3 : i);
  }
}

TEST(GivenX86Test, AnInstructionThatIsNotIncludedIsListedInStep) {
  const auto machine = make_machine("x86_64", 1024);
  // MOV EAX, 1; REP STOSB; MOV QWORD PTR [RSI + 0x100], 5; INC EAX
  const auto program = "\xb8\x01\0\0\0\xf3\xaa\x48\xc7\x86\0\1\0\0\5\0\0\0\xff\xc0"s;
  const auto image = machine->load_program(program, "file");
  const auto text = machine->disassemble(image);
  EXPECT_NE(text.find("rep stosb byte ptr [rdi], al  ; not included\n"), std::string::npos) << text;
  EXPECT_NE(text.find("mov qword ptr [rsi + 0x100], 5  ; not included\n"), std::string::npos) << text;
  EXPECT_NE(text.find("inc eax\n"), std::string::npos) << text;
  const auto trace = test::run_code(*machine, program);
  EXPECT_EQ(machine->instruction_line(image, trace.record(2)), 1u);
  const auto stopped = machine->describe(trace.record(2));
  EXPECT_EQ(stopped.text, "rep stosb byte ptr [rdi], al: not in the table of x86_64: x86_64-full has it");
  EXPECT_EQ(stopped.operation, -1);
  for (const std::string_view word : {stopped.name, stopped.group, std::string_view(stopped.form)}) {
    EXPECT_EQ(word, "???");
  }
  const auto text_of = [&](const std::string& code) {
    return machine->describe(test::run_code(*machine, code).record(1)).text;
  };
  EXPECT_EQ(text_of("\x48\xc7\x86\0\1\0\0\5\0\0\0"s), "mov …: 11 bytes, of which a record holds 9");
  EXPECT_EQ(text_of("\xeb\x40"s), "jmp 0x42");
  const auto behind = test::run_code(*machine, "\xeb\x40"s);
  EXPECT_EQ(machine->describe(behind.record(2)).text, "int3: what lies behind a program");
}

// Such as 64-bit constants. A record has the first nine bytes.
TEST(GivenX86Test, InstructionsOfTenBytesRun) {
  const auto machine = make_machine("x86_64", 1024);
  const auto movabs = "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11"s;  // MOVABS RAX, 0x1122334455667788
  for (int again = 0; again < 3; ++again) {
    const auto trace = test::run_code(*machine, movabs + "\x48\x0f\xc8"s);  // BSWAP RAX
    EXPECT_EQ(trace.stop, StopReason::halted);
    ASSERT_EQ(trace.count(), 4u);
    EXPECT_EQ(trace.get(2, "PC"), 10u);
    EXPECT_EQ(trace.get(3, "EAX"), 0x44332211u);
    const auto insn = trace.record(1).subspan(test::field(trace.layout, "INSN").offset, 9);
    EXPECT_EQ(std::memcmp(insn.data(), movabs.data(), 9), 0);
    EXPECT_EQ(trace.get(1, "ACCESS_OFFSET"), 0u);  // the field behind it
    const auto described = machine->describe(trace.record(1));
    EXPECT_EQ(described.name, "movabs");
    EXPECT_EQ(described.text, "movabs …: 10 bytes, of which a record holds 9");
    EXPECT_EQ(machine->instruction_line(trace.image(), trace.record(1)), 0u);
    EXPECT_EQ(machine->instruction_line(trace.image(), trace.record(2)), 1u);
  }
}

// As assemblers pad with them: of every length, the first bytes in the record where it is longer.
TEST(GivenX86Test, LongNopsRun) {
  const auto machine = make_machine("x86_64", 1024);
  const auto nop = "\x2e\x0f\x1f\x84\0\0\0\0\0"s;
  for (size_t prefixes = 0; prefixes <= 6; ++prefixes) {
    for (const auto& padding :
         {std::string(prefixes, '\x66') + nop, std::string(prefixes + 1, '\x66') + '\x90'}) {
      // Twice, so that it runs alone and in place.
      for (int again = 0; again < 3; ++again) {
        const auto trace = test::run_code(*machine, "\xff\xc0"s + padding + "\xff\xc0"s);
        EXPECT_EQ(trace.stop, StopReason::halted);
        ASSERT_EQ(trace.count(), 5u);
        EXPECT_EQ(trace.get(2, "PC"), 2u);
        EXPECT_EQ(trace.get(3, "PC"), 2 + padding.size());
        EXPECT_EQ(trace.get(4, "EAX"), 2u);
        EXPECT_EQ(machine->describe(trace.record(2)).group, "nop");
        EXPECT_EQ(machine->instruction_line(trace.image(), trace.record(2)), 1u);
        const auto insn = trace.record(2).subspan(test::field(trace.layout, "INSN").offset, 9);
        const auto held = std::min<size_t>(9, padding.size());
        EXPECT_EQ(std::memcmp(insn.data(), padding.data(), held), 0);
      }
    }
  }
  const auto longest = std::string(7, '\x66') + nop;
  EXPECT_EQ(test::run_code(*machine, longest).stop, StopReason::illegal_instruction);
}

TEST(GivenArm64Test, HintsOfBranchTargetsAndPointerAuthenticationDoNothing) {
  const auto machine = make_machine("arm64", 1024);
  for (const uint32_t hint : {0, 7, 8, 10, 12, 14, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 36, 38}) {
    const auto trace = test::run_code(*machine, words({0xD503201F | hint << 5, 0xD65F03C0}), {{"W0", 7}});
    EXPECT_EQ(trace.stop, StopReason::halted) << hint;
    ASSERT_EQ(trace.count(), 4u) << hint;
    for (const auto* name : {"W0", "W1", "LR", "SP", "NZCV"})
      EXPECT_EQ(trace.get(2, name), trace.get(1, name));
    EXPECT_EQ(machine->describe(trace.record(1)).group, "nop");
  }
  for (const uint32_t hint : {2, 3, 16}) {  // WFE, WFI, ESB
    EXPECT_EQ(test::run_code(*machine, words({0xD503201F | hint << 5})).stop,
              StopReason::illegal_instruction);
  }
}

TEST(GivenX86Test, WhatTheEngineDoesOtherwiseThanTheProcessorIsRefused) {
  const auto machine = make_machine("x86_64", 1024);
  EXPECT_NE(refusal(*machine, "\x0f\xb1\xc8"s).find("cmpxchg at +0x0: the upper half of RAX"),
            std::string::npos);
  EXPECT_EQ(refusal(*machine, "\x48\x0f\xb1\xc8"s), "");
  // SHLD, SHRD of memory by a number and by CL; of registers they run.
  for (const auto& code : {"\x0f\xa4\x06\x01"s, "\x0f\xac\x06\x01"s, "\x0f\xa5\x06"s, "\x0f\xad\x06"s}) {
    EXPECT_EQ(test::run_code(*machine, code, {{"ESI", 0x11000}}).stop, StopReason::illegal_instruction);
  }
  EXPECT_EQ(test::run_code(*machine, "\x0f\xa4\xd8\x01"s).stop, StopReason::halted);
}

TEST(GivenX86Test, AnAddressOfALinkedFileIsRefused) {
  const auto machine = make_machine("x86_64", 1024);
  // MOV EAX, [RDI * 4 + table]; RET
  const auto code = "\x8b\x04\xbd\x10\0\x40\0\xc3"s;
  const auto file = [&](uint16_t type, uint64_t address) {
    return test::ElfFile{EM_X86_64, type, address, code + code, "12345678", {{"f", 0, 8}}}.bytes();
  };
  EXPECT_NE(refusal(*machine, file(ET_EXEC, 0x400000), "f").find("refers to table"), std::string::npos);
  EXPECT_EQ(refusal(*machine, file(ET_EXEC, 0x500000), "f"), "");
  EXPECT_EQ(refusal(*machine, file(ET_DYN, 0x1000), "f"), "");
}

TEST(GivenArm64Test, APageOutsideOfAFunctionIsRefused) {
  const auto machine = make_machine("arm64", 1024);
  const test::ElfFile file{EM_AARCH64, ET_DYN,       0x1000, words({0xB0000000 /* ADRP */, 0xD65F03C0}),
                           {},         {{"f", 0, 8}}};
  EXPECT_NE(refusal(*machine, file.bytes(), "f").find("adrp at +0x0 refers to +0x1000"), std::string::npos);
}

TEST(GivenArm64Test, AJumpToAnAddressThatIsNoMultipleOf4IsAFault) {
  const auto machine = make_machine("arm64", 1024);
  // ADR X0, .+12; BR X0 or BLR X0; NOP; NOP
  for (const uint32_t jump : {0xD61F0000u, 0xD63F0000u, 0xD65F0000u}) {
    for (const uint32_t low : {0u, 1u, 2u, 3u}) {
      const auto code = words({0x10000060u | low << 29, jump, 0xD503201F, 0xD503201F, 0xD503201F});
      const auto trace = test::run_code(*machine, code);
      EXPECT_EQ(trace.stop, low ? StopReason::memory_fault : StopReason::halted);
      EXPECT_EQ(trace.count(), low ? 3u : 6u);
    }
  }
}

TEST(GivenFileTest, AFileOfAnotherMachineOrWithoutFunctionsIsRefusedInWords) {
  const auto machine = make_machine("x86_64", 1024);
  const test::ElfFile other{EM_AARCH64, ET_REL, 0, "\0\0\0\0\0\0\0\0"s, {}, {{"f", 0, 8}}};
  EXPECT_EQ(refusal(*machine, other.bytes(), "f"), "file: an ELF file for AArch64, not x86-64");
  const test::ElfFile empty{EM_X86_64, ET_REL, 0, "\0\0\0\0\0\0\0\0"s, {}, {}};
  EXPECT_EQ(refusal(*machine, empty.bytes(), "f"), "file: it names no function");
}

}  // namespace
}  // namespace bytecpu
