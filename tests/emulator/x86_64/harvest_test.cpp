// x86_64-full against the processor: blocks and functions out of this machine's own programs, step by step.
#include <gtest/gtest.h>

#if defined(__x86_64__)

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <unordered_set>

#include "emulator/harvest.hpp"
#include "emulator/native/native.hpp"
#include "emulator/x86_64/encoding.hpp"
#include "tests/emulator/native/support.hpp"
#include "tests/emulator/x86_64/processor.hpp"
#include "tests/emulator/x86_64/undefined.hpp"

namespace bytecpu {
namespace {

constexpr int memory_bytes = 4096;
constexpr size_t pieces = 10'000;
constexpr size_t most_file_bytes = 300'000;

constexpr std::array names = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                              "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
std::array<unsigned long long*, 16> registers(user_regs_struct& r) {
  return {&r.rax, &r.rcx, &r.rdx, &r.rbx, &r.rsp, &r.rbp, &r.rsi, &r.rdi,
          &r.r8,  &r.r9,  &r.r10, &r.r11, &r.r12, &r.r13, &r.r14, &r.r15};
}

class HarvestProcessorTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!processor_.problem().empty()) GTEST_SKIP() << processor_.problem();
  }

  // Steps through the trace, each step from the trace's own record.
  void compare(const test::OwnedTrace& trace) {
    const auto& layout = trace.layout;
    std::vector<uint8_t> image(trace.image().begin(), trace.image().end());
    const auto memory = processor_.memory();
    const auto data_bytes = image.size() - static_cast<size_t>(layout.data_offset);
    const auto data = memory.subspan(memory.size() / 2, data_bytes);
    const auto restore = [&] {
      std::copy_n(image.begin(), layout.data_offset, memory.begin());
      std::copy(image.begin() + layout.data_offset, image.end(), data.begin());
    };
    restore();
    for (size_t t = 1; t + 1 < trace.count(); ++t) {
      const uint64_t at = trace.get(t, "PC");
      const auto rest = std::span(image).first(static_cast<size_t>(layout.data_offset)).subspan(at);
      const auto code = rest.first(static_cast<size_t>(x86_64::decode(rest, x86_64::full).bytes));
      const auto text = machine_->describe(trace.record(t)).text;
      ASSERT_FALSE(code.empty()) << text;
      user_regs_struct r = processor_.initial();
      for (size_t i = 0; i < names.size(); ++i) *registers(r)[i] = trace.get(t, names[i]);
      r.eflags = test::unpack_flags(trace.get(t, "FLAGS"));
      r.rip = native::full_code_address + at;
      r.orig_rax = -1ull;
      const uint64_t cl = r.rcx & 0xFF;
      ASSERT_EQ(processor_.step(r), SIGTRAP) << text << ", state " << t;
      ++steps_;
      const auto mnemonic = text.substr(0, text.find(' '));
      ++seen_[mnemonic];
      const bool zero_source = trace.get(t + 1, "FLAGS") & test::zf;  // of BSF and BSR
      const auto unknown = test::undefined(code, mnemonic, cl, zero_source);
      for (size_t i = 0; i < names.size() && !unknown.result; ++i)
        EXPECT_EQ(trace.get(t + 1, names[i]), *registers(r)[i]) << text << ' ' << names[i];
      EXPECT_EQ(trace.get(t + 1, "FLAGS") & ~unknown.flags, test::pack_flags(r.eflags) & ~unknown.flags)
          << text;
      EXPECT_EQ(trace.get(t + 1, "PC"), r.rip - native::full_code_address) << text;
      apply_write(layout, trace.record(static_cast<size_t>(t + 1)), image);
      EXPECT_TRUE(std::equal(data.begin(), data.end(), image.begin() + layout.data_offset))
          << text << ": memory";
      if (HasFailure()) return;
    }
  }

  test::Processor processor_{native::full_code_address};
  std::unique_ptr<Machine> machine_ = make_machine("x86_64-full", memory_bytes);
  std::unique_ptr<Harvester> harvester_ = make_harvester("x86_64-full", memory_bytes);
  int64_t steps_ = 0;
  std::map<std::string, int> seen_;
};

TEST_F(HarvestProcessorTest, CodeOfThisMachinesProgramsTakesTheSameSteps) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/bin")) {
    // Large ones take long to take to pieces, for a few of them.
    if (entry.is_regular_file() && !entry.is_symlink() && entry.file_size() <= most_file_bytes)
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::unordered_set<std::string> known;
  size_t compared = 0;
  std::vector<uint8_t> start(static_cast<size_t>(machine_->layout().start_bytes()));
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::string contents(std::istreambuf_iterator<char>(file), {});
    if (!harvester_->takes(contents)) continue;
    size_t of_file = 0;
    for (const CodePiece& piece : harvester_->harvest(contents, path.string()).pieces) {
      // Of many programs some, and none twice.
      if (compared >= pieces || of_file >= pieces / 20) break;
      if (!known.emplace(piece.code.begin(), piece.code.end()).second) continue;
      NativeRandom random(1, known.size());
      for (int draw = 0; draw < 4; ++draw) {
        harvester_->draw_start(random, piece, start);
        const auto trace = test::run(*machine_, start, {.steps = 200}).at(0);
        if (trace.stop > StopReason::step_limit) continue;
        compare(trace);
        if (HasFailure()) FAIL() << path << '\n' << machine_->disassemble(trace.image());
        ++compared;
        ++of_file;
        break;
      }
    }
  }
  if (compared < pieces)
    GTEST_SKIP() << "this machine's programs have only " << compared << " pieces of code";
  EXPECT_GE(steps_, 3 * static_cast<int64_t>(pieces));
  EXPECT_GE(seen_.size(), 60u);
  for (const auto& [mnemonic, count] : seen_) RecordProperty(mnemonic, count);
  RecordProperty("steps", static_cast<int>(steps_));
}

}  // namespace
}  // namespace bytecpu

#else

TEST(HarvestProcessorTest, NeedsAnX86Processor) { GTEST_SKIP() << "this processor is not x86-64"; }

#endif
