// The memory accesses that random programs' records tell of, against what the instructions' texts say: which
// address, how many bytes, read, written or both.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "emulator/native/native.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using namespace std::string_literals;

struct Access {
  uint64_t offset = 0, read = 0, written = 0;

  bool operator==(const Access&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Access& a) {
  return out << fmt::format("{:#x}: {} read, {} written", a.offset, a.read, a.written);
}

uint64_t number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  return value;
}

// A register by any of its names: RAX or EAX, X0 or W0, R8D or R8.
uint64_t register_value(const test::OwnedTrace& trace, size_t t, std::string name) {
  for (char& c : name) c = static_cast<char>(std::toupper(c));
  std::vector<std::string> names = {name, fmt::format("{}D", name)};
  if (name[0] == 'R' || name[0] == 'X')
    names.push_back(fmt::format("{}{}", name[0] == 'R' ? 'E' : 'W', name.substr(1)));
  for (const Field& field : trace.layout.fields) {
    if (std::ranges::find(names, field.name) != names.end()) return trace.get(t, field.name);
  }
  throw Error("{} has no register {}", trace.layout.machine, name);
}

// What stands in the brackets: registers, registers times numbers, numbers, added up.
std::optional<uint64_t> address_in(const test::OwnedTrace& trace, size_t t, const std::string& text) {
  const auto open = text.find('['), close = text.find(']');
  if (open == text.npos) return std::nullopt;
  std::string_view rest = std::string_view(text).substr(open + 1, close - open - 1);
  uint64_t sum = 0, last = 0;
  while (!rest.empty()) {
    const auto end = std::min(rest.find_first_of(",+ "), rest.size());
    auto word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.empty() || word == "uxtw" || word == "lsl") continue;
    if (word.starts_with('#') && text.find("uxtw") != text.npos) {  // x7, w1, uxtw #2
      sum += (last << number(word.substr(1))) - last;
      continue;
    }
    if (word.starts_with('#')) word.remove_prefix(1);
    const auto times = word.find('*');
    if (std::isdigit(word.front())) {
      last = number(word);
    } else {
      last = register_value(trace, t, std::string(word.substr(0, times)));
      if (times != word.npos) last *= number(word.substr(times + 1));
    }
    sum += last;
  }
  return sum;
}

uint64_t image_offset(const test::OwnedTrace& trace, uint64_t address) {
  return address - native::data_address + static_cast<uint64_t>(trace.layout.data_offset);
}

// Of the instruction in record t.
Access x86_access(const test::OwnedTrace& trace, size_t t, std::string_view name, const std::string& text) {
  const uint64_t stack = image_offset(trace, register_value(trace, t, "ESP"));
  if (name == "push" || name == "call") return {stack - 8, 0, 8};
  if (name == "pop" || name == "ret") return {stack, 8, 0};
  const auto address = address_in(trace, t, text);
  if (!address || name == "lea" || name == "nop") return {};
  const uint64_t size = text.find("byte ptr") != text.npos    ? 1
                        : text.find("dword ptr") != text.npos ? 4
                        : text.find("qword ptr") != text.npos ? 8
                                                              : 2;
  const bool first = text.find('[') < text.find(',');
  static const std::set<std::string_view> only_read = {"cmp", "test", "mul", "imul", "div", "idiv"};
  const bool writes = first && !only_read.contains(name);
  const bool reads = !(writes && (name == "mov" || name.starts_with("set")));
  return {image_offset(trace, *address), reads ? size : 0, writes ? size : 0};
}

Access arm_access(const test::OwnedTrace& trace, size_t t, std::string_view name, const std::string& text) {
  const auto address = address_in(trace, t, text);
  if (!address) return {};
  const uint64_t size = name.ends_with('b') ? 1 : name.ends_with('h') ? 2 : name.ends_with('p') ? 8 : 4;
  const bool reads = name.starts_with("ld");
  return {image_offset(trace, *address), reads ? size : 0, reads ? 0 : size};
}

class AccessTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Machines, AccessTest, testing::Values("x86_64", "arm64", "thumb"));

TEST_P(AccessTest, IsWhatTheInstructionsTextSays) {
  const auto machine = make_machine(GetParam(), 1024);
  const auto starts = test::random_starts(
      *machine, 11, 1500, {.min_instructions = 1, .max_instructions = 60, .memory_share = 0.4});
  std::map<std::string_view, int> seen;
  int reads = 0, writes = 0, both = 0;
  for (const auto& trace : test::run(*machine, starts)) {
    EXPECT_EQ(trace.get(1, "READ_SIZE") + trace.get(1, "WRITE_SIZE"), 0u);
    for (size_t t = 1; t + 1 < trace.count(); ++t) {
      const auto instruction = machine->describe(trace.record(t));
      const auto expected = GetParam() == "x86_64"s
                                ? x86_access(trace, t, instruction.name, instruction.text)
                                : arm_access(trace, t, instruction.name, instruction.text);
      const Access recorded{trace.get(t + 1, "ACCESS_OFFSET"), trace.get(t + 1, "READ_SIZE"),
                            trace.get(t + 1, "WRITE_SIZE")};
      ASSERT_EQ(recorded, expected) << instruction.text << ", state " << t;
      ASSERT_TRUE(recorded.written > 0 || trace.get(t + 1, "WRITE_VALUE") == 0) << instruction.text;
      if (recorded != Access{}) ++seen[instruction.name];
      both += recorded.read > 0 && recorded.written > 0;
      reads += recorded.read > 0;
      writes += recorded.written > 0;
    }
  }
  EXPECT_GT(reads, 2000);
  EXPECT_GT(writes, 1000);
  EXPECT_EQ(both > 1000, GetParam() == "x86_64"s);
  EXPECT_GE(seen.size(), GetParam() == "x86_64"s ? 60u : GetParam() == "arm64"s ? 18u : 6u);
}

}  // namespace
}  // namespace bytecpu
