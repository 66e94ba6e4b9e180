#include "eval/measures/metrics.hpp"

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <sstream>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

constexpr int unit_bits = 60;       // of an ExactSum
constexpr size_t most_digits = 38;  // that its 128 bits hold

}  // namespace

std::string_view to_string(Mode mode) { return mode == Mode::step ? "step" : "rollout"; }

std::string_view to_string(End end) {
  return end == End::right ? "right" : end == End::early ? "early" : "late";
}

Interval clopper_pearson(int64_t successes, int64_t trials, double confidence) {
  BYTECPU_CHECK(0 <= successes && successes <= trials && 0 < confidence && confidence < 1);
  const auto k = static_cast<double>(successes), n = static_cast<double>(trials);
  const double tail = (1 - confidence) / 2;
  using boost::math::beta_distribution;
  Interval interval;
  if (successes > 0) interval.low = quantile(beta_distribution<>(k, n - k + 1), tail);
  // The upper bound from the failures' side, where it keeps its precision near 1.
  if (successes < trials) interval.high = quantile(complement(beta_distribution<>(k + 1, n - k), tail));
  return interval;
}

void ExactSum::add(double term) {
  constexpr double most = 1e15;  // so that 10^4 of them fit
  if (std::abs(term) < most) {
    units_ += static_cast<__int128>(std::ldexp(term, unit_bits));
  } else {
    rest_ += term;
  }
}

ExactSum& ExactSum::operator+=(const ExactSum& other) {
  units_ += other.units_;
  rest_ += other.rest_;
  return *this;
}

double ExactSum::value() const { return std::ldexp(static_cast<double>(units_), -unit_bits) + rest_; }

std::string ExactSum::text() const { return fmt::format("{} {}", units_, rest_); }

ExactSum ExactSum::from_text(std::string_view text) {
  ExactSum sum;
  std::istringstream in{std::string(text)};
  std::string units, rest;
  char* end = nullptr;
  if (in >> units >> rest) sum.rest_ = std::strtod(rest.c_str(), &end);
  const bool negative = units.starts_with('-');
  const auto digits = units.substr(negative ? 1 : 0);
  if (!end || *end || digits.empty() || digits.size() > most_digits ||
      digits.find_first_not_of("0123456789") != digits.npos) {
    throw Error("\"{}\" is no sum", text);
  }
  for (const char digit : digits) sum.units_ = sum.units_ * 10 + (digit - '0');
  if (negative) sum.units_ = -sum.units_;
  return sum;
}

void ConfidenceHistogram::add(double confidence, bool is_right) {
  const auto above = std::upper_bound(edges.begin(), edges.end(), confidence);
  const auto bin =
      std::clamp<std::ptrdiff_t>(above - edges.begin() - 1, 0, static_cast<std::ptrdiff_t>(right.size()) - 1);
  ++(is_right ? right : wrong)[static_cast<size_t>(bin)];
  (is_right ? right_sum : wrong_sum)[static_cast<size_t>(bin)].add(confidence);
}

double ConfidenceHistogram::calibration_error() const {
  double error = 0;
  int64_t total = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    error += std::abs(static_cast<double>(right[i]) - right_sum[i].value() - wrong_sum[i].value());
    total += right[i] + wrong[i];
  }
  return total ? error / static_cast<double>(total) : 0;
}

Scores::Scores(Mode m, const Machine& machine, size_t most)
    : mode(m), layout(machine.layout()), by_field(layout.fields.size()), machine_(machine), most_(most) {}

double Scores::bits_per_byte() const {
  return nats_bytes ? nats.value() / std::numbers::ln2 / static_cast<double>(nats_bytes) : 0;
}

void Scores::add(int64_t trace, const Trace& truth, const StepPrediction& prediction) {
  BYTECPU_CHECK(mode == Mode::step);
  const int64_t n = truth.states();
  const auto places = static_cast<size_t>(n) + 1, record = static_cast<size_t>(layout.record_bytes);
  BYTECPU_CHECK(prediction.steps.size() == places * record && prediction.ended.size() == places);
  BYTECPU_CHECK(prediction.nats.empty() || prediction.nats.size() == places);
  BYTECPU_CHECK(prediction.confidence.empty() || prediction.confidence.size() == places);

  std::vector<const uint8_t*> predicted(places - 1);
  End end = prediction.ended.back() ? End::right : End::late;
  for (size_t i = 0; i + 1 < places; ++i) {
    if (prediction.ended[i])
      end = End::early;
    else
      predicted[i] = prediction.steps.data() + i * record;
  }
  if (!prediction.nats.empty()) {
    for (size_t i = 0; i + 1 < places; ++i) nats.add(prediction.nats[i]);
    nats_bytes += n * layout.record_bytes;
  }
  const std::span confidences(prediction.confidence);
  add(trace, truth, predicted, end, confidences.first(confidences.empty() ? 0 : places - 1));
}

void Scores::add(int64_t trace, const Trace& truth, const Rollout& prediction) {
  BYTECPU_CHECK(mode == Mode::rollout);
  BYTECPU_CHECK(prediction.steps.size() % static_cast<size_t>(layout.record_bytes) == 0);
  const int64_t n = truth.states();
  int64_t m = static_cast<int64_t>(prediction.steps.size()) / layout.record_bytes;
  if (!truth.complete()) m = std::min(m, n);

  std::vector<const uint8_t*> predicted(static_cast<size_t>(std::max(n, m)));
  for (int64_t i = 0; i < m; ++i) {
    predicted[static_cast<size_t>(i)] = prediction.steps.data() + i * layout.record_bytes;
  }
  missing_states += std::max<int64_t>(n - m, 0);
  surplus_states += std::max<int64_t>(m - n, 0);
  const End end = m < n ? End::early : m == n && prediction.ended ? End::right : End::late;
  const std::span confidences(prediction.confidence);
  BYTECPU_CHECK(confidences.empty() ||
                confidences.size() * static_cast<size_t>(layout.record_bytes) == prediction.steps.size());
  add(trace, truth, predicted, end, confidences.first(std::min(confidences.size(), static_cast<size_t>(m))));
}

void Scores::add(int64_t trace, const Trace& truth, std::span<const uint8_t* const> predicted, End end,
                 std::span<const float> confidences) {
  const int64_t n = truth.states();
  const auto record = static_cast<size_t>(layout.record_bytes);
  const uint8_t* state = truth.records().data();  // the true state before the one scored
  int64_t wrong_bytes = 0, first_wrong = 0;
  Tally tally;
  for (int64_t t = 1; t <= static_cast<int64_t>(predicted.size()); ++t, state += record) {
    const Instruction before = t > 1 && t <= n ? machine_.describe({state, record}) : Instruction();
    const std::string form(t > n ? surplus_form : t == 1 ? first_fetch_form : std::string_view(before.form));
    const auto place = static_cast<size_t>(t - 1);
    const int wrong = t > n ? add_state(form, nullptr, nullptr, predicted[place])
                            : add_state(form, state, state + record, predicted[place]);
    if (t > 1 && t <= n) instructions.add(layout, before, state + record, predicted[place]);
    if (by_step.size() <= place) by_step.resize(place + 1);
    by_step[place].add(wrong);
    tally.add(wrong);
    if (place < confidences.size()) confidence.add(confidences[place], wrong == 0);
    if (wrong && !first_wrong) {
      first_wrong = t;
      ++first_error_by_form[form];
    }
    if (first_wrong) {
      const auto distance = static_cast<size_t>(t - first_wrong);
      if (after_error.size() <= distance) after_error.resize(distance + 1);
      after_error[distance].add(wrong);
    }
    wrong_bytes += wrong;
  }
  if (truth.complete()) {
    ends.add(end == End::right);
    early_ends += end == End::early;
    late_ends += end == End::late;
    if (end == End::late && !first_wrong) first_wrong = n + 1;
  }
  traces.add(!first_wrong);
  by_length[n].traces.add(!first_wrong);
  by_length[n].states += tally;
  if (!first_wrong) return;

  if (first_error.size() < static_cast<size_t>(first_wrong))
    first_error.resize(static_cast<size_t>(first_wrong));
  ++first_error[static_cast<size_t>(first_wrong - 1)];

  const bool full = worst.size() == most_;
  if (trace < 0 || most_ == 0 || (full && wrong_bytes < worst.back().wrong_bytes)) return;
  Example example{trace,       wrong_bytes,
                  first_wrong, {truth.bytes.begin(), truth.bytes.end()},
                  {},          truth.complete() ? end : End::right};
  for (const uint8_t* p : predicted) {
    example.predicted.push_back(p ? std::vector<uint8_t>(p, p + record) : std::vector<uint8_t>());
  }
  add(std::move(example));
}

void Scores::add(Example example) {
  const auto worse = [](const Example& a, const Example& b) {
    return std::pair(-a.wrong_bytes, a.trace) < std::pair(-b.wrong_bytes, b.trace);
  };
  worst.insert(std::upper_bound(worst.begin(), worst.end(), example, worse), std::move(example));
  if (worst.size() > most_) worst.pop_back();
}

int Scores::add_state(std::string_view form, const uint8_t* before, const uint8_t* truth,
                      const uint8_t* predicted) {
  int wrong = layout.record_bytes;
  for (int i = 0; truth && i < layout.record_bytes; ++i) {
    const bool right = predicted && truth[i] == predicted[i];
    (truth[i] == before[i] ? unchanged : changed).add(right);
    wrong -= right;
  }
  bytes += {layout.record_bytes - wrong, layout.record_bytes};
  states.add(wrong == 0);
  for (size_t f = 0; f < by_field.size(); ++f) {
    const Field& field = layout.fields[f];
    by_field[f].add(
        truth && predicted &&
        std::equal(truth + field.offset, truth + field.offset + field.bytes, predicted + field.offset));
  }
  auto form_tally = by_form.find(form);
  if (form_tally == by_form.end()) form_tally = by_form.emplace(form, Tally{}).first;
  form_tally->second.add(wrong);
  return wrong;
}

}  // namespace bytecpu
