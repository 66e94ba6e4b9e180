// Compiled programs: functions in every optimisation, against what they do natively or in qemu; what a linker does.
#include "tests/emulator/native/compiled.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "emulator/native/native.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

constexpr int memory_bytes = 65536;
constexpr size_t compared_bytes = 2048;  // of the data, the rest may be the stack
constexpr uint64_t data_address = native::full_code_address + memory_bytes / 2;
constexpr uint64_t pointer = uint64_t{1} << 63;  // into the data, of an argument

// A function of fixtures/functions.c.
struct Case {
  const char* name;
  std::vector<uint64_t> arguments;
  std::string data;
  bool returns;
};
const Case cases[] = {
    {"gcd", {1071u, 462u}, ""s, true},
    {"my_strlen", {pointer | 0}, "\150\145\154\154\157\054\040\167\157\162\154\144"s, true},
    {"my_memcpy",
     {pointer | 64, pointer | 0, 13u},
     "\150\145\154\154\157\054\040\167\157\162\154\144"s,
     true},
    {"my_memset", {pointer | 3, 90u, 21u}, ""s, true},
    {"my_strcmp",
     {pointer | 0, pointer | 32},
     "\141\142\143\144\145\146\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000"
     "\000\000\000\000\000\000\000\000\141\142\143\170\145\146"s,
     true},
    {"crc32_bits", {pointer | 0, 9u}, "\061\062\063\064\065\066\067\070\071"s, true},
    {"adler32", {pointer | 0, 9u}, "\127\151\153\151\160\145\144\151\141"s, true},
    {"fnv1a", {pointer | 0, 6u}, "\146\157\157\142\141\162"s, true},
    {"insertion_sort",
     {pointer | 0, 8u},
     "\005\000\000\000\375\377\377\377\011\000\000\000\000\000\000\000\377\377\377\177\000\000\000\200"
     "\007\000\000\000\007"s,
     false},
    {"bubble_sort",
     {pointer | 0, 8u},
     "\005\000\000\000\375\377\377\377\011\000\000\000\000\000\000\000\377\377\377\177\000\000\000\200"
     "\007\000\000\000\007"s,
     false},
    {"binary_search",
     {pointer | 0, 8u, 23u},
     "\002\000\000\000\003\000\000\000\005\000\000\000\007\000\000\000\013\000\000\000\015\000\000\000"
     "\027\000\000\000\035"s,
     true},
    {"count_bits", {4027519540u}, ""s, true},
    {"popcount_builtin", {4027519540u}, ""s, true},
    {"fibonacci", {30u}, ""s, true},
    {"factorial", {6u}, ""s, true},
    {"is_prime", {97u}, ""s, true},
    {"collatz", {7u}, ""s, true},
    {"isqrt", {1000001u}, ""s, true},
    {"my_atoi", {pointer | 0}, "\055\062\060\064\070\061\170"s, true},
    {"reverse", {pointer | 0, 11u}, "\150\145\154\154\157\040\167\157\162\154\144"s, false},
    {"sum",
     {pointer | 0, 21u},
     "\144\000\000\000\145\000\000\000\146\000\000\000\147\000\000\000\150\000\000\000\151\000\000\000"
     "\152\000\000\000\153\000\000\000\154\000\000\000\155\000\000\000\156\000\000\000\157\000\000\000"
     "\160\000\000\000\161\000\000\000\162\000\000\000\163\000\000\000\164\000\000\000\165\000\000\000"
     "\166\000\000\000\167\000\000\000\170"s,
     true},
    {"matmul3",
     {pointer | 0, pointer | 64, pointer | 128},
     "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000"
     "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000"
     "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\000\000\000"
     "\003\000\000\000\004\000\000\000\005\000\000\000\006\000\000\000\007\000\000\000\010\000\000\000"
     "\011\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000"
     "\000\000\000\000\000\000\000\000\011\000\000\000\010\000\000\000\007\000\000\000\006\000\000\000"
     "\005\000\000\000\004\000\000\000\003\000\000\000\002\000\000\000\001"s,
     false},
    {"xorshift32", {2463534242u}, ""s, true},
    {"mulhi", {3735928559u, 3405691582u}, ""s, true},
    {"clamp", {4294967291u, 0u, 10u}, ""s, true},
    {"days", {9u}, ""s, true},
    {"calc", {2u, 6u, 7u}, ""s, true},
    {"utf8_length", {pointer | 0}, "\107\162\303\274\303\237\145\054\040\344\270\226\347\225\214"s, true},
    {"to_hex", {pointer | 0, 3735928559u}, ""s, true},
    {"list_sum",
     {pointer | 0, 0u},
     "\012\000\000\000\002\000\000\000\024\000\000\000\377\000\000\000\036\000\000\000\001"s,
     true},
    {"fill_struct", {pointer | 0, 99u}, ""s, false},
    {"modpow", {5u, 117u, 1009u}, ""s, true},
};

struct Target {
  const char* machine;
  std::string compiler;  // and its options
  std::string runner;    // before a program that it made
};
std::ostream& operator<<(std::ostream& out, const Target& target) { return out << target.compiler; }

bool is_native(const Target& target) {
#if defined(__x86_64__)
  return target.machine == "x86_64-full"s;
#else
  return target.machine == "arm64-full"s && target.runner.empty();
#endif
}

// Why this machine cannot make the target's programs and run them; empty: it can.
std::string missing(const Target& target) {
  if (target.runner.empty() && !is_native(target)) return "this processor does not run them";
  const auto program = target.compiler.substr(0, target.compiler.find(' '));
  for (const auto& needed : {program, target.runner}) {
    if (!needed.empty() && !test::is_there(needed)) return needed + " is not installed";
  }
  const test::Workshop shop;
  shop.write("t.c", "int main(void) { return 0; }");
  const auto made = test::shell(target.compiler + " -static " + shop.at("t.c") + " -o " + shop.at("t"));
  return made.code == 0 ? "" : target.compiler + " makes no programs here";
}

// What a program that holds the functions prints: a line each, the value and the data afterwards.
std::string caller() {
  std::string text = "#include <stdio.h>\n#include <string.h>\nstatic unsigned char b[4096];\n";
  for (const Case& c : cases) {
    text += "extern unsigned "s + c.name + "();\n";
  }
  text += "int main(void) {\n";
  for (const Case& c : cases) {
    std::string bytes, arguments;
    for (const char byte : c.data) bytes += std::to_string(static_cast<uint8_t>(byte)) + ",";
    for (const uint64_t a : c.arguments) {
      arguments += arguments.empty() ? "" : ", ";
      arguments += a & pointer ? "b + " + std::to_string(a & ~pointer) : std::to_string(a) + "u";
    }
    text += fmt::format(
        "{{ static const unsigned char d[] = {{{}0}}; memset(b, 0, sizeof b); memcpy(b, d, {});\n", bytes,
        c.data.size());
    text += fmt::format("unsigned r = {}({});\nprintf(\"%u \", {});\n", c.name, arguments,
                        c.returns ? "r" : "0u");
    text +=
        fmt::format("for (int i = 0; i < {}; ++i) printf(\"%02x\", b[i]); puts(\"\"); }}\n", compared_bytes);
  }
  return text + "return 0; }\n";
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// The trace of a function, and why it is not one that halts.
struct Ran {
  test::OwnedTrace trace;
  std::string problem;
};

class Traced {
 public:
  explicit Traced(const Target& target)
      : arm_(target.machine == "arm64-full"s), machine_(make_machine(target.machine, memory_bytes)) {}

  Ran run(const std::string& file, const std::string& function, const std::vector<uint64_t>& arguments,
          const std::string& data = {}) {
    Ran ran;
    std::vector<uint8_t> start;
    try {
      const Program program = machine_->load(file, "file", function);
      start = program.image;
      std::ranges::copy(data, start.begin() + machine_->layout().data_offset);
      auto state = machine_->first_state();
      test::set(machine_->layout(), state, "PC", program.entry);
      const std::vector<std::string> names = arm_ ? std::vector<std::string>{"X0", "X1", "X2", "X3"}
                                                  : std::vector<std::string>{"RDI", "RSI", "RDX", "RCX"};
      for (size_t i = 0; i < arguments.size(); ++i) {
        const uint64_t a = arguments[i];
        test::set(machine_->layout(), state, names[i], a & pointer ? data_address + (a & ~pointer) : a);
      }
      start.insert(start.end(), state.begin(), state.end());
    } catch (const Error& error) {
      ran.problem = error.what();
      return ran;
    }
    ran.trace = test::run(*machine_, start, {.steps = 1'000'000}).at(0);
    if (ran.trace.stop != StopReason::halted) {
      ran.problem = fmt::format("{}: {}", to_string(ran.trace.stop),
                                machine_->describe(ran.trace.record(ran.trace.count() - 1)).text);
    }
    return ran;
  }

  // Of a trace that halts: the low 32 bits of what it returns.
  uint32_t result(const test::OwnedTrace& trace) const {
    return static_cast<uint32_t>(trace.get(trace.count() - 1, arm_ ? "X0" : "RAX"));
  }
  uint32_t value(const std::string& file, const std::string& function,
                 const std::vector<uint64_t>& arguments = {}, const std::string& data = {}) {
    const Ran ran = run(file, function, arguments, data);
    EXPECT_EQ(ran.problem, "") << function;
    return ran.problem.empty() ? result(ran.trace) : 0;
  }
  std::string line(const Case& c, const test::OwnedTrace& trace) const {
    std::vector<uint8_t> image(trace.image().begin(), trace.image().end());
    for (size_t t = 1; t < trace.count(); ++t) apply_write(trace.layout, trace.record(t), image);
    return fmt::format(
        "{} {}", c.returns ? result(trace) : 0,
        hex(std::span(image).subspan(static_cast<size_t>(trace.layout.data_offset), compared_bytes)));
  }
  const Machine& machine() const { return *machine_; }

 private:
  bool arm_;
  std::unique_ptr<Machine> machine_;
};

class CompiledTest : public testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    if (const auto why = missing(GetParam()); !why.empty()) GTEST_SKIP() << why;
  }
  // An object file of C.
  std::string object(const std::string& c, const std::string& flags) const {
    shop_.write("p.c", c);
    shop_.run(GetParam().compiler + " -w -c p.c -o p.o " + flags);
    return shop_.read("p.o");
  }
  std::string refusal(const std::string& file, const std::string& function) {
    return traced_.run(file, function, {}).problem;
  }

  test::Workshop shop_;
  Traced traced_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Targets, CompiledTest,
                         testing::Values(Target{"x86_64-full", "gcc", ""}, Target{"x86_64-full", "clang", ""},
                                         Target{"arm64-full", "aarch64-linux-gnu-gcc", "qemu-aarch64"},
                                         Target{"arm64-full", "clang --target=aarch64-linux-gnu",
                                                "qemu-aarch64"}),
                         [](const auto& param) {
                           return (param.param.machine[0] == 'x' ? "x86_64_"s : "arm64_"s) +
                                  (param.param.compiler.find("gcc") != std::string::npos ? "gcc" : "clang");
                         });

TEST_P(CompiledTest, EveryFunctionDoesWhatItDoesNatively) {
  const std::string source = BYTECPU_FIXTURES "/functions.c";
  shop_.write("caller.c", caller());
  int refused = 0;
  for (const std::string level : {"-O0", "-O1", "-O2", "-Os"}) {
    for (const std::string flags : {" -mgeneral-regs-only", ""}) {
      shop_.run(GetParam().compiler + " -w " + level + flags + " -c " + source + " -o f.o");
      shop_.run(GetParam().compiler + " -w -O1 -static caller.c f.o -o native");
      std::istringstream lines(shop_.run(GetParam().runner + " ./native"));
      const auto file = shop_.read("f.o");
      for (const Case& c : cases) {
        std::string native;
        ASSERT_TRUE(std::getline(lines, native));
        const Ran ran = traced_.run(file, c.name, c.arguments, c.data);
        if (ran.problem.empty()) {
          EXPECT_EQ(traced_.line(c, ran.trace), native) << c.name << ' ' << level << flags;
        } else {
          ++refused;
          EXPECT_EQ(flags, "") << c.name << ' ' << level << ": " << ran.problem;
          EXPECT_NE(ran.problem.find("-mgeneral-regs-only"), std::string::npos) << ran.problem;
        }
      }
    }
  }
  EXPECT_LE(refused, 16);
}

TEST_P(CompiledTest, FunctionsCallEachOtherAndUseWhatTheFileHolds) {
  const std::string c = R"(
    static int bss[100]; int common; static int counter = 40; static const int table[4] = {3, 5, 7, 11};
    static int add(int a, int b) { return a + b; }  static int sub(int a, int b) { return a - b; }
    static int (*const operations[2])(int, int) = {add, sub};  static const char *const texts[2] = {"zero", "four!"};
    __attribute__((noinline)) int count(void) { return ++counter; }
    __attribute__((noinline)) int apply(int i, int a, int b) { return operations[i](a, b); }
    int all(int i) {
      for (int k = 0; k < 100; ++k) bss[k] += k;
      common = count() + count();
      return apply(i, table[3], table[1]) + texts[1][4] + bss[99] + common;
    }
    int choose(int i) {
      switch (i) { case 0: return 7; case 1: return count(); case 2: return 1; case 3: return 100; case 4: return 12; case 5: return apply(1, 9, 4);
                   case 6: return 77; case 7: return 13; } return -1; })";
  for (const std::string flags : {"-O0", "-O2 -mgeneral-regs-only", "-O2 -fPIC -mgeneral-regs-only",
                                  "-Os -mgeneral-regs-only -ffunction-sections -fdata-sections -fcommon",
                                  "-O1 -fno-pic -fcf-protection=none"}) {
    if (flags.find("-fcf") != flags.npos && GetParam().machine[0] == 'a') continue;
    const auto file = object(c, flags);
    EXPECT_EQ(traced_.value(file, "all", {0}), 16u + '!' + 99 + 83) << flags;
    EXPECT_EQ(traced_.value(file, "all", {1}), 6u + '!' + 99 + 83) << flags;
    const uint32_t values[] = {7, 41, 1, 100, 12, 5, 77, 13, 0xFFFFFFFF};
    for (uint32_t i = 0; i < 9; ++i)
      EXPECT_EQ(traced_.value(file, "choose", {i}), values[i]) << flags << ' ' << i;
  }
}

TEST_P(CompiledTest, AnArchivesMembersAreLinkedAsFarAsNeeded) {
  object("int helper(int x) { return 3 * x; }", "-O1");
  shop_.run("cp p.o a_member_whose_name_is_long.o");
  object("int helper(int); int twice(int x) { return helper(x) + 1; }", "-O1");
  shop_.run("cp p.o twice.o");
  object("int printf(const char *, ...); int unneeded(int x) { return printf(\"%d\", x); }", "-O1");
  shop_.run("cp p.o unneeded.o && ar rcs lib.a unneeded.o twice.o a_member_whose_name_is_long.o");
  const auto file = shop_.read("lib.a");
  EXPECT_EQ(traced_.value(file, "twice", {5}), 16u);
  EXPECT_EQ(traced_.value(file, "helper", {5}), 15u);
  const auto why = refusal(file, "unneeded");
  EXPECT_NE(why.find("unneeded needs printf, which is not in the file"), std::string::npos) << why;
  EXPECT_NE(refusal(file, "none").find("no function none; there are: unneeded, twice, helper"),
            std::string::npos);
}

TEST_P(CompiledTest, AStaticExecutableRunsFromItsEntryOrAFunction) {
  object(
      "int buffer[50]; int start_value = 4; const int table[3] = {1, 2, 30};\n"
      "__attribute__((noinline)) int f(int i) { return buffer[0] + start_value + table[i]; }\n"
      "int _start(void) { buffer[0] = 100; return f(2); }",
      "-O1 -mgeneral-regs-only");
  for (const std::string mode : {"-no-pie -static", "-static-pie"}) {
    shop_.run(fmt::format(
        "{} {} -nostdlib -Wl,-z,max-page-size=4096,-Ttext-segment={:#x},-Tdata={:#x} p.o -o linked",
        GetParam().compiler, mode, mode == "-static-pie" ? 0 : native::full_code_address,
        mode == "-static-pie" ? data_address - native::full_code_address : data_address));
    const auto file = shop_.read("linked");
    EXPECT_EQ(traced_.value(file, ""), 134u) << mode;
    EXPECT_EQ(traced_.value(file, "f", {1}), 6u) << mode;
  }
  // Linked elsewhere: which --memory would do, or how to link it.
  shop_.run(GetParam().compiler + " -static -no-pie -nostdlib p.o -o linked");
  const auto why = refusal(shop_.read("linked"), "");
  EXPECT_TRUE(why.empty() || why.find("use --memory") != why.npos || why.find("-Tdata=") != why.npos) << why;
}

TEST_P(CompiledTest, StandInsRunAsRecordedCode) {
  const auto file = object(R"(
    typedef unsigned long n; void *memcpy(void *, const void *, n); void *memset(void *, int, n); void *memmove(void *, const void *, n);
    int memcmp(const void *, const void *, n); n strlen(const char *); void abort(void);
    int copy(char *p, int c) { memset(p, c, 5); memcpy(p + 8, p, 5); memmove(p + 9, p + 8, 4); memmove(p, p + 1, 7); return 1000 * (int)strlen(p + 8) + memcmp(p, p + 8, 3); }
    int stop(int x) { if (x) abort(); return 5; })",
                           "-O1 -fno-builtin");
  EXPECT_EQ(traced_.value(file, "copy", {pointer | 16, 'x'}), 5000u);
  const Ran ran = traced_.run(file, "copy", {pointer | 16, 'x'});
  EXPECT_GT(ran.trace.count(), 40u);
  EXPECT_EQ(traced_.value(file, "stop", {0}), 5u);
  const Ran stopped = traced_.run(file, "stop", {1});
  EXPECT_NE(stopped.problem.find("the program stops itself"), std::string::npos) << stopped.problem;
}

TEST_P(CompiledTest, WhatIsOutsideIsRefusedByNameWithWhatToDo) {
  const auto file = object(R"(
    int printf(const char *, ...); extern int environment; int (*pointer)(const char *, ...) = printf;
    static int inner(int x) { return printf("%d", x) + x; }
    int direct(int x) { return inner(x) + 1; }  int variable(void) { return environment; }
    int indirect(int x) { return pointer("x") + x; }  int alone(int x) { return x + 1; })",
                           "-O0");
  EXPECT_EQ(traced_.value(file, "alone", {4}), 5u);
  for (const auto* function : {"direct", "indirect"}) {
    const auto why = refusal(file, function);
    EXPECT_NE(why.find(function + " needs printf, which is not in the file"s), why.npos) << why;
    EXPECT_NE(why.find("link its code in"), why.npos) << why;
  }
  EXPECT_NE(refusal(file, "variable").find("variable needs environment"), std::string::npos);
  const auto guarded =
      object("void g(char *); int f(int i) { char b[64]; b[i] = 1; return b[i + 1] + b[i]; }",
             "-O0 -fstack-protector-all");
  EXPECT_NE(refusal(guarded, "f").find("-fno-stack-protector"), std::string::npos) << refusal(guarded, "f");
}

TEST_P(CompiledTest, WhatIsTooLongSaysHowMuchMemoryWouldDo) {
  const auto file = object("int a[20000]; int f(int i) { a[i] = i; return a[i]; }", "-O1");
  const auto why = refusal(file, "f");
  const auto at = why.find("use --memory ");
  ASSERT_NE(at, why.npos) << why;
  const auto machine = make_machine(GetParam().machine, std::stoi(why.substr(at + 13)));
  EXPECT_NO_THROW(machine->load(file, "file", "f"));
}

// Any bytes are safe to load.
TEST_P(CompiledTest, DamagedFilesAreErrorsOrProgramsAndNothingElse) {
  const auto file = object(
      "static int t[3] = {1, 2, 3}; int g(int); int h(int i) { return t[i]; } int f(int i) { return h(i) + 1; }",
      "-O1");
  shop_.run("ar rcs lib.a p.o");
  for (const auto& whole : {file, shop_.read("lib.a")}) {
    for (size_t length = 0; length < whole.size(); length += 7) (void)refusal(whole.substr(0, length), "f");
    NativeRandom random(5, 0);
    for (int i = 0; i < 3000; ++i) {
      auto damaged = whole;
      for (int k = 0; k < 3; ++k)
        damaged[random.below(static_cast<uint32_t>(whole.size()))] = static_cast<char>(random.below(256));
      try {
        traced_.machine().load(damaged, "file", "f");
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace bytecpu
