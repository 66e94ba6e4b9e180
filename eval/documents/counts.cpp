#include "eval/documents/counts.hpp"

#include <algorithm>
#include <charconv>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

constexpr int64_t most_places = 1 << 20;  // along a trace

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::vector<uint8_t> bytes_of(const ordered_json& json) {
  const auto& text = json.get_ref<const std::string&>();
  std::vector<uint8_t> bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char* at = text.data() + 2 * i;
    if (std::from_chars(at, at + 2, bytes[i], 16).ptr != at + 2)
      throw Error("\"{}\" is not hexadecimal", text);
  }
  if (text.size() % 2 != 0) throw Error("\"{}\" is not hexadecimal", text);
  return bytes;
}

int64_t count(const ordered_json& json) {
  constexpr int64_t most = int64_t{1} << 60;
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > most) {
    throw Error("{} is not a count", json_text(json));
  }
  return json.get<int64_t>();
}

ordered_json to_counts(const Rate& rate) { return {rate.right, rate.total}; }
ordered_json to_counts(const Tally& tally) { return {tally.states, tally.wrong_states, tally.wrong_bytes}; }
ordered_json to_counts(int64_t number) { return number; }
ordered_json to_counts(const ExactSum& sum) { return sum.text(); }
ordered_json to_counts(const LengthTally& length) {
  return {to_counts(length.traces), to_counts(length.states)};
}

void add(const ordered_json& json, int64_t& number) { number += count(json); }
void add(const ordered_json& json, ExactSum& sum) {
  sum += ExactSum::from_text(json.get_ref<const std::string&>());
}
void add(const ordered_json& json, Rate& rate) {
  const Rate other{count(json.at(0)), count(json.at(1))};
  if (other.right > other.total) throw Error("{} of {} are right", other.right, other.total);
  rate += other;
}
void add(const ordered_json& json, Tally& tally) {
  tally += Tally{count(json.at(0)), count(json.at(1)), count(json.at(2))};
  if (tally.wrong_states > tally.states) throw Error("more states are wrong than there are");
}
void add(const ordered_json& json, LengthTally& length) {
  add(json.at(0), length.traces);
  add(json.at(1), length.states);
}

// Of lists along a trace, which are as long as the longest trace, and of such that are always of one length.
ordered_json list_counts(const auto& values) {
  auto json = ordered_json::array();
  for (const auto& value : values) json.push_back(to_counts(value));
  return json;
}
template <typename Value>
void add_list(const ordered_json& json, std::vector<Value>& values) {
  if (json.size() > most_places) throw Error("a list has {} places", json.size());
  if (values.size() < json.size()) values.resize(json.size());
  for (size_t i = 0; i < json.size(); ++i) add(json.at(i), values[i]);
}
void add_fixed(const ordered_json& json, auto& values) {
  if (json.size() != values.size()) throw Error("a list has {} places, not {}", json.size(), values.size());
  for (size_t i = 0; i < json.size(); ++i) add(json.at(i), values[i]);
}

// By name.
ordered_json map_counts(const auto& values) {
  auto json = ordered_json::object();
  for (const auto& [name, value] : values) json[name] = to_counts(value);
  return json;
}
void add_map(const ordered_json& json, auto& values) {
  for (const auto& [name, value] : json.items()) add(value, values[name]);
}

// The simple members of the scores, by the names that they have in the JSON.
template <typename OfScores, typename Function>
void for_each_number(OfScores& s, Function function) {
  function("bytes", s.bytes);
  function("states", s.states);
  function("traces", s.traces);
  function("ends", s.ends);
  function("changed", s.changed);
  function("unchanged", s.unchanged);
  function("branches", s.instructions.branches);
  function("writes", s.instructions.writes);
  function("missing_states", s.missing_states);
  function("surplus_states", s.surplus_states);
  function("early_ends", s.early_ends);
  function("late_ends", s.late_ends);
  function("nats", s.nats);
  function("nats_bytes", s.nats_bytes);
}
template <typename OfScores, typename Function>
void for_each_map(OfScores& s, Function function) {
  function("by_form", s.by_form);
  function("first_error_by_form", s.first_error_by_form);
  function("by_operation", s.instructions.by_operation);
  function("by_group", s.instructions.by_group);
}
template <typename OfScores, typename Function>
void for_each_list(OfScores& s, Function function) {
  function("by_step", s.by_step);
  function("first_error", s.first_error);
  function("after_error", s.after_error);
}
// Lists of one length.
template <typename OfScores, typename Function>
void for_each_table(OfScores& s, Function function) {
  function("by_field", s.by_field);
  function("confidence_right", s.confidence.right);
  function("confidence_wrong", s.confidence.wrong);
  function("confidence_right_sum", s.confidence.right_sum);
  function("confidence_wrong_sum", s.confidence.wrong_sum);
}

ordered_json example_counts(const Example& example) {
  auto predicted = ordered_json::array();
  for (const auto& record : example.predicted) predicted.push_back(hex(record));
  return {{"trace", example.trace},
          {"wrong_bytes", example.wrong_bytes},
          {"first_error", example.first_error},
          {"end", static_cast<int>(example.end)},
          {"truth", hex(example.truth)},
          {"predicted", std::move(predicted)}};
}

Example example_of(const ordered_json& json, const Layout& layout) {
  Example example{count(json.at("trace")),
                  count(json.at("wrong_bytes")),
                  count(json.at("first_error")),
                  bytes_of(json.at("truth")),
                  {},
                  {}};
  const auto end = count(json.at("end"));
  if (end > static_cast<int>(End::late)) throw Error("an example has no such end");
  example.end = static_cast<End>(end);
  const auto record = static_cast<size_t>(layout.record_bytes);
  const auto start = static_cast<size_t>(layout.start_bytes());
  if (example.truth.size() < start || (example.truth.size() - start) % record != 0) {
    throw Error("an example is no trace");
  }
  for (const auto& text : json.at("predicted")) {
    const auto& bytes = example.predicted.emplace_back(bytes_of(text));
    if (!bytes.empty() && bytes.size() != record)
      throw Error("an example's record has {} bytes", bytes.size());
  }
  return example;
}

ordered_json row_counts(const ExhaustiveRow& row) {
  ordered_json json = {
      {"operation", row.operation},       {"form", row.form},   {"same_register", row.same_register},
      {"operands", row.operands},         {"cases", row.cases}, {"values", row.wrong.size()},
      {"results", to_counts(row.results)}};
  auto& wrong = json["wrong"] = ordered_json::array();
  for (size_t i = 0; i < row.wrong.size(); ++i) {
    if (row.wrong[i] > 0) wrong.push_back(i);
  }
  auto& examples = json["examples"] = ordered_json::array();
  for (const WrongCase& example : row.examples) {
    examples.push_back({{"number", example.number},
                        {"instruction", example.instruction},
                        {"before", hex(example.before)},
                        {"expected", hex(example.expected)},
                        {"predicted", hex(example.predicted)}});
  }
  return json;
}

// A row as it is before anything is counted.
ExhaustiveRow empty_row(const ordered_json& json) {
  ExhaustiveRow row;
  row.operation = json.at("operation").get<std::string>();
  row.form = json.at("form").get<std::string>();
  row.same_register = json.at("same_register").get<bool>();
  row.operands = json.at("operands").get<std::vector<std::string>>();
  row.cases = count(json.at("cases"));
  const auto values = count(json.at("values"));
  if (values > 1 << 16) throw Error("a form has {} values", values);
  row.wrong.resize(static_cast<size_t>(values));
  return row;
}

bool is_of(const ordered_json& json, const ExhaustiveRow& row) {
  const auto other = empty_row(json);
  return other.label() == row.label() && other.operation == row.operation && other.operands == row.operands &&
         other.cases == row.cases && other.wrong.size() == row.wrong.size();
}

void add_row(const ordered_json& json, ExhaustiveRow& row) {
  add(json.at("results"), row.results);
  for (const auto& value : json.at("wrong")) {
    const auto index = static_cast<size_t>(count(value));
    if (index >= row.wrong.size()) throw Error("{} has no value {}", row.label(), index);
    row.wrong[index] = 1;
  }
  for (const auto& example : json.at("examples")) {
    row.examples.push_back({count(example.at("number")), example.at("instruction").get<std::string>(),
                            bytes_of(example.at("before")), bytes_of(example.at("expected")),
                            bytes_of(example.at("predicted"))});
  }
  std::ranges::sort(row.examples, {}, &WrongCase::number);
  if (row.examples.size() > ExhaustiveRow::most_examples) row.examples.resize(ExhaustiveRow::most_examples);
}

}  // namespace

ordered_json counts_json(const Scores& scores) {
  ordered_json json;
  for_each_number(scores, [&](const char* name, const auto& value) { json[name] = to_counts(value); });
  for_each_map(scores, [&](const char* name, const auto& values) { json[name] = map_counts(values); });
  for_each_list(scores, [&](const char* name, const auto& values) { json[name] = list_counts(values); });
  for_each_table(scores, [&](const char* name, const auto& values) { json[name] = list_counts(values); });
  auto& lengths = json["by_length"] = ordered_json::array();
  for (const auto& [length, tally] : scores.by_length) lengths.push_back({length, to_counts(tally)});
  auto& worst = json["worst"] = ordered_json::array();
  for (const Example& example : scores.worst) worst.push_back(example_counts(example));
  return json;
}

void add_counts(const ordered_json& json, Scores& scores) {
  for_each_number(scores, [&](const char* name, auto& value) { add(json.at(name), value); });
  for_each_map(scores, [&](const char* name, auto& values) { add_map(json.at(name), values); });
  for_each_list(scores, [&](const char* name, auto& values) { add_list(json.at(name), values); });
  for_each_table(scores, [&](const char* name, auto& values) { add_fixed(json.at(name), values); });
  for (const auto& item : json.at("by_length")) {
    const auto length = count(item.at(0));
    if (length > most_places) throw Error("a trace has {} states", length);
    add(item.at(1), scores.by_length[length]);
  }
  for (const auto& example : json.at("worst")) scores.add(example_of(example, scores.layout));
}

ordered_json counts_json(const ExhaustiveScores& scores) {
  auto rows = ordered_json::array();
  for (const ExhaustiveRow& row : scores.rows) rows.push_back(row_counts(row));
  return {{"rows", std::move(rows)}};
}

void add_counts(const ordered_json& json, ExhaustiveScores& scores) {
  const auto& rows = json.at("rows");
  if (scores.rows.empty()) {
    for (const auto& row : rows) scores.rows.push_back(empty_row(row));
  }
  bool same = rows.size() == scores.rows.size();
  for (size_t i = 0; same && i < rows.size(); ++i) same = is_of(rows.at(i), scores.rows[i]);
  if (!same) throw Error("its forms are others");
  scores.results = {};
  for (size_t i = 0; i < rows.size(); ++i) {
    add_row(rows.at(i), scores.rows[i]);
    scores.results += scores.rows[i].results;
  }
}

}  // namespace bytecpu
