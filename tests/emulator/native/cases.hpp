// Tables of what instructions do, a row each:
//   assembly | code in hex | fields before, where they differ from the table's | fields that it changes
// Numbers are in hex. The data are 80 81 82 … 9F.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <map>

#include "tests/emulator/native/support.hpp"

namespace bytecpu::test {

struct Case {
  std::string assembly, code;
  Values before, after;

  std::string mnemonic() const { return assembly.substr(0, assembly.find(' ')); }
};

inline std::vector<Case> cases_of(std::string_view rows) {
  // Up to a separator, without the blanks around it.
  const auto next = [](std::string_view& text, char separator) {
    auto part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    return part;
  };
  const auto number = [](std::string_view digits) {
    uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return value;
  };
  const auto values = [&](std::string_view text) {
    Values result;
    while (!text.empty()) {
      auto word = next(text, ' ');
      const auto name = next(word, '=');
      if (!name.empty()) result.emplace_back(name, number(word));
    }
    return result;
  };
  std::vector<Case> cases;
  while (!rows.empty()) {
    auto row = next(rows, '\n');
    if (row.empty()) continue;
    Case c;
    c.assembly = next(row, '|');
    auto code = next(row, '|');
    for (; code.size() >= 2; code.remove_prefix(2)) c.code += static_cast<char>(number(code.substr(0, 2)));
    c.before = values(next(row, '|'));
    c.after = values(row);
    cases.push_back(c);
  }
  return cases;
}

// Runs a case, before which the fields are as `usual` says unless its row says otherwise.
inline void expect_case(Machine& machine, const Case& c, const Values& usual, std::string_view halt) {
  std::vector<uint8_t> data(32);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(0x80 + i);
  Values before = usual;
  before.insert(before.end(), c.before.begin(), c.before.end());
  const auto start = raw_start(machine, c.code + std::string(halt), before, data);
  const auto trace = run(machine, start, {.steps = 2}).at(0);
  ASSERT_EQ(trace.count(), 3u) << c.assembly;
  std::map<std::string, uint64_t> expected;
  for (const Field& f : machine.layout().fields) expected[f.name] = trace.get(0, f.name);
  for (const auto& [name, value] : c.after) expected[name] = value;
  for (const auto& [name, value] : expected) {
    if (name == "PC" || name == "INSN") continue;
    EXPECT_EQ(trace.get(2, name), value) << c.assembly << ": " << name;
  }
  const auto named = machine.describe(trace.record(1)).name;
  EXPECT_EQ(named, c.mnemonic());
}

}  // namespace bytecpu::test
