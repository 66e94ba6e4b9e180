// x86_64: a few cases of every mnemonic, recorded on a processor. Flags that the manual leaves undefined are
// as Unicorn leaves them: datasets hold them too, so another release that differs is to be noticed.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tests/emulator/native/cases.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

const test::Values usual = {{"EAX", 0x12345678}, {"ECX", 5},          {"EDX", 0x9ABCDEF0},
                            {"EBX", 0x80000001}, {"EBP", 0x7FFFFFFF}, {"ESI", 0x11000},
                            {"EDI", 3},          {"R8D", 0xFFFFFFFF}, {"R9D", 0}};

const auto cases = test::cases_of(R"(
add eax, ebx | 01d8 | FLAGS=1 | FLAGS=80 EAX=92345679
add dword ptr [rsi + 4], ebp | 016e04 | FLAGS=41 | FLAGS=1 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=7868583
add r8d, -1 | 4183c0ff |  | FLAGS=81 R8D=fffffffe
add ah, bl | 00dc | FLAGS=1 | FLAGS=0 EAX=12345778
or eax, ebx | 09d8 | FLAGS=1 | FLAGS=80 EAX=92345679
or dword ptr [rsi + 4], ebp | 096e04 | FLAGS=41 | FLAGS=84 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=ffffffff
or r8d, -1 | 4183c8ff |  | FLAGS=84
or ah, bl | 08dc | FLAGS=1 | FLAGS=0 EAX=12345778
adc eax, ebx | 11d8 | FLAGS=1 | FLAGS=80 EAX=9234567a
adc dword ptr [rsi + 4], ebp | 116e04 | FLAGS=41 | FLAGS=5 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=7868584
adc r8d, -1 | 4183d0ff |  | FLAGS=81 R8D=fffffffe
adc ah, bl | 10dc | FLAGS=1 | FLAGS=0 EAX=12345878
sbb eax, ebx | 19d8 | FLAGS=1 | FLAGS=89 EAX=92345676
sbb dword ptr [rsi + 4], ebp | 196e04 | FLAGS=41 | FLAGS=c ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=7868584
sbb r8d, -1 | 4183d8ff |  | FLAGS=44 R8D=0
sbb ah, bl | 18dc | FLAGS=1 | FLAGS=0 EAX=12345478
and eax, ebx | 21d8 | FLAGS=1 | FLAGS=44 EAX=0
and dword ptr [rsi + 4], ebp | 216e04 | FLAGS=41 | FLAGS=4 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=7868584
and r8d, -1 | 4183e0ff |  | FLAGS=84
and ah, bl | 20dc | FLAGS=1 | FLAGS=44 EAX=12340078
sub eax, ebx | 29d8 | FLAGS=1 | FLAGS=8d EAX=92345677
sub dword ptr [rsi + 4], ebp | 296e04 | FLAGS=41 | FLAGS=8 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=7868585
sub r8d, -1 | 4183e8ff |  | FLAGS=44 R8D=0
sub ah, bl | 28dc | FLAGS=1 | FLAGS=4 EAX=12345578
xor eax, ebx | 31d8 | FLAGS=1 | FLAGS=80 EAX=92345679
xor dword ptr [rsi + 4], ebp | 316e04 | FLAGS=41 | FLAGS=84 ACCESS_OFFSET=204 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=f8797a7b
xor r8d, -1 | 4183f0ff |  | FLAGS=44 R8D=0
xor ah, bl | 30dc | FLAGS=1 | FLAGS=0 EAX=12345778
cmp eax, ebx | 39d8 | FLAGS=1 | FLAGS=8d
cmp dword ptr [rsi + 4], ebp | 396e04 | FLAGS=41 | FLAGS=8 ACCESS_OFFSET=204 READ_SIZE=4
cmp r8d, -1 | 4183f8ff |  | FLAGS=44
cmp ah, bl | 38dc | FLAGS=1 | FLAGS=4
test eax, ebx | 85d8 | FLAGS=9 | FLAGS=44
test byte ptr [rsi], 0x80 | f60680 |  | FLAGS=80 ACCESS_OFFSET=200 READ_SIZE=1
test r8d, r8d | 4585c0 | R8D=0 | FLAGS=44
mov edi, r8d | 4489c7 |  | EDI=ffffffff
mov ax, 0x1234 | 66b83412 |  | EAX=12341234
mov byte ptr [rsi + 3], ch | 886e03 | ECX=4433 | ACCESS_OFFSET=203 WRITE_SIZE=1 WRITE_VALUE=44
mov rdx, qword ptr [rsi + 8] | 488b5608 |  | EDX=8b8a8988 ACCESS_OFFSET=208 READ_SIZE=8
mov qword ptr [rsi + 16], -2 | 48c74610feffffff |  | ACCESS_OFFSET=210 WRITE_SIZE=8 WRITE_VALUE=fffffffffffffffe
movzx eax, byte ptr [rsi] | 0fb606 |  | EAX=80 ACCESS_OFFSET=200 READ_SIZE=1
movzx edi, dx | 0fb7fa |  | EDI=def0
movsx eax, byte ptr [rsi] | 0fbe06 |  | EAX=ffffff80 ACCESS_OFFSET=200 READ_SIZE=1
movsx edi, dx | 0fbffa |  | EDI=ffffdef0
lea eax, [rsi + rdi*4 - 7] | 8d44bef9 |  | EAX=11005
lea ecx, [rip + 16] | 8d0d10000000 |  | ECX=10016
xchg eax, edx | 92 |  | EAX=9abcdef0 EDX=12345678
xchg cl, ah | 86e1 |  | EAX=12340578 ECX=56
bswap edx | 0fca |  | EDX=f0debc9a
inc ebp | ffc5 | FLAGS=1 | FLAGS=8d EBP=80000000
inc r9d | 41ffc1 | FLAGS=1 | R9D=1
inc byte ptr [rsi] | fe06 |  | FLAGS=84 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=81
dec ebp | ffcd | FLAGS=1 | EBP=7ffffffe
dec r9d | 41ffc9 | FLAGS=1 | FLAGS=85 R9D=ffffffff
dec byte ptr [rsi] | fe0e |  | FLAGS=8 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=7f
not edx | f7d2 | FLAGS=81 | EDX=6543210f
neg eax | f7d8 |  | FLAGS=85 EAX=edcba988
neg r9d | 41f7d9 |  | FLAGS=44
neg ebx | f7db |  | FLAGS=5 EBX=7fffffff
not word ptr [rsi] | 66f716 |  | ACCESS_OFFSET=200 READ_SIZE=2 WRITE_SIZE=2 WRITE_VALUE=7e7f
mul r8d | 41f7e0 |  | FLAGS=8d EAX=edcba988 EDX=12345677
mul byte ptr [rsi] | f626 |  | FLAGS=4d EAX=12343c00 ACCESS_OFFSET=200 READ_SIZE=1
imul r8d | 41f7e8 |  | FLAGS=84 EAX=edcba988 EDX=ffffffff
imul edx, ebx | 0fafd3 |  | FLAGS=8d
imul edi, dword ptr [rsi], 3 | 6b3e03 |  | FLAGS=89 EDI=8a878480 ACCESS_OFFSET=200 READ_SIZE=4
div edi | f7f7 | EDX=0 | EAX=6117228
div ebx | f7f3 | EDX=7 | EAX=e EDX=1234566a
div cl | f6f1 | EAX=123 | EAX=13a
idiv edi | f7ff | EDX=ffffffff EAX=fffffff9 | EAX=fffffffe
idiv word ptr [rsi] | 66f73e | EDX=0 | EAX=12340000 EDX=5678 ACCESS_OFFSET=200 READ_SIZE=2
rol edx, 1 | d1c2 | FLAGS=1 | FLAGS=9 EDX=3579bde1
rol edx, cl | d3c2 |  | FLAGS=9 EDX=579bde13
rol ebx, 31 | c1c31f |  | FLAGS=8 EBX=c0000000
rol byte ptr [rsi], 1 | d006 |  | FLAGS=9 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=1
rol eax, cl | d3c0 | ECX=20 FLAGS=9 | 
ror edx, 1 | d1ca | FLAGS=1 | FLAGS=8 EDX=4d5e6f78
ror edx, cl | d3ca |  | FLAGS=9 EDX=84d5e6f7
ror ebx, 31 | c1cb1f |  | EBX=3
ror byte ptr [rsi], 1 | d00e |  | FLAGS=8 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=40
ror eax, cl | d3c8 | ECX=20 FLAGS=9 | 
rcl edx, 1 | d1d2 | FLAGS=1 | FLAGS=9 EDX=3579bde1
rcl edx, cl | d3d2 |  | FLAGS=9 EDX=579bde09
rcl ebx, 31 | c1d31f |  | EBX=a0000000
rcl byte ptr [rsi], 1 | d016 |  | FLAGS=9 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1
rcl eax, cl | d3d0 | ECX=20 FLAGS=9 | 
rcr edx, 1 | d1da | FLAGS=1 | FLAGS=0 EDX=cd5e6f78
rcr edx, cl | d3da |  | FLAGS=9 EDX=4d5e6f7
rcr ebx, 31 | c1db1f |  | FLAGS=8 EBX=5
rcr byte ptr [rsi], 1 | d01e |  | FLAGS=8 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=40
rcr eax, cl | d3d8 | ECX=20 FLAGS=9 | 
shl edx, 1 | d1e2 | FLAGS=1 | FLAGS=9 EDX=3579bde0
shl edx, cl | d3e2 |  | FLAGS=d EDX=579bde00
shl ebx, 31 | c1e31f |  | FLAGS=8c EBX=80000000
shl byte ptr [rsi], 1 | d026 |  | FLAGS=4d ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1
shl eax, cl | d3e0 | ECX=20 FLAGS=9 | 
shr edx, 1 | d1ea | FLAGS=1 | FLAGS=c EDX=4d5e6f78
shr edx, cl | d3ea |  | FLAGS=1 EDX=4d5e6f7
shr ebx, 31 | c1eb1f |  | EBX=1
shr byte ptr [rsi], 1 | d02e |  | FLAGS=8 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=40
shr eax, cl | d3e8 | ECX=20 FLAGS=9 | 
sar edx, 1 | d1fa | FLAGS=1 | FLAGS=84 EDX=cd5e6f78
sar edx, cl | d3fa |  | FLAGS=81 EDX=fcd5e6f7
sar ebx, 31 | c1fb1f |  | FLAGS=84 EBX=ffffffff
sar byte ptr [rsi], 1 | d03e |  | FLAGS=84 ACCESS_OFFSET=200 READ_SIZE=1 WRITE_SIZE=1 WRITE_VALUE=c0
sar eax, cl | d3f8 | ECX=20 FLAGS=9 | 
shld edx, eax, 1 | 0fa4c201 |  | FLAGS=9 EDX=3579bde0
shld edx, eax, cl | 0fa5c2 |  | FLAGS=9 EDX=579bde02
shld edx, eax, cl | 0fa5c2 | ECX=40 FLAGS=40 | 
shrd edx, eax, 1 | 0facc201 |  | FLAGS=c EDX=4d5e6f78
shrd edx, eax, cl | 0fadc2 |  | FLAGS=81 EDX=c4d5e6f7
shrd edx, eax, cl | 0fadc2 | ECX=40 FLAGS=40 | 
bsf ecx, eax | 0fbcc8 |  | FLAGS=4 ECX=3
bsf ecx, dword ptr [rsi] | 0fbc0e |  | FLAGS=80 ECX=7 ACCESS_OFFSET=200 READ_SIZE=4
bsr ecx, eax | 0fbdc8 |  | FLAGS=4 ECX=1c
bsr ecx, dword ptr [rsi] | 0fbd0e |  | FLAGS=80 ECX=1f ACCESS_OFFSET=200 READ_SIZE=4
tzcnt ecx, eax | f30fbcc8 |  | ECX=3
tzcnt ecx, dword ptr [rsi] | f30fbc0e |  | ECX=7 ACCESS_OFFSET=200 READ_SIZE=4
tzcnt ecx, r9d | f3410fbcc9 |  | FLAGS=1 ECX=20
tzcnt ecx, ebx | f30fbccb |  | FLAGS=40 ECX=0
tzcnt ecx, r8d | f3410fbcc8 |  | FLAGS=40 ECX=0
tzcnt cx, r9w | 66f3410fbcc9 |  | FLAGS=1 ECX=10
lzcnt ecx, eax | f30fbdc8 |  | ECX=3
lzcnt ecx, dword ptr [rsi] | f30fbd0e |  | FLAGS=40 ECX=0 ACCESS_OFFSET=200 READ_SIZE=4
lzcnt ecx, r9d | f3410fbdc9 |  | FLAGS=1 ECX=20
lzcnt ecx, ebx | f30fbdcb |  | FLAGS=40 ECX=0
lzcnt ecx, r8d | f3410fbdc8 |  | FLAGS=40 ECX=0
lzcnt cx, r9w | 66f3410fbdc9 |  | FLAGS=1 ECX=10
xadd eax, ebx | 0fc1d8 |  | FLAGS=80 EAX=92345679 EBX=12345678
xadd dword ptr [rsi], ebp | 0fc12e |  | FLAGS=1 EBP=83828180 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=382817f
cmpxchg dword ptr [rsi], edi | 0fb13e | EAX=83828180 | FLAGS=44 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=3
cmpxchg dword ptr [rsi], edi | 0fb13e |  | FLAGS=89 EAX=83828180 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=83828180
cmpxchg ecx, edi | 0fb1f9 | EAX=5 | FLAGS=44 ECX=3
cmpxchg cl, bl | 0fb0d9 |  | EAX=12345605
cwde | 98 | EAX=8000 | EAX=ffff8000
cdq | 99 | EAX=80000000 | EDX=ffffffff
cbw | 6698 | EAX=80 | EAX=ff80
cdqe | 4898 | EAX=80000000 | 
cwd | 6699 | EAX=8000 | EDX=9abcffff
cqo | 4899 | EAX=80000000 | EDX=0
cmc | f5 |  | FLAGS=1
cmc | f5 | FLAGS=9 | FLAGS=8
clc | f8 | FLAGS=cd | FLAGS=cc
stc | f9 |  | FLAGS=1
nop | 90 | FLAGS=84 | 
endbr64 | f30f1efa |  | 
push rdx | 52 |  | ESP=111f0 ACCESS_OFFSET=3f0 WRITE_SIZE=8 WRITE_VALUE=9abcdef0
push -3 | 6afd |  | ESP=111f0 ACCESS_OFFSET=3f0 WRITE_SIZE=8 WRITE_VALUE=fffffffffffffffd
pop rdx | 5a |  | EDX=0 ESP=11200 ACCESS_OFFSET=3f8 READ_SIZE=8
leave | c9 | EBP=11008 | ESP=11010 EBP=8b8a8988 ACCESS_OFFSET=208 READ_SIZE=8
bt eax, ecx | 0fa3c8 |  | FLAGS=1
bt eax, 35 | 0fbae023 |  | FLAGS=1
bt dword ptr [rsi], 7 | 0fba2607 |  | FLAGS=1 ACCESS_OFFSET=200 READ_SIZE=4
bts eax, ecx | 0fabc8 |  | FLAGS=1
bts eax, 35 | 0fbae823 |  | FLAGS=1
bts dword ptr [rsi], 7 | 0fba2e07 |  | FLAGS=1 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=83828180
btr eax, ecx | 0fb3c8 |  | FLAGS=1 EAX=12345658
btr eax, 35 | 0fbaf023 |  | FLAGS=1 EAX=12345670
btr dword ptr [rsi], 7 | 0fba3607 |  | FLAGS=1 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=83828100
btc eax, ecx | 0fbbc8 |  | FLAGS=1 EAX=12345658
btc eax, 35 | 0fbaf823 |  | FLAGS=1 EAX=12345670
btc dword ptr [rsi], 7 | 0fba3e07 |  | FLAGS=1 ACCESS_OFFSET=200 READ_SIZE=4 WRITE_SIZE=4 WRITE_VALUE=83828100
movabs rdx, 0x1122334455667788 | 48ba8877665544332211 |  | EDX=55667788
movsxd rdx, ebx | 4863d3 |  | EDX=80000001
)");

class X86_64CasesTest : public testing::Test {
 protected:
  std::unique_ptr<Machine> machine_ = make_machine("x86_64", 1024);
};

TEST_F(X86_64CasesTest, InstructionsDoWhatTheProcessorDoes) {
  for (const test::Case& c : cases) test::expect_case(*machine_, c, usual, "\xf4");
}

// In the order of their codes; the second of each pair is the contrary.
TEST_F(X86_64CasesTest, ConditionsFollowTheFlags) {
  struct Flags {
    bool c, p, o, z, s;
  };
  using Condition = bool (*)(const Flags&);
  const std::vector<std::pair<std::array<const char*, 2>, Condition>> conditions = {
      {{"o", "no"}, [](const Flags& f) { return f.o; }},
      {{"b", "ae"}, [](const Flags& f) { return f.c; }},
      {{"e", "ne"}, [](const Flags& f) { return f.z; }},
      {{"be", "a"}, [](const Flags& f) { return f.c || f.z; }},
      {{"s", "ns"}, [](const Flags& f) { return f.s; }},
      {{"p", "np"}, [](const Flags& f) { return f.p; }},
      {{"l", "ge"}, [](const Flags& f) { return f.s != f.o; }},
      {{"le", "g"}, [](const Flags& f) { return f.z || f.s != f.o; }}};
  for (size_t cc = 0; cc < 16; ++cc) {
    for (int bits = 0; bits < 32; ++bits) {
      const Flags flags = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0,
                           (bits & 16) != 0};
      const bool holds = conditions[cc / 2].second(flags) != (cc % 2);
      const uint64_t packed = flags.c | flags.p << 2 | flags.o << 3 | flags.z << 6 | flags.s << 7;
      const auto code = static_cast<char>(cc);
      // SETcc BL; CMOVcc ECX, EDX; Jcc over MOV AL, 1
      const auto trace = test::run_code(*machine_,
                                        "\x0f"s + static_cast<char>(0x90 | code) + "\xc3\x0f" +
                                            static_cast<char>(0x40 | code) + "\xca" +
                                            static_cast<char>(0x70 | code) + "\x02\xb0\x01",
                                        {{"FLAGS", packed}, {"EDX", 7}});
      const size_t last = trace.count() - 1;
      const std::string name = conditions[cc / 2].first[cc % 2];
      EXPECT_EQ(trace.get(last, "EBX"), holds) << name << ' ' << bits;
      EXPECT_EQ(trace.get(last, "ECX"), holds ? 7u : 0u) << name << ' ' << bits;
      EXPECT_EQ(trace.get(last, "EAX"), !holds) << name << ' ' << bits;
      EXPECT_EQ(machine_->describe(trace.record(1)).name, "set" + name);
      EXPECT_EQ(machine_->describe(trace.record(2)).name, "cmov" + name);
      EXPECT_EQ(machine_->describe(trace.record(3)).name, "j" + name);
    }
  }
}

TEST_F(X86_64CasesTest, JumpsCallsAndReturnsLead) {
  // CALL over HLT; there: INC EAX; JMP over INC EAX; RET, to the HLT
  const auto trace = test::run_code(*machine_, "\xe8\1\0\0\0\xf4\xff\xc0\xeb\2\xff\xc0\xc3"s);
  EXPECT_EQ(trace.stop, StopReason::halted);
  ASSERT_EQ(trace.count(), 6u);
  const std::vector<uint64_t> offsets = {0, 0, 6, 8, 12, 5};
  for (size_t t = 0; t < offsets.size(); ++t) EXPECT_EQ(trace.get(t, "PC"), offsets[t]) << t;
  // The return address: CALL has written it, RET has read it.
  EXPECT_EQ(trace.get(2, "ACCESS_OFFSET"), 0x3F0u);
  EXPECT_EQ(trace.get(2, "READ_SIZE"), 0u);
  EXPECT_EQ(trace.get(2, "WRITE_SIZE"), 8u);
  EXPECT_EQ(trace.get(2, "WRITE_VALUE"), 0x10005u);
  EXPECT_EQ(trace.get(5, "ACCESS_OFFSET"), 0x3F0u);
  EXPECT_EQ(trace.get(5, "READ_SIZE"), 8u);
  EXPECT_EQ(trace.get(5, "WRITE_SIZE"), 0u);
  EXPECT_EQ(trace.get(5, "EAX"), 1u);
  EXPECT_EQ(trace.get(5, "ESP"), trace.get(0, "ESP"));
}

TEST_F(X86_64CasesTest, EveryOperationHasACase) {
  std::set<std::string> covered = {"jmp", "call", "ret"};
  for (const test::Case& c : cases) covered.insert(c.mnemonic());
  for (const auto operation : machine_->operations()) {
    const bool conditional =
        operation.starts_with('j') || operation.starts_with("set") || operation.starts_with("cmov");
    EXPECT_TRUE(conditional || covered.contains(std::string(operation))) << operation;
  }
}

}  // namespace
}  // namespace bytecpu
