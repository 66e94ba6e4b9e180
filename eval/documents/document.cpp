#include "eval/documents/document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

namespace bytecpu {

namespace {

using nlohmann::ordered_json;

constexpr int64_t rows_before_error = 3, most_rows = 64;  // of an example
constexpr int64_t most_bins = 32;                         // of a breakdown along the trace

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

ordered_json hex_or_null(std::span<const uint8_t> bytes) {
  return bytes.empty() ? ordered_json() : ordered_json(hex(bytes));
}

// A state of an example, the true and the predicted record; empty where there is none.
ordered_json example_row(int64_t step, std::span<const uint8_t> image, std::span<const uint8_t> truth,
                         std::span<const uint8_t> predicted, const Machine& machine) {
  std::optional<size_t> line;
  if (step > 0 && !truth.empty()) line = machine.instruction_line(image, truth);
  return {{"step", step},
          {"instruction", step == 0 || truth.empty() ? "" : machine.describe(truth).text},
          {"line", line ? ordered_json(*line) : ordered_json()},
          {"truth", hex_or_null(truth)},
          {"predicted", hex_or_null(predicted)}};
}

ordered_json to_json(const Example& example, const Machine& machine) {
  const Trace truth(machine.layout(), example.truth);
  const auto predicted = static_cast<int64_t>(example.predicted.size());
  const int64_t first = std::max<int64_t>(0, example.first_error - rows_before_error);
  const int64_t last = std::min(std::max(truth.states(), predicted), first + most_rows - 1);
  auto rows = ordered_json::array();
  for (int64_t t = first; t <= last; ++t) {
    std::span<const uint8_t> true_record, predicted_record;
    if (t <= truth.states()) true_record = truth.record(t);
    if (t == 0)
      predicted_record = true_record;  // it is given
    else if (t <= predicted)
      predicted_record = example.predicted[static_cast<size_t>(t - 1)];
    rows.push_back(example_row(t, truth.image(), true_record, predicted_record, machine));
  }
  return {{"trace", example.trace},
          {"program", machine.disassemble(truth.image())},
          {"states", truth.states()},
          {"first_error", example.first_error},
          {"wrong_bytes", example.wrong_bytes},
          {"end", to_string(example.end)},
          {"rows", std::move(rows)}};
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

Rate rate_of_bytes(const Tally& tally, int record_bytes) {
  const int64_t bytes = tally.states * record_bytes;
  return {bytes - tally.wrong_bytes, bytes};
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
        return ordered_json{{"states", to_json(bin.rate())},
                            {"bytes", to_json(rate_of_bytes(bin, record_bytes))}};
      });
  return json;
}

ordered_json by_form_json(const Scores& scores) {
  auto rows = ordered_json::array();
  for (const auto& [form, tally] : scores.by_form) {
    ordered_json row = {{"form", form}};
    row.update(to_json(tally.rate()));
    row["wrong_bytes"] = tally.wrong_bytes;
    const auto first = scores.first_error_by_form.find(form);
    row["first_errors"] = first == scores.first_error_by_form.end() ? 0 : first->second;
    rows.push_back(std::move(row));
  }
  return rows;
}

// Rows {name: key, rate} of pairs (key, rate).
ordered_json rates_json(const char* name, const auto& rates) {
  auto rows = ordered_json::array();
  for (const auto& [key, rate] : rates) {
    ordered_json row = {{name, key}};
    row.update(to_json(rate));
    rows.push_back(std::move(row));
  }
  return rows;
}

ordered_json by_field_json(const Scores& scores) {
  std::vector<std::pair<std::string, Rate>> rates;
  for (size_t f = 0; f < scores.by_field.size(); ++f)
    rates.emplace_back(scores.layout.fields[f].name, scores.by_field[f]);
  return rates_json("field", rates);
}

ordered_json by_length_json(const Scores& scores) {
  const auto& lengths = scores.by_length;
  if (lengths.empty()) return ordered_json::array();
  return binned<LengthTally>(
      lengths.begin()->first, lengths.rbegin()->first,
      [&](LengthTally& bin, int64_t n) {
        const auto found = lengths.find(n);
        if (found == lengths.end()) return;
        bin.traces += found->second.traces;
        bin.states += found->second.states;
      },
      [&](const LengthTally& bin) {
        return ordered_json{{"traces", to_json(bin.traces)},
                            {"states", to_json(bin.states.rate())},
                            {"bytes", to_json(rate_of_bytes(bin.states, scores.layout.record_bytes))}};
      });
}

ordered_json mean_or_null(double sum, int64_t count) {
  return count ? ordered_json(sum / static_cast<double>(count)) : ordered_json();
}

// The mean confidence over all bins.
ordered_json mean_confidence(const auto& sums, const auto& counts) {
  ExactSum all;
  for (const ExactSum& sum : sums) all += sum;
  return mean_or_null(all.value(), std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

ordered_json to_json(const ConfidenceHistogram& confidence) {
  const auto right = mean_confidence(confidence.right_sum, confidence.right);
  const auto wrong = mean_confidence(confidence.wrong_sum, confidence.wrong);
  if (right.is_null() && wrong.is_null()) return nullptr;
  auto bins = ordered_json::array();
  for (size_t i = 0; i < confidence.right.size(); ++i) {
    const Rate rate{confidence.right[i], confidence.right[i] + confidence.wrong[i]};
    ordered_json bin = {{"from", ConfidenceHistogram::edges[i]}, {"to", ConfidenceHistogram::edges[i + 1]}};
    bin.update(to_json(rate));
    bin["mean_confidence"] =
        mean_or_null(confidence.right_sum[i].value() + confidence.wrong_sum[i].value(), rate.total);
    bins.push_back(std::move(bin));
  }
  return {{"mean_right", right},
          {"mean_wrong", wrong},
          {"calibration_error", confidence.calibration_error()},
          {"bins", std::move(bins)}};
}

// Whether any case of each operand value is wrong, a bit a value, the first one the highest of its byte.
std::vector<uint8_t> wrong_bitmap(const ExhaustiveRow& row) {
  std::vector<uint8_t> bits(row.wrong.size() / 8);
  for (size_t i = 0; i < row.wrong.size(); ++i)
    bits[i / 8] |= static_cast<uint8_t>((row.wrong[i] > 0) << (7 - i % 8));
  return bits;
}

ordered_json to_json(const ExhaustiveRow& row) {
  ordered_json form = {{"form", row.label()},
                       {"operands", row.operands},
                       {"cases", row.cases > 0 ? ordered_json(row.cases) : ordered_json()},
                       {"results", to_json(row.results)}};
  if (row.results.wrong() > 0 && row.wrong.size() > 1) form["wrong_values"] = hex(wrong_bitmap(row));
  auto& examples = form["examples"] = ordered_json::array();
  for (const WrongCase& wrong : row.examples) {
    examples.push_back({{"instruction", wrong.instruction},
                        {"before", hex(wrong.before)},
                        {"expected", hex_or_null(wrong.expected)},
                        {"predicted", hex_or_null(wrong.predicted)}});
  }
  return form;
}

}  // namespace

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
  const int record_bytes = scores.layout.record_bytes;
  auto json = headline(scores);
  json["missing_states"] = scores.missing_states;
  json["surplus_states"] = scores.surplus_states;
  json["early_ends"] = scores.early_ends;
  json["late_ends"] = scores.late_ends;
  json["bits_per_byte"] = scores.nats_bytes ? ordered_json(scores.bits_per_byte()) : ordered_json();
  json["by_form"] = by_form_json(scores);
  json["by_operation"] = rates_json("operation", scores.instructions.by_operation);
  json["by_group"] = rates_json("group", scores.instructions.by_group);
  json["by_field"] = by_field_json(scores);
  json["by_step"] = along(scores.by_step, 1, record_bytes);
  json["by_length"] = by_length_json(scores);
  json["first_error"] = scores.first_error;
  if (scores.mode == Mode::rollout) json["after_error"] = along(scores.after_error, 0, record_bytes);
  json["confidence"] = to_json(scores.confidence);
  auto& examples = json["examples"] = ordered_json::array();
  for (const Example& example : scores.worst) examples.push_back(to_json(example, machine));
  return json;
}

ordered_json to_json(const ExhaustiveScores& scores) {
  ordered_json json = {{"results", to_json(scores.results)},
                       {"by_operation", rates_json("operation", scores.by_operation())}};
  auto& forms = json["forms"] = ordered_json::array();
  for (const ExhaustiveRow& row : scores.rows) forms.push_back(to_json(row));
  return json;
}

}  // namespace bytecpu
