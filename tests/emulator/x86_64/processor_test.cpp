// x86_64 against the processor: every step of random traces, and random instructions of every encoding.
#include <gtest/gtest.h>

#if defined(__x86_64__)

#include <array>
#include <limits>
#include <map>

#include "emulator/x86_64/encoding.hpp"
#include "tests/emulator/native/support.hpp"
#include "tests/emulator/x86_64/processor.hpp"
#include "tests/emulator/x86_64/undefined.hpp"

namespace bytecpu {
namespace {

constexpr std::array names = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI", "R8D", "R9D"};
std::array<unsigned long long*, 10> registers(user_regs_struct& r) {
  return {&r.rax, &r.rcx, &r.rdx, &r.rbx, &r.rsp, &r.rbp, &r.rsi, &r.rdi, &r.r8, &r.r9};
}

class ProcessorTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!processor_.problem().empty()) GTEST_SKIP() << processor_.problem();
  }

  // Steps through the trace; each step starts from the trace's record, so that a difference stays alone.
  void compare(const test::OwnedTrace& trace, size_t most_steps = std::numeric_limits<size_t>::max()) {
    const auto& layout = trace.layout;
    const size_t code_bytes = layout.data_offset;
    std::vector<uint8_t> image(trace.image().begin(), trace.image().end());
    const auto memory = processor_.memory();
    const auto data = memory.subspan(memory.size() / 2, image.size() - code_bytes);
    std::copy_n(image.begin(), code_bytes, memory.begin());
    std::copy(image.begin() + code_bytes, image.end(), data.begin());

    uint64_t at = trace.get(0, "PC");
    for (size_t t = 1; t < trace.count() && t <= most_steps; ++t) {
      ASSERT_EQ(trace.get(t, "PC"), at) << "state " << t;
      const auto rest = std::span(image).first(code_bytes).subspan(at);
      const auto code = rest.first(x86_64::decode(rest).bytes);
      const auto& field = test::field(layout, "INSN");
      const auto insn = trace.record(t).subspan(field.offset, field.bytes);
      ASSERT_FALSE(code.empty()) << "state " << t;
      const size_t held = std::min(code.size(), insn.size());
      ASSERT_TRUE(std::ranges::equal(insn.first(held), code.first(held))) << "state " << t;
      ASSERT_TRUE(std::ranges::all_of(insn.subspan(held), [](uint8_t byte) { return byte == 0; }));
      const bool last = t + 1 == trace.count();
      if (last && trace.stop != StopReason::divide_error) return;

      user_regs_struct r = processor_.initial();
      for (size_t i = 0; i < names.size(); ++i) *registers(r)[i] = trace.get(t, names[i]);
      r.eflags = test::unpack_flags(trace.get(t, "FLAGS"));
      r.rip = test::Processor::address + at;
      r.orig_rax = -1;
      const uint64_t cl = r.rcx & 0xFF;
      const int signal = processor_.step(r);
      ++steps_;
      const auto text = machine_->describe(trace.record(t)).text;
      if (last) {
        EXPECT_EQ(signal, SIGFPE) << text;
        return;
      }
      ASSERT_EQ(signal, SIGTRAP) << text << ", state " << t;

      const bool zero_source = trace.get(t + 1, "FLAGS") & test::zf;  // of BSF and BSR
      const auto unknown = test::undefined(code, text.substr(0, text.find(' ')), cl, zero_source);
      if (!unknown.result) {
        for (size_t i = 0; i < names.size(); ++i) {
          EXPECT_EQ(trace.get(t + 1, names[i]), static_cast<uint32_t>(*registers(r)[i]))
              << text << ' ' << names[i];
        }
      }
      EXPECT_EQ(trace.get(t + 1, "FLAGS") & ~unknown.flags, test::pack_flags(r.eflags) & ~unknown.flags)
          << text;
      const uint64_t offset = trace.get(t + 1, "ACCESS_OFFSET"), size = trace.get(t + 1, "WRITE_SIZE"),
                     value = trace.get(t + 1, "WRITE_VALUE");
      ASSERT_LE(offset + size, image.size()) << text;
      std::memcpy(&image[offset], &value, size);
      EXPECT_TRUE(std::equal(data.begin(), data.end(), image.begin() + code_bytes)) << text << ": memory";
      at = r.rip - test::Processor::address;
      if (HasFailure()) return;
    }
  }

  test::Processor processor_;
  std::unique_ptr<Machine> machine_ = make_machine("x86_64", 1024);
  int64_t steps_ = 0;
};

TEST_F(ProcessorTest, RandomProgramsTakeTheSameSteps) {
  ProgramOptions options{.min_instructions = 20, .max_instructions = 60, .small_operands = 0.3};
  for (const double memory_share : {0.1, 0.5}) {
    options.memory_share = memory_share;
    for (const auto& trace : test::run(*machine_, test::random_starts(*machine_, 7, 900, options))) {
      compare(trace);
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(steps_, 70'000);
}

// Registers alone; the machine's own decoder says what it includes.
TEST_F(ProcessorTest, RandomInstructionsOfAllEncodingsDoTheSame) {
  NativeRandom random(11, 0);
  const auto byte = [&] { return static_cast<char>(random.below(256)); };
  constexpr int cases = 150'000;
  std::vector<uint8_t> starts;
  for (int i = 0; i < cases; ++i) {
    std::string code;
    if (random.below(8) == 0) code += '\x66';
    if (random.below(16) == 0) code += '\xF3';
    if (random.below(3) == 0) code += static_cast<char>(0x40 | random.below(16));
    if (random.below(3) == 0) code += '\x0F';
    code += byte();
    code += static_cast<char>(0xC0 | random.below(64));
    for (int k = 0; k < 8; ++k) code += random.below(4) ? static_cast<char>(random.below(32)) : byte();
    test::Values values = {{"FLAGS", test::pack_flags(test::unpack_flags(random.below(256)))}};
    for (const auto* name : names) {
      const uint64_t value = static_cast<uint64_t>(random.below(1 << 16)) << 16 | random.below(1 << 16);
      if (std::string_view(name) != "ESP") values.emplace_back(name, value >> random.below(32));
    }
    const auto start = test::raw_start(*machine_, code + std::string(64, '\xf4'), values);
    starts.insert(starts.end(), start.begin(), start.end());
  }
  std::map<std::string, int> seen;
  for (const auto& trace : test::run(*machine_, starts, {.steps = 2})) {
    // The first step alone: what follows the instruction is not one.
    const bool whole = trace.count() > 2 || trace.stop == StopReason::divide_error;
    if (!whole) continue;
    compare(trace, 1);
    if (HasFailure()) return;
    const auto text = machine_->describe(trace.record(1)).text;
    ++seen[text.substr(0, text.find(' '))];
  }
  EXPECT_GE(steps_, 30'000);
  EXPECT_GE(seen.size(), 100u);
}

}  // namespace
}  // namespace bytecpu

#else

TEST(ProcessorTest, NeedsAnX86Processor) { GTEST_SKIP() << "this processor is not x86-64"; }

#endif
