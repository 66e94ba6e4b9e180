#include "eval/sweeps/exhaustive.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "eval/sweeps/cases.hpp"

namespace bytecpu {
namespace {

// The record that holds the instruction is record 1, and its result record 2.
constexpr int64_t result_record = 2;

void score_case(int64_t number, const Case& tested, const Trace& trace, const StepPrediction& prediction,
                ExhaustiveRow& row) {
  BYTECPU_CHECK(prediction.steps.size() == static_cast<size_t>(trace.record_bytes) &&
                prediction.ended.size() == 1);
  const bool ended = prediction.ended[0];
  const bool halts = trace.states() < result_record;  // it halts or faults: its result is the end
  const bool right =
      halts ? ended : !ended && std::ranges::equal(trace.record(result_record), prediction.steps);
  row.results.add(right);
  if (right) return;
  if (!row.wrong.empty()) ++row.wrong[tested.combination];
  if (row.examples.size() < ExhaustiveRow::most_examples) {
    const auto bytes = [](std::span<const uint8_t> span) { return std::vector(span.begin(), span.end()); };
    row.examples.push_back({number, tested.instruction, bytes(trace.record(result_record - 1)),
                            halts ? std::vector<uint8_t>() : bytes(trace.record(result_record)),
                            ended ? std::vector<uint8_t>() : prediction.steps});
  }
}

}  // namespace

std::string ExhaustiveRow::label() const { return form + (same_register ? " (same)" : ""); }

std::vector<std::pair<std::string, Rate>> ExhaustiveScores::by_operation() const {
  std::vector<std::pair<std::string, Rate>> all;
  for (const ExhaustiveRow& row : rows) {
    if (all.empty() || all.back().first != row.operation) all.emplace_back(row.operation, Rate{});
    all.back().second += row.results;
  }
  return all;
}

std::vector<CasesOfRow> exhaustive_cases(Machine& machine, const ExhaustiveOptions& options) {
  const bool sweeps = machine.layout().machine == "toy8";
  auto all = sweeps ? toy8_sweeps(machine, options) : samples(machine, options);
  const auto is = [](const CasesOfRow& cases, const std::string& name) {
    return cases.row.label() == name || cases.row.operation == name;
  };
  for (const auto& name : options.forms) {
    if (std::ranges::none_of(all, [&](const auto& cases) { return is(cases, name); })) {
      throw UsageError(
          "there is no operation or form \"{}\"; forms read {}", name,
          sweeps ? "\"ADD R R\", \"ADD R R (same)\", \"LOADI n\""
                 : "\"add r, r\" (r register, m memory, n number); --forms takes a semicolon after each");
    }
  }
  if (!options.forms.empty()) {
    std::erase_if(all, [&](const auto& cases) {
      return std::ranges::none_of(options.forms, [&](const auto& name) { return is(cases, name); });
    });
  }
  return all;
}

int64_t count_cases(std::span<const CasesOfRow> rows) {
  int64_t count = 0;
  for (const CasesOfRow& cases : rows) count += cases.tested;
  return count;
}

ExhaustiveScores evaluate_exhaustive(Predictor& predictor, Machine& machine, std::span<const CasesOfRow> rows,
                                     int64_t chunk, const OnProgress& progress, const Part& part) {
  BYTECPU_CHECK(chunk > 0);
  const auto start_bytes = static_cast<size_t>(machine.layout().start_bytes());
  ExhaustiveScores scores;
  int64_t done = 0;  // cases of all rows, those of other parts too
  for (const auto& [empty_row, cases, make] : rows) {
    ExhaustiveRow row = empty_row;
    for (int64_t first = 0; first < cases; first += chunk) {
      const int64_t count = std::min(chunk, cases - first);
      std::vector<uint8_t> starts;
      std::vector<Case> tested;
      std::vector<int64_t> numbers;
      for (int64_t i = first; i < first + count; ++i) {
        starts.resize(starts.size() + start_bytes);
        auto made = make(i, std::span(starts).last(start_bytes));
        if (part.has(static_cast<size_t>(done + i - first))) {
          tested.push_back(std::move(made));
          numbers.push_back(i);
        } else {
          starts.resize(starts.size() - start_bytes);
        }
      }
      done += count;
      if (progress) progress(done);
      if (tested.empty()) continue;
      TraceBatch truth(machine.layout());
      machine.run(starts, {.steps = result_record}, truth);
      std::vector<Trace> traces;
      for (size_t i = 0; i < truth.size(); ++i) traces.push_back(truth[i]);
      const auto predictions = predictor.record(traces, result_record);
      BYTECPU_CHECK(predictions.size() == traces.size());
      for (size_t i = 0; i < traces.size(); ++i)
        score_case(numbers[i], tested[i], traces[i], predictions[i], row);
    }
    scores.results += row.results;
    scores.rows.push_back(std::move(row));
  }
  return scores;
}

}  // namespace bytecpu
