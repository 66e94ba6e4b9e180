#include "eval/documents/document.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <tuple>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace {

using nlohmann::ordered_json;

constexpr int64_t rows_before_error = 3, most_rows = 64;
constexpr size_t most_lines = 12;       // of a table of errors
constexpr size_t most_cases_shown = 3;  // of each form, in the text
constexpr int64_t most_bins = 32;       // of a breakdown along the trace

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
  const auto image = truth.first(static_cast<size_t>(layout.memory_bytes));
  const auto states = truth.subspan(image.size());
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
    const auto line =
        t == 0 || true_record.empty() ? std::nullopt : machine.instruction_line(image, true_record);
    rows.push_back({{"step", t},
                    {"instruction", true_record.empty() ? "" : machine.describe(true_record).text},
                    {"line", line ? ordered_json(*line) : ordered_json()},
                    {"truth", hex_or_null(true_record)},
                    {"predicted", hex_or_null(predicted_record)}});
  }
  return {{"trace", example.trace},
          {"program", machine.disassemble(image)},
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

// At most most_bins bins of equal width over values [first …], for each of which add(bin, i) is called.
template <typename Bin, typename Add, typename Done>
ordered_json binned(int64_t first, int64_t last, Add add, Done done) {
  auto bins = ordered_json::array();
  const int64_t width = std::max<int64_t>(1, (last - first + most_bins) / most_bins);
  for (int64_t from = first; from <= last; from += width) {
    Bin bin{};
    const int64_t to = std::min(from + width - 1, last);
    for (int64_t i = from; i <= to; ++i) add(bin, i);
    ordered_json json = {{"first", from}, {"last", to}};
    json.update(done(bin));
    bins.push_back(std::move(json));
  }
  return bins;
}

// Along a trace: arrays of counts, the first element for place `first`, and bins of them as rates.
ordered_json along(const std::vector<Tally>& tallies, int64_t first, int record_bytes) {
  ordered_json json = {{"states", ordered_json::array()},
                       {"wrong_states", ordered_json::array()},
                       {"wrong_bytes", ordered_json::array()}};
  for (const Tally& tally : tallies) {
    json["states"].push_back(tally.states);
    json["wrong_states"].push_back(tally.wrong_states);
    json["wrong_bytes"].push_back(tally.wrong_bytes);
  }
  json["bins"] = binned<Tally>(
      first, first + static_cast<int64_t>(tallies.size()) - 1,
      [&](Tally& bin, int64_t i) { bin += tallies[static_cast<size_t>(i - first)]; },
      [&](const Tally& bin) {
        const int64_t bytes = bin.states * record_bytes;
        return ordered_json{{"states", to_json(bin.rate())},
                            {"bytes", to_json(Rate{bytes - bin.wrong_bytes, bytes})}};
      });
  return json;
}

Rate rate_of(const ordered_json& json) { return {json.at("right"), json.at("total")}; }

// Decimals of a percentage that show an error rate's two leading digits.
int decimals(double error) {
  return error <= 0 ? 2 : std::clamp(1 - static_cast<int>(std::floor(std::log10(error * 100))), 2, 12);
}

// "100 %" only of no error at all.
std::string percent(double accuracy, double error) {
  return error <= 0 ? "100 %" : fmt::format("{:.{}f} %", accuracy * 100, decimals(error));
}

std::string interval_text(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return fmt::format("{:.{}f} … {}", low * 100, decimals(1 - low),
                     percent(high, rate.wrong() ? 1 - high : 0));
}

// A share of errors: "0.12 %", "all".
std::string share_text(double share) {
  if (share >= 1) return "all";
  return share > 0.995 ? "> 99.5 %" : fmt::format("{:.2g} %", 100 * share);
}

// Of the share of errors: "0.1 % … 0.3 %"; where there are none, the bound that so many allow.
std::string error_interval_text(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return rate.wrong() == 0 ? "< " + share_text(1 - low) : share_text(1 - high) + " … " + share_text(1 - low);
}

void rate_line(std::string& text, std::string_view name, const Rate& rate) {
  if (rate.total == 0) return;
  text += fmt::format("  {:<16}{:>13} of {:<13}{:>14}   {}", name, grouped(rate.right), grouped(rate.total),
                      accuracy_text(rate), interval_text(rate));
  if (rate.wrong() == 0) text += "; error rate " + error_interval_text(rate);
  text += '\n';
}

// Lines "name  wrong of total  rate  interval", the highest rates first; nothing where nothing is wrong.
void error_lines(std::string& text, std::string_view title, std::vector<std::pair<std::string, Rate>> rows) {
  const size_t all = rows.size();
  std::erase_if(rows, [](const auto& row) { return row.second.wrong() == 0; });
  if (rows.empty()) return;
  std::ranges::stable_sort(
      rows, [](const auto& a, const auto& b) { return a.second.accuracy() < b.second.accuracy(); });
  text += fmt::format("  errors {} ({} of {} have any)\n", title, rows.size(), all);
  for (size_t i = 0; i < std::min(rows.size(), most_lines); ++i) {
    const auto& [name, rate] = rows[i];
    text += fmt::format("    {:<18}{:>13} of {:<13}{:>9}   {}\n", name, grouped(rate.wrong()),
                        grouped(rate.total), share_text(1 - rate.accuracy()), error_interval_text(rate));
  }
  if (rows.size() > most_lines) text += fmt::format("    and {} more\n", rows.size() - most_lines);
}

std::vector<std::pair<std::string, Rate>> named_rates(const ordered_json& rows, const char* name) {
  std::vector<std::pair<std::string, Rate>> rates;
  for (const auto& row : rows) rates.emplace_back(row.at(name), rate_of(row));
  return rates;
}

// "12 … 15", "12"
std::string range_text(const ordered_json& bin) {
  const int64_t first = bin.at("first"), last = bin.at("last");
  return first == last ? fmt::to_string(first) : fmt::format("{} … {}", first, last);
}

void exhaustive_text(std::string& text, const ordered_json& mode) {
  text +=
      fmt::format("\n{:<22}{:>11}{:>12}{:>11}   95 % interval\n", "exhaustive", "cases", "wrong", "share");
  for (const auto& form : mode.at("forms")) {
    const Rate rate = rate_of(form.at("results"));
    text += fmt::format("  {:<20}{:>11}{:>12}{:>11}   {}\n", form.at("form").get<std::string>(),
                        grouped(rate.total), rate.wrong() ? grouped(rate.wrong()) : "none",
                        rate.wrong() ? share_text(1 - rate.accuracy()) : "", error_interval_text(rate));
    size_t shown = 0;
    for (const auto& wrong : form.at("examples")) {
      if (shown++ == most_cases_shown) break;
      const auto record = [&](const char* name) {
        return wrong.at(name).is_null() ? std::string("the end") : wrong.at(name).get<std::string>();
      };
      text += fmt::format("      {} after {}: {}, predicted {}\n", wrong.at("instruction").get<std::string>(),
                          record("before"), record("expected"), record("predicted"));
    }
  }
}

void mode_text(std::string& text, const std::string& name, const ordered_json& mode) {
  text += fmt::format("\n{:<22}{:>14}{:>25}   95 % interval\n",
                      name == "step" ? "step, teacher-forced" : name, "right of total", "accuracy");
  for (const char* what :
       {"bytes", "changed", "unchanged", "states", "traces", "ends", "branches", "writes"}) {
    const bool part = what == std::string_view("changed") || what == std::string_view("unchanged");
    rate_line(text, part ? fmt::format("{} bytes", what) : what, rate_of(mode.at(what)));
  }
  if (mode.contains("baselines")) {
    for (const auto& [baseline, rates] : mode.at("baselines").items()) {
      for (const char* what : {"bytes", "states", "traces"})
        rate_line(text, fmt::format("{}: {}", baseline, what), rate_of(rates.at(what)));
    }
  }
  if (!mode.at("bits_per_byte").is_null())
    text += fmt::format("  bits per byte {:.3g}\n", mode.at("bits_per_byte").get<double>());
  if (const auto& confidence = mode.at("confidence"); !confidence.is_null()) {
    const auto mean = [&](const char* which) {
      const auto& value = confidence.at(which);
      return value.is_null() ? std::string("–") : fmt::format("{:.6g}", value.get<double>());
    };
    text +=
        fmt::format("  mean confidence of right states {}, of wrong ones {}; calibration error {:.2g}\n",
                    mean("mean_right"), mean("mean_wrong"), confidence.at("calibration_error").get<double>());
  }
  const int64_t missing = mode.at("missing_states"), surplus = mode.at("surplus_states");
  const int64_t early = mode.at("early_ends"), late = mode.at("late_ends");
  if (missing + surplus + early + late > 0) {
    text += fmt::format("  ended early {}, late or never {}; states missing {}, surplus {}\n", grouped(early),
                        grouped(late), grouped(missing), grouped(surplus));
  }
  error_lines(text, "by form", named_rates(mode.at("by_form"), "form"));
  error_lines(text, "by group", named_rates(mode.at("by_group"), "group"));
  error_lines(text, "by field", named_rates(mode.at("by_field"), "field"));
  const auto bins = [&](const char* title, const ordered_json& list, const char* rate) {
    std::vector<std::pair<std::string, Rate>> rows;
    for (const auto& bin : list) rows.emplace_back(range_text(bin), rate_of(bin.at(rate)));
    error_lines(text, title, std::move(rows));
  };
  bins("by state, counted from 1", mode.at("by_step").at("bins"), "states");
  bins("by states of the program", mode.at("by_length"), "states");
  if (mode.contains("after_error"))
    bins("by states after the first error", mode.at("after_error").at("bins"), "states");
}

}  // namespace

std::string accuracy_text(const Rate& rate) {
  const double error = rate.total ? static_cast<double>(rate.wrong()) / static_cast<double>(rate.total) : 1;
  return percent(rate.accuracy(), error);
}

ordered_json to_json(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return {{"right", rate.right},
          {"total", rate.total},
          {"wrong", rate.wrong()},
          {"accuracy", rate.total ? ordered_json(rate.accuracy()) : ordered_json()},
          {"interval", {low, high}}};
}

ordered_json headline(const Scores& scores) {
  ordered_json json;
  for (const auto& [name, rate] : {std::pair("traces", &scores.traces),
                                   {"states", &scores.states},
                                   {"bytes", &scores.bytes},
                                   {"changed", &scores.changed},
                                   {"unchanged", &scores.unchanged},
                                   {"ends", &scores.ends},
                                   {"branches", &scores.instructions.branches},
                                   {"writes", &scores.instructions.writes}}) {
    json[name] = to_json(*rate);
  }
  return json;
}

ordered_json to_json(const Scores& scores, const Machine& machine) {
  auto json = headline(scores);
  json.update(ordered_json{
      {"missing_states", scores.missing_states},
      {"surplus_states", scores.surplus_states},
      {"early_ends", scores.early_ends},
      {"late_ends", scores.late_ends},
      {"bits_per_byte", scores.nats_bytes ? ordered_json(scores.bits_per_byte()) : ordered_json()}});
  auto& forms = json["by_form"] = ordered_json::array();
  for (const auto& [form, tally] : scores.by_form) {
    ordered_json row = {{"form", form}};
    row.update(to_json(tally.rate()));
    row["wrong_bytes"] = tally.wrong_bytes;
    const auto first = scores.first_error_by_form.find(form);
    row["first_errors"] = first == scores.first_error_by_form.end() ? 0 : first->second;
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
  auto& fields = json["by_field"] = ordered_json::array();
  for (size_t f = 0; f < scores.by_field.size(); ++f) {
    ordered_json row = {{"field", scores.layout.fields[f].name}};
    row.update(to_json(scores.by_field[f]));
    fields.push_back(std::move(row));
  }
  const int record_bytes = scores.layout.record_bytes;
  json["by_step"] = along(scores.by_step, 1, record_bytes);
  auto& lengths = json["by_length"] = ordered_json::array();
  if (!scores.by_length.empty()) {
    lengths = binned<LengthTally>(
        scores.by_length.begin()->first, scores.by_length.rbegin()->first,
        [&](LengthTally& bin, int64_t n) {
          const auto found = scores.by_length.find(n);
          if (found == scores.by_length.end()) return;
          bin.traces += found->second.traces;
          bin.states += found->second.states;
        },
        [&](const LengthTally& bin) {
          const int64_t bytes = bin.states.states * record_bytes;
          return ordered_json{{"traces", to_json(bin.traces)},
                              {"states", to_json(bin.states.rate())},
                              {"bytes", to_json(Rate{bytes - bin.states.wrong_bytes, bytes})}};
        });
  }
  json["first_error"] = scores.first_error;
  if (scores.mode == Mode::rollout) json["after_error"] = along(scores.after_error, 0, record_bytes);
  const auto& confidence = scores.confidence;
  const auto mean = [](const auto& sums, const auto& counts) {
    const auto count = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
    return count ? ordered_json(sum / static_cast<double>(count)) : ordered_json();
  };
  json["confidence"] = nullptr;
  if (const auto right = mean(confidence.right_sum, confidence.right),
      wrong = mean(confidence.wrong_sum, confidence.wrong);
      !right.is_null() || !wrong.is_null()) {
    auto bins = ordered_json::array();
    for (size_t i = 0; i < confidence.right.size(); ++i) {
      ordered_json bin = {{"from", ConfidenceHistogram::edges[i]}, {"to", ConfidenceHistogram::edges[i + 1]}};
      const Rate rate{confidence.right[i], confidence.right[i] + confidence.wrong[i]};
      bin.update(to_json(rate));
      const double sum = confidence.right_sum[i] + confidence.wrong_sum[i];
      bin["mean_confidence"] =
          rate.total ? ordered_json(sum / static_cast<double>(rate.total)) : ordered_json();
      bins.push_back(std::move(bin));
    }
    json["confidence"] = {{"mean_right", right},
                          {"mean_wrong", wrong},
                          {"calibration_error", confidence.calibration_error()},
                          {"bins", std::move(bins)}};
  }
  auto& examples = json["examples"] = ordered_json::array();
  for (const Example& example : scores.worst) examples.push_back(to_json(example, machine));
  return json;
}

ordered_json to_json(const ExhaustiveScores& scores) {
  ordered_json json = {{"results", to_json(scores.results)}};
  auto& forms = json["forms"] = ordered_json::array();
  for (const ExhaustiveRow& row : scores.rows) {
    ordered_json form = {{"form", row.label()},
                         {"operands", row.operands},
                         {"cases", row.cases},
                         {"results", to_json(row.results)}};
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
  const auto& modes = document.at("modes");
  for (const auto& [name, mode] : modes.items()) {
    if (name != "exhaustive") mode_text(text, name, mode);
  }
  if (document.contains("files")) {
    const auto& problems = document.at("files").at("problems");
    if (!problems.empty()) text += fmt::format("\nfiles with a fault ({})\n", problems.size());
    for (const auto& problem : problems) {
      text += fmt::format("  {}: {}\n", problem.at("file").get<std::string>(),
                          problem.at("problem").get<std::string>());
    }
  }
  if (modes.contains("exhaustive")) {
    exhaustive_text(text, modes.at("exhaustive"));
    const Rate results = rate_of(modes.at("exhaustive").at("results"));
    text += fmt::format("\n{} of {} cases wrong\n", grouped(results.wrong()), grouped(results.total));
  }
  return text;
}

}  // namespace bytecpu
