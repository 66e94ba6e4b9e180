#include "datagen/programs/show.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

constexpr size_t widest_table = 120;

bool same(std::span<const uint8_t> a, std::span<const uint8_t> b, const Field& field) {
  return std::equal(a.begin() + field.offset, a.begin() + field.offset + field.bytes,
                    b.begin() + field.offset);
}

// The records of a trace, and the text of the instruction in each; state 0 has none.
struct States {
  std::vector<std::span<const uint8_t>> records;
  std::vector<std::string> instructions;
};

States states_of(const Machine& machine, const Trace& trace) {
  States states;
  for (int64_t t = 0; t <= trace.states(); ++t) {
    states.records.push_back(trace.record(t));
    states.instructions.push_back(t == 0 ? "(start)" : machine.describe(states.records.back()).text);
  }
  return states;
}

size_t value_width(const Field& field) { return field.bytes == 1 ? 3 : 2 + 2 * field.bytes; }

// Where code, data and stack are, as the program sees them; nothing where all is code.
std::string regions_text(const Machine& machine) {
  std::string text;
  const auto regions = machine.regions();
  for (const Region& r : regions) {
    text += fmt::format("{}{} {:#x} … {:#x}", text.empty() ? "" : ", ", r.name, r.address,
                        r.address + static_cast<uint64_t>(r.bytes) - 1);
  }
  return regions.size() > 1 ? text + '\n' : "";
}

}  // namespace

std::string field_text(std::span<const uint8_t> record, const Field& field) {
  if (field.bytes == 1) return fmt::to_string(record[field.offset]);
  if (field.bytes > 8) {  // no number
    return fmt::format("{:02x}", fmt::join(record.subspan(field.offset, field.bytes), ""));
  }
  std::string text = "0x";
  for (int i = field.bytes - 1; i >= 0; --i) text += fmt::format("{:02x}", record[field.offset + i]);
  return text;
}

std::vector<std::string> program_lines(const Machine& machine, std::span<const uint8_t> image) {
  std::vector<std::string> lines;
  std::istringstream text(machine.disassemble(image));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::string trace_text(const Machine& machine, const Trace& trace) {
  const auto& layout = machine.layout();
  const auto states = states_of(machine, trace);
  const auto lines = program_lines(machine, trace.image());
  const bool known = trace.stop != StopReason::unknown;
  std::string text = fmt::format(
      "{}, {} bytes of memory, {} states{}\n{}\nprogram\n", layout.machine, layout.memory_bytes,
      states.records.size(), known ? fmt::format(", {}", to_string(trace.stop)) : "", regions_text(machine));
  for (size_t i = 0; i < lines.size(); ++i) text += fmt::format("{:>5}  {}\n", i, lines[i]);

  size_t instruction_width = 11;
  for (const auto& instruction : states.instructions) {
    instruction_width = std::max(instruction_width, instruction.size());
  }
  std::vector<size_t> widths;
  size_t table = 7 + instruction_width;
  for (const auto& field : layout.fields) {
    widths.push_back(std::max(field.name.size(), value_width(field)) + 1);
    table += widths.back() + 1;
  }
  const bool wide = table > widest_table;

  text += fmt::format("\n{:>5}  {:<{}}", "state", "instruction", instruction_width);
  for (size_t f = 0; f < layout.fields.size() && !wide; ++f) {
    text += fmt::format("{:>{}} ", layout.fields[f].name, widths[f]);
  }
  text += wide ? "  changed\n" : "\n";
  for (size_t i = 0; i < states.records.size(); ++i) {
    std::string row = fmt::format("{:>5}  {:<{}}", i, states.instructions[i], instruction_width);
    for (size_t f = 0; f < layout.fields.size(); ++f) {
      const auto& field = layout.fields[f];
      const auto value = field_text(states.records[i], field);
      const bool changed = i > 0 && !same(states.records[i], states.records[i - 1], field);
      if (!wide) row += fmt::format("{:>{}}{}", value, widths[f], changed ? '*' : ' ');
      const bool zero = value.find_first_not_of("0x") == std::string::npos;
      if (wide && (changed || (i == 0 && !zero))) row += fmt::format("  {}={}", field.name, value);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + '\n';
  }
  return text;
}

ordered_json trace_json(const Machine& machine, const Trace& trace) {
  const auto& layout = machine.layout();
  const auto states = states_of(machine, trace);
  ordered_json json = {{"machine", layout.machine},
                       {"memory_bytes", layout.memory_bytes},
                       {"program", program_lines(machine, trace.image())},
                       {"states", ordered_json::array()}};
  for (size_t i = 0; i < states.records.size(); ++i) {
    ordered_json state = {{"instruction", i == 0 ? ordered_json() : ordered_json(states.instructions[i])},
                          {"fields", ordered_json::object()},
                          {"changed", ordered_json::array()}};
    for (const auto& field : layout.fields) {
      uint64_t number = 0;
      for (int b = std::min(field.bytes, 8); b-- > 0;)
        number = number << 8 | states.records[i][field.offset + b];
      state["fields"][field.name] =
          field.bytes <= 8 ? ordered_json(number) : ordered_json(field_text(states.records[i], field));
      if (i > 0 && !same(states.records[i], states.records[i - 1], field))
        state["changed"].push_back(field.name);
    }
    json["states"].push_back(std::move(state));
  }
  if (trace.stop != StopReason::unknown) json["stop"] = to_string(trace.stop);
  return json;
}

}  // namespace bytecpu
