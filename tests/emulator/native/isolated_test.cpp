// Starts that try one operation alone (Machine::isolated_start).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "emulator/machine.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

constexpr int memory = 512, stack_bytes = 64;

// What a start's instruction does: records 1 and 2, the latter empty where it faults.
struct Tried {
  Instruction instruction;
  std::vector<uint8_t> start, before, after;
};

struct Isolated : testing::Test {
  std::unique_ptr<Machine> machine;

  void use(const char* name) { machine = make_machine(name, memory); }
  const Layout& layout() const { return machine->layout(); }
  uint64_t field(std::span<const uint8_t> record, std::string_view name) const {
    return test::get(layout(), record, name);
  }
  Tried draw(size_t operation, uint64_t seed) {
    NativeRandom random(seed, operation);
    Tried tried;
    tried.start.resize(static_cast<size_t>(layout().start_bytes()));
    tried.instruction = machine->isolated_start(random, operation, 0, tried.start).value();
    TraceBatch batch(layout());
    machine->run(tried.start, {.steps = 2}, batch);
    const Trace trace = batch[0];
    const auto copy = [&](int64_t t) {
      const auto record = trace.record(t);
      return std::vector<uint8_t>(record.begin(), record.end());
    };
    tried.before = copy(1);
    if (trace.states() == 2) {
      tried.after = copy(2);
    } else {
      EXPECT_EQ(trace.stop, StopReason::divide_error) << tried.instruction.text;
    }
    return tried;
  }
  // Many starts of the operation of this name.
  std::vector<Tried> draw_all(std::string_view name, int count = 4000) {
    const auto all = machine->operations();
    const auto operation = static_cast<size_t>(std::ranges::find(all, name) - all.begin());
    std::vector<Tried> tried;
    for (int i = 0; i < count; ++i) {
      tried.push_back(draw(operation, i));
      if (tried.back().instruction.name != name) tried.pop_back();
    }
    return tried;
  }
};

TEST_F(Isolated, StateOneHasFetchedWhatIsSaidAndHaltingOnesFollow) {
  for (const char* name : {"arm64", "x86_64", "thumb"}) {
    use(name);
    for (size_t operation = 0; operation < machine->operations().size(); ++operation) {
      int same_name = 0, faults = 0;
      constexpr int draws = 50;
      for (int i = 0; i < draws; ++i) {
        const Tried tried = draw(operation, i);
        const auto seen = machine->describe(tried.before);
        EXPECT_EQ(seen.text, tried.instruction.text);
        EXPECT_EQ(seen.form, tried.instruction.form);
        same_name += seen.name == machine->operations()[operation];
        faults += tried.after.empty();
        if (tried.after.empty() || seen.group == "branch") continue;
        EXPECT_TRUE(machine->describe(tried.after).group == "halt") << seen.text;
      }
      EXPECT_GT(same_name, draws / 2) << machine->operations()[operation];
      EXPECT_LT(faults, draws / 2) << machine->operations()[operation];
    }
  }
}

TEST_F(Isolated, RegistersAreOftenAtTheEndsOfTheirRange) {
  for (const auto& [name, operation, one, other] : {std::tuple{"arm64", "adds", "W0", "W1"},
                                                    {"x86_64", "add", "EAX", "ECX"},
                                                    {"thumb", "adcs", "R0", "R1"}}) {
    use(name);
    std::map<uint64_t, int> values;
    std::set<std::pair<uint64_t, uint64_t>> pairs;
    int equal = 0, far_carries = 0;
    const auto all = draw_all(operation);
    for (const Tried& tried : all) {
      const uint64_t x = field(tried.before, one), y = field(tried.before, other);
      ++values[x];
      pairs.emplace(x, y);
      equal += x == y;
      far_carries += (x & 0xFFFFFF) == 0xFFFFFF;
    }
    const std::initializer_list<uint64_t> ends = {0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF};
    for (const uint64_t x : ends) {
      EXPECT_GT(values[x], std::ssize(all) / 40) << name << ' ' << x;
      for (const uint64_t y : ends) EXPECT_TRUE(pairs.contains({x, y})) << name << ' ' << x << ' ' << y;
    }
    EXPECT_GT(equal, std::ssize(all) / 20) << name;
    EXPECT_GT(far_carries, std::ssize(all) / 40) << name;
    EXPECT_GT(std::ssize(values), std::ssize(all) / 5) << name;  // and others
  }
}

TEST_F(Isolated, DistancesAreAllThatThereAre) {
  const auto distances = [&](std::string_view operation, std::string_view form) {
    std::set<int> found;
    for (const Tried& tried : draw_all(operation)) {
      const std::string& text = tried.instruction.text;
      if (tried.instruction.form != form) continue;
      const size_t at = text.find_last_of(" #") + 1;
      found.insert(std::stoi(text.substr(at), nullptr, 0));
    }
    return found;
  };
  const auto all = [](int first) {
    std::set<int> numbers;
    for (int n = first; n < 32; ++n) numbers.insert(n);
    return numbers;
  };
  const auto low_bits = [&](std::string_view operation, std::string_view form, std::string_view by) {
    std::set<int> found;
    for (const Tried& tried : draw_all(operation)) {
      if (tried.instruction.form == form) found.insert(static_cast<int>(field(tried.before, by) & 31));
    }
    return found;
  };
  use("arm64");
  EXPECT_EQ(distances("extr", "extr r, r, r, n"), all(0));
  EXPECT_EQ(distances("lsl", "lsl r, r, n"), all(1));
  use("x86_64");
  EXPECT_EQ(distances("rol", "rol r, n"), all(1));
  EXPECT_EQ(low_bits("shl", "shl r, r", "ECX"), all(0));
  use("thumb");
  EXPECT_EQ(distances("asrs", "asrs r, r, n"), all(1));
}

TEST_F(Isolated, RegistersAreAtTimesTheSame) {
  use("arm64");
  int same = 0, distinct = 0;
  for (const Tried& tried : draw_all("adc")) {
    const std::string& text = tried.instruction.text;
    same += text == "adc w3, w3, w3";
    distinct += text == "adc w1, w2, w3";
  }
  EXPECT_GT(same, 5);
  EXPECT_GT(distinct, 0);
}

TEST_F(Isolated, MemoryIsReadAndWrittenAtItsFirstAndLastPlace) {
  for (const auto& [name, operation, form] : {std::tuple{"arm64", "ldr", "ldr r, m"},
                                              {"arm64", "str", "str r, m"},
                                              {"x86_64", "sub", "sub m, r"},
                                              {"thumb", "ldr", "ldr r, m"}}) {
    use(name);
    std::set<uint64_t> places, values;
    for (const Tried& tried : draw_all(operation)) {
      if (tried.instruction.form == form) places.insert(field(tried.after, "ACCESS_OFFSET"));
    }
    ASSERT_FALSE(places.empty()) << name << ' ' << operation;
    const int used = memory - layout().data_offset - stack_bytes;
    EXPECT_EQ(*places.begin(), static_cast<uint64_t>(layout().data_offset)) << name << ' ' << operation;
    const int last = std::string_view(name) == "thumb" ? std::min(used, 32 * 4) : used;
    EXPECT_EQ(*places.rbegin(), static_cast<uint64_t>(layout().data_offset + last - 4))
        << name << ' ' << operation;
  }
}

TEST_F(Isolated, ConditionsHoldAndDoNot) {
  for (const auto& [name, length] : {std::pair{"arm64", 4}, {"x86_64", 2}, {"thumb", 2}}) {
    use(name);
    for (size_t operation = 0; operation < machine->operations().size(); ++operation) {
      const std::string operation_name(machine->operations()[operation]);
      const int passed = operation_name == "call" ? 5 : length;
      int taken = 0, back = 0, branches = 0;
      constexpr int draws = 400;
      for (int i = 0; i < draws; ++i) {
        const Tried tried = draw(operation, i);
        if (tried.instruction.group != "branch") continue;
        ++branches;
        const auto pc = static_cast<int64_t>(field(tried.before, "PC")),
                   next = static_cast<int64_t>(field(tried.after, "PC"));
        taken += next != pc + passed;
        back += next < pc;
      }
      if (branches == 0) continue;
      EXPECT_GT(taken, draws / 25) << operation_name;  // CBZ: a register is zero
      const bool always = std::set<std::string>{"b", "bl", "ret", "jmp", "call"}.contains(operation_name);
      EXPECT_EQ(taken > draws - draws / 25, always) << operation_name;
      const bool calls = std::set<std::string>{"bl", "ret", "call"}.contains(operation_name);
      EXPECT_EQ(back > 0, !calls) << operation_name;
      // Half of those that end loops do.
      const bool ends_loops = std::set<std::string>{"b.ne", "jne", "bne"}.contains(operation_name);
      EXPECT_EQ(back > taken * 2 / 5, ends_loops) << operation_name;
    }
  }
}

}  // namespace
}  // namespace bytecpu
