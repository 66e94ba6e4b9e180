#include "eval/document.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "datagen/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace {

using nlohmann::ordered_json;

constexpr int64_t rows_before_error = 3, most_rows = 64;
constexpr size_t most_lines = 12;  // of a table of errors

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

ordered_json hex_or_null(std::span<const uint8_t> bytes) {
  return bytes.empty() ? ordered_json() : ordered_json(hex(bytes));
}

ordered_json to_json(const Example& example, const Machine& machine) {
  const Layout& layout = machine.layout();
  const auto record = static_cast<size_t>(layout.record_bytes);
  const std::span truth(example.truth);
  const auto states = truth.subspan(static_cast<size_t>(layout.memory_bytes));
  const int64_t n = static_cast<int64_t>(states.size() / record) - 1;
  const auto predicted = static_cast<int64_t>(example.predicted.size());
  const int64_t first = std::max<int64_t>(0, example.first_error - rows_before_error);
  auto rows = ordered_json::array();
  for (int64_t t = first; t <= std::min(std::max(n, predicted), first + most_rows - 1); ++t) {
    const auto true_record =
        t <= n ? states.subspan(static_cast<size_t>(t) * record, record) : states.first(0);
    const std::span<const uint8_t> predicted_record =
        t == 0           ? true_record
        : t <= predicted ? std::span(example.predicted[static_cast<size_t>(t - 1)])
                         : states.first(0);
    rows.push_back({{"step", t},
                    {"instruction", true_record.empty() ? "" : machine.instruction_text(true_record)},
                    {"truth", hex_or_null(true_record)},
                    {"predicted", hex_or_null(predicted_record)}});
  }
  return {{"trace", example.trace},
          {"program", machine.disassemble(truth.first(static_cast<size_t>(layout.memory_bytes)))},
          {"states", n},
          {"first_error", example.first_error},
          {"wrong_bytes", example.wrong_bytes},
          {"end", to_string(example.end)},
          {"rows", std::move(rows)}};
}

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), 1, ',');
  return text;
}

Rate rate_of(const ordered_json& json) { return {json.at("right"), json.at("total")}; }

// Decimals of a percentage that show an error rate's two leading digits.
int decimals(double error) {
  return error <= 0 ? 2 : std::clamp(1 - static_cast<int>(std::floor(std::log10(error * 100))), 2, 12);
}

std::string percent(double accuracy, double error, int digits) {
  return error == 0 ? "100 %" : fmt::format("{:.{}f} %", accuracy * 100, digits);
}

void rate_line(std::string& text, std::string_view name, const Rate& rate) {
  if (rate.total == 0) return;
  const auto [low, high] = rate.interval();
  const int digits = decimals(std::max(1 - low, 1e-12));
  text += fmt::format("  {:<10}{:>15} of {:<15}{:>16}   {:.{}f} … {}\n", name, grouped(rate.right),
                      grouped(rate.total), accuracy_text(rate), low * 100, digits,
                      percent(high, 1 - high, digits));
}

// Lines "name  wrong of total  rate", the highest rates first; nothing where nothing is wrong.
void error_lines(std::string& text, std::string_view title, std::vector<std::pair<std::string, Rate>> rows) {
  const size_t all = rows.size();
  std::erase_if(rows, [](const auto& row) { return row.second.wrong() == 0; });
  if (rows.empty()) return;
  std::ranges::stable_sort(
      rows, [](const auto& a, const auto& b) { return a.second.accuracy() < b.second.accuracy(); });
  text += fmt::format("  errors {} ({} of {} have any)\n", title, rows.size(), all);
  for (size_t i = 0; i < std::min(rows.size(), most_lines); ++i) {
    const auto& [name, rate] = rows[i];
    text += fmt::format("    {:<18}{:>13} of {:<15}{:>11.3g} %\n", name, grouped(rate.wrong()),
                        grouped(rate.total), 100 * (1 - rate.accuracy()));
  }
  if (rows.size() > most_lines) text += fmt::format("    and {} more\n", rows.size() - most_lines);
}

void mode_text(std::string& text, const std::string& name, const ordered_json& mode) {
  text += fmt::format("\n{}{:>{}}{:>28}   95 % interval\n", name == "step" ? "step, teacher-forced" : name,
                      "right of total", name == "step" ? 22 : 42 - static_cast<int>(name.size()), "accuracy");
  for (const char* what : {"bytes", "results", "states", "traces", "ends", "branches", "writes"}) {
    if (mode.contains(what)) rate_line(text, what, rate_of(mode.at(what)));
  }
  std::vector<std::pair<std::string, Rate>> forms;
  if (mode.contains("forms")) {
    for (const auto& row : mode.at("forms")) forms.emplace_back(row.at("form"), rate_of(row.at("results")));
    return error_lines(text, "by form", std::move(forms));
  }
  if (!mode.at("bits_per_byte").is_null())
    text += fmt::format("  bits per byte {:.3g}\n", mode.at("bits_per_byte").get<double>());
  const int64_t missing = mode.at("missing_states"), surplus = mode.at("surplus_states");
  const int64_t early = mode.at("early_ends"), late = mode.at("late_ends");
  if (missing + surplus + early + late > 0) {
    text += fmt::format("  ended early {}, late or never {}; states missing {}, surplus {}\n", grouped(early),
                        grouped(late), grouped(missing), grouped(surplus));
  }
  for (const auto& row : mode.at("by_form")) forms.emplace_back(row.at("form"), rate_of(row));
  error_lines(text, "by form", std::move(forms));
  std::vector<std::pair<std::string, Rate>> groups;
  for (const auto& row : mode.at("by_group")) groups.emplace_back(row.at("group"), rate_of(row));
  error_lines(text, "by group", std::move(groups));
  std::vector<std::pair<std::string, Rate>> fields;
  for (const auto& row : mode.at("by_field")) fields.emplace_back(row.at("field"), rate_of(row));
  error_lines(text, "by field", std::move(fields));
}

}  // namespace

std::string accuracy_text(const Rate& rate) {
  const double error = rate.total ? static_cast<double>(rate.wrong()) / static_cast<double>(rate.total) : 1;
  return percent(rate.accuracy(), error, decimals(error));
}

ordered_json to_json(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return {{"right", rate.right},
          {"total", rate.total},
          {"wrong", rate.wrong()},
          {"accuracy", rate.total ? ordered_json(rate.accuracy()) : ordered_json()},
          {"interval", {low, high}}};
}

ordered_json to_json(const Scores& scores, const Machine& machine) {
  ordered_json json = {
      {"traces", to_json(scores.traces)},
      {"states", to_json(scores.states)},
      {"bytes", to_json(scores.bytes)},
      {"ends", to_json(scores.ends)},
      {"missing_states", scores.missing_states},
      {"surplus_states", scores.surplus_states},
      {"early_ends", scores.early_ends},
      {"late_ends", scores.late_ends},
      {"bits_per_byte", scores.nats_bytes ? ordered_json(scores.bits_per_byte()) : ordered_json()}};
  auto& forms = json["by_form"] = ordered_json::array();
  for (const auto& [form, tally] : scores.by_form) {
    ordered_json row = {{"form", form}};
    row.update(to_json(Rate{tally.states - tally.wrong_states, tally.states}));
    row["wrong_bytes"] = tally.wrong_bytes;
    forms.push_back(std::move(row));
  }
  for (const auto& [key, name, rates] :
       {std::tuple{"by_operation", "operation", &scores.instructions.by_operation},
        {"by_group", "group", &scores.instructions.by_group}}) {
    auto& rows = json[key] = ordered_json::array();
    for (const auto& [value, rate] : *rates) {
      ordered_json row = {{name, value}};
      row.update(to_json(rate));
      rows.push_back(std::move(row));
    }
  }
  json["branches"] = to_json(scores.instructions.branches);
  json["writes"] = to_json(scores.instructions.writes);
  auto& fields = json["by_field"] = ordered_json::array();
  for (size_t f = 0; f < scores.by_field.size(); ++f) {
    ordered_json row = {{"field", scores.layout.fields[f].name}};
    row.update(to_json(scores.by_field[f]));
    fields.push_back(std::move(row));
  }
  auto& steps = json["by_step"] = {{"states", ordered_json::array()},
                                   {"wrong_states", ordered_json::array()},
                                   {"wrong_bytes", ordered_json::array()}};
  for (const Tally& tally : scores.by_step) {
    steps["states"].push_back(tally.states);
    steps["wrong_states"].push_back(tally.wrong_states);
    steps["wrong_bytes"].push_back(tally.wrong_bytes);
  }
  json["first_error"] = scores.first_error;
  const auto& confidence = scores.confidence;
  json["confidence"] = nullptr;
  if (std::ranges::any_of(confidence.right, std::identity()) ||
      std::ranges::any_of(confidence.wrong, std::identity())) {
    json["confidence"] = {
        {"edges", ConfidenceHistogram::edges}, {"right", confidence.right}, {"wrong", confidence.wrong}};
  }
  auto& examples = json["examples"] = ordered_json::array();
  for (const Example& example : scores.worst) examples.push_back(to_json(example, machine));
  return json;
}

ordered_json to_json(const ExhaustiveScores& scores) {
  ordered_json json = {{"results", to_json(scores.results)}, {"traces", to_json(scores.traces)}};
  auto& forms = json["forms"] = ordered_json::array();
  for (const ExhaustiveRow& row : scores.rows) {
    ordered_json form = {{"form", row.label()},
                         {"operands", row.operands},
                         {"results", to_json(row.results)},
                         {"traces", to_json(row.traces)}};
    if (row.results.wrong() > 0 && row.wrong.size() > 1) {
      std::vector<uint8_t> bits(row.wrong.size() / 8);
      for (size_t i = 0; i < row.wrong.size(); ++i)
        bits[i / 8] |= static_cast<uint8_t>((row.wrong[i] > 0) << (7 - i % 8));
      form["wrong_values"] = hex(bits);
    }
    auto& examples = form["examples"] = ordered_json::array();
    for (const WrongCase& wrong : row.examples) {
      examples.push_back({{"instruction", wrong.instruction},
                          {"before", hex(wrong.before)},
                          {"expected", hex_or_null(wrong.expected)},
                          {"predicted", hex_or_null(wrong.predicted)}});
    }
    forms.push_back(std::move(form));
  }
  return json;
}

ordered_json read_training_metrics(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  auto lines = ordered_json::array();
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == text.npos) break;
    ++number;
    const auto line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    auto json = ordered_json::parse(line, nullptr, false);
    if (!json.is_object()) throw Error("{}:{}: not a JSON object", file.string(), number);
    lines.push_back(std::move(json));
  }
  return lines;
}

std::string summary(const ordered_json& document) {
  const auto& data = document.at("data");
  const auto& layout = data.at("layout");
  std::string text = fmt::format("{} on {}", document.at("predictor").at("name").get<std::string>(),
                                 data.at("source").get<std::string>());
  text += fmt::format(" ({}, {} bytes of memory)", layout.at("machine").get<std::string>(),
                      grouped(layout.at("memory_bytes")));
  if (data.contains("traces")) {
    text += fmt::format(": {} {} traces, {} states", grouped(data.at("traces")),
                        data.at("split").get<std::string>(), grouped(data.at("states")));
  }
  text += '\n';
  for (const auto& [name, mode] : document.at("modes").items()) mode_text(text, name, mode);
  return text;
}

}  // namespace bytecpu
