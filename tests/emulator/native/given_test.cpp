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
  EXPECT_EQ(lines(kind().nop + kind().nop), 3);
  EXPECT_EQ(lines(kind().nop + kind().halt), 3);
  EXPECT_EQ(lines(object(""), "f"), kind().elf == EM_X86_64 ? 16 : 4);
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
