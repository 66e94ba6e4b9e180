// thumb: a few cases of every mnemonic, as the Arm Architecture Reference Manual says.
#include <gtest/gtest.h>

#include <set>

#include "tests/emulator/native/cases.hpp"

namespace bytecpu {
namespace {

const test::Values usual = {{"R0", 0x12345678}, {"R1", 5},          {"R2", 0x9ABCDEF0}, {"R3", 0x80000001},
                            {"R4", 0x7FFFFFFF}, {"R5", 0xFFFFFFFF}, {"R6", 0},          {"R7", 0x11000}};

const auto cases = test::cases_of(R"(
lsls r0, r2, #4 | 1001 |  | NZCV=a R0=abcdef00
movs r0, r2 | 1000 | NZCV=3 | NZCV=b R0=9abcdef0
lsrs r0, r3, #1 | 5808 |  | NZCV=2 R0=40000000
lsrs r0, r3, #32 | 1808 |  | NZCV=6 R0=0
asrs r0, r3, #4 | 1811 |  | NZCV=8 R0=f8000000
asrs r0, r3, #32 | 1810 |  | NZCV=a R0=ffffffff
lsls r2, r1 | 8a40 |  | NZCV=2 R2=579bde00
lsls r2, r1 | 8a40 | R1=21 | NZCV=4 R2=0
lsrs r2, r1 | ca40 | R1=20 | NZCV=6 R2=0
asrs r2, r1 | 0a41 | R1=c8 | NZCV=a R2=ffffffff
rors r2, r1 | ca41 |  | NZCV=a R2=84d5e6f7
rors r2, r1 | ca41 | R1=40 NZCV=2 | NZCV=a
adds r0, r3, r3 | d818 |  | NZCV=3 R0=2
adds r0, r4, r5 | 6019 |  | NZCV=2 R0=7ffffffe
adds r0, r6, #7 | f01d |  | R0=7
adds r1, #255 | ff31 |  | R1=104
adds r1, #5 | 0531 |  | R1=a
subs r0, r3, r3 | d81a |  | NZCV=6 R0=0
subs r0, r4, r5 | 601b |  | NZCV=9 R0=80000000
subs r0, r6, #7 | f01f |  | NZCV=8 R0=fffffff9
subs r1, #255 | ff39 |  | NZCV=8 R1=ffffff06
subs r1, #5 | 0539 |  | NZCV=6 R1=0
movs r0, #0 | 0020 | NZCV=b | NZCV=7 R0=0
movs r0, #200 | c820 |  | R0=c8
cmp r1, #5 | 0529 |  | NZCV=6
cmp r3, r4 | a342 |  | NZCV=3
cmn r3, r3 | db42 |  | NZCV=3
tst r2, r3 | 1a42 | NZCV=3 | NZCV=b
tst r6, r3 | 1e42 |  | NZCV=4
ands r2, r3 | 1a40 | NZCV=3 | NZCV=b R2=80000000
eors r2, r3 | 5a40 | NZCV=3 | R2=1abcdef1
orrs r2, r3 | 1a43 | NZCV=3 | NZCV=b R2=9abcdef1
bics r2, r3 | 9a43 | NZCV=3 | R2=1abcdef0
adcs r4, r6 | 7441 | NZCV=2 | NZCV=9 R4=80000000
adcs r5, r6 | 7541 | NZCV=2 | NZCV=6 R5=0
sbcs r3, r6 | b341 |  | NZCV=a R3=80000000
sbcs r6, r6 | b641 | NZCV=2 | NZCV=6
rsbs r0, r3, #0 | 5842 |  | R0=7fffffff
rsbs r0, r6, #0 | 7042 |  | NZCV=6 R0=0
muls r2, r0, r2 | 4243 | NZCV=3 | R2=242d2080
mvns r0, r5 | e843 |  | NZCV=4 R0=0
mvns r0, r1 | c843 |  | NZCV=8 R0=fffffffa
sxth r0, r2 | 10b2 |  | R0=ffffdef0
sxtb r0, r2 | 50b2 |  | R0=fffffff0
uxth r0, r2 | 90b2 |  | R0=def0
uxtb r0, r2 | d0b2 |  | R0=f0
rev r0, r2 | 10ba |  | R0=f0debc9a
rev16 r0, r2 | 50ba |  | R0=bc9af0de
revsh r0, r2 | d0ba |  | R0=fffff0de
ldr r0, [r7, #4] | 7868 |  | R0=87868584 ACCESS_OFFSET=204 READ_SIZE=4
ldrh r0, [r7, #2] | 7888 |  | R0=8382 ACCESS_OFFSET=202 READ_SIZE=2
ldrb r0, [r7, #3] | f878 |  | R0=83 ACCESS_OFFSET=203 READ_SIZE=1
ldrsh r0, [r7, r6] | b85f |  | R0=ffff8180 ACCESS_OFFSET=200 READ_SIZE=2
ldrsb r0, [r7, r1] | 7856 |  | R0=ffffff85 ACCESS_OFFSET=205 READ_SIZE=1
ldr r0, [r7, r6] | b859 |  | R0=83828180 ACCESS_OFFSET=200 READ_SIZE=4
ldrh r0, [r7, r6] | b85b |  | R0=8180 ACCESS_OFFSET=200 READ_SIZE=2
ldrb r0, [r7, r1] | 785c |  | R0=85 ACCESS_OFFSET=205 READ_SIZE=1
str r2, [r7, #4] | 7a60 |  | ACCESS_OFFSET=204 WRITE_SIZE=4 WRITE_VALUE=9abcdef0
strh r2, [r7, #2] | 7a80 |  | ACCESS_OFFSET=202 WRITE_SIZE=2 WRITE_VALUE=def0
strb r2, [r7, #3] | fa70 |  | ACCESS_OFFSET=203 WRITE_SIZE=1 WRITE_VALUE=f0
str r2, [r7, r6] | ba51 |  | ACCESS_OFFSET=200 WRITE_SIZE=4 WRITE_VALUE=9abcdef0
strh r2, [r7, r6] | ba53 |  | ACCESS_OFFSET=200 WRITE_SIZE=2 WRITE_VALUE=def0
strb r2, [r7, r1] | 7a54 |  | ACCESS_OFFSET=205 WRITE_SIZE=1 WRITE_VALUE=f0
nop | 00bf | NZCV=9 | 
)");

class ThumbTest : public testing::Test {
 protected:
  std::unique_ptr<Machine> machine_ = make_machine("thumb", 1024);
};

TEST_F(ThumbTest, InstructionsDoWhatTheManualSays) {
  for (const test::Case& c : cases) test::expect_case(*machine_, c, usual, std::string_view("\0\xbe", 2));
}

TEST_F(ThumbTest, BranchesFollowTheirConditionForAllFlags) {
  const std::vector<std::pair<std::string, bool (*)(bool, bool, bool, bool)>> conditions = {
      {"beq", [](bool, bool z, bool, bool) { return z; }},
      {"bne", [](bool, bool z, bool, bool) { return !z; }},
      {"bhs", [](bool, bool, bool c, bool) { return c; }},
      {"blo", [](bool, bool, bool c, bool) { return !c; }},
      {"bmi", [](bool n, bool, bool, bool) { return n; }},
      {"bpl", [](bool n, bool, bool, bool) { return !n; }},
      {"bvs", [](bool, bool, bool, bool v) { return v; }},
      {"bvc", [](bool, bool, bool, bool v) { return !v; }},
      {"bhi", [](bool, bool z, bool c, bool) { return c && !z; }},
      {"bls", [](bool, bool z, bool c, bool) { return !c || z; }},
      {"bge", [](bool n, bool, bool, bool v) { return n == v; }},
      {"blt", [](bool n, bool, bool, bool v) { return n != v; }},
      {"bgt", [](bool n, bool z, bool, bool v) { return !z && n == v; }},
      {"ble", [](bool n, bool z, bool, bool v) { return z || n != v; }}};
  for (size_t cc = 0; cc < conditions.size(); ++cc) {
    for (uint32_t nzcv = 0; nzcv < 16; ++nzcv) {
      // Bcc over two instructions of which the first sets R0.
      const std::string code = {0, static_cast<char>(0xD0 | cc), 1, 0x20, 0, static_cast<char>(0xBF)};
      const auto trace = test::run_code(*machine_, code, {{"NZCV", nzcv}});
      const bool taken = conditions[cc].second(nzcv & 8, nzcv & 4, nzcv & 2, nzcv & 1);
      EXPECT_EQ(trace.get(trace.count() - 1, "R0"), !taken) << conditions[cc].first << ' ' << nzcv;
      EXPECT_EQ(machine_->describe(trace.record(1)).name, conditions[cc].first);
    }
  }
}

// An IT, which is left out, makes the instructions behind it conditional. What is described next is none of them.
TEST_F(ThumbTest, AnItDoesNotChangeWhatIsDescribedNext) {
  std::vector<uint8_t> record(static_cast<size_t>(machine_->layout().record_bytes));
  const auto text_of = [&](uint64_t instruction) {
    test::set(machine_->layout(), record, "INSN", instruction);
    return machine_->describe(record).text;
  };
  for (const uint64_t it : {0xBF08, 0xBF05}) {  // of one instruction, and of four
    EXPECT_EQ(text_of(it).substr(0, 2), "it");
    EXPECT_EQ(text_of(0x0A04), "lsrs r4, r0, #8");
  }
}

TEST_F(ThumbTest, EveryOperationHasACase) {
  std::set<std::string> covered = {"b"};
  for (const test::Case& c : cases) covered.insert(c.mnemonic());
  for (const auto operation : machine_->operations()) {
    const bool conditional = operation.size() == 3 && operation.starts_with('b') && operation != "bic";
    EXPECT_TRUE(conditional || covered.contains(std::string(operation))) << operation;
  }
}

}  // namespace
}  // namespace bytecpu
