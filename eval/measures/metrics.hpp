// What is measured: predictions scored against the truth, counted with exact denominators.
//
// A trace has the true states 1 … n after state 0, and then ends. Denominators:
// - states: in step mode n a trace; in rollouts n a trace and every surplus state, one after the true end.
// - bytes: states × record length. Of a state that is missing (the end was predicted before it), surplus, or
//   replaced by a predicted end (step mode), every byte and every field is wrong.
// - traces: right if every state is right and the end is predicted after the last one, not before.
// - ends: traces that the machine itself ended; right if the end is predicted there and nowhere before. A
//   trace cut by a step limit has no end to predict: it is not counted here, and nothing after it is.
// - changed, unchanged: bytes of the states 1 … n, by whether they differ from the true state before; surplus
//   states have no truth and are in neither.
// Breakdowns share these denominators: by form (surplus states and first fetches are forms of their own), by
// step index and by the trace's length, the states add up to the total; by field, each field is counted once
// a state.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine.hpp"
#include "model/inference/prediction.hpp"

namespace bytecpu {

struct Interval {
  double low = 0, high = 1;
};

// Exact binomial confidence interval (Clopper and Pearson, 1934) of the rate successes / trials; [0, 1] of no
// trials. It takes trials as independent, which bytes of one trace are not: the interval of traces is the one
// to quote.
Interval clopper_pearson(int64_t successes, int64_t trials, double confidence = 0.95);

struct Rate {
  int64_t right = 0, total = 0;

  void add(bool is_right) {
    right += is_right;
    ++total;
  }
  int64_t wrong() const { return total - right; }
  double accuracy() const { return total ? static_cast<double>(right) / static_cast<double>(total) : 0; }
  Interval interval() const { return clopper_pearson(right, total); }
  Rate& operator+=(const Rate& other) {
    right += other.right;
    total += other.total;
    return *this;
  }
  bool operator==(const Rate&) const = default;
};

// A sum that is the same in whatever order its terms come: in units of 2^-60.
class ExactSum {
 public:
  void add(double term);
  ExactSum& operator+=(const ExactSum& other);
  double value() const;
  std::string text() const;  // as from_text() reads it
  // Throws Error where it is no such text.
  static ExactSum from_text(std::string_view text);

 private:
  __int128 units_ = 0;
  double rest_ = 0;  // of terms that are infinite or too large
};

struct Tally {
  int64_t states = 0, wrong_states = 0, wrong_bytes = 0;

  void add(int wrong) {  // a state with so many wrong bytes
    ++states;
    wrong_states += wrong != 0;
    wrong_bytes += wrong;
  }
  Tally& operator+=(const Tally& other) {
    states += other.states;
    wrong_states += other.wrong_states;
    wrong_bytes += other.wrong_bytes;
    return *this;
  }
  Rate rate() const { return {states - wrong_states, states}; }
  bool operator==(const Tally&) const = default;
};

struct LengthTally {
  Rate traces;
  Tally states;
};

enum class Mode { step, rollout };
std::string_view to_string(Mode mode);

// Confidence of the predicted states: bin i counts edges[i] <= p < edges[i + 1], the last bin includes 1.
struct ConfidenceHistogram {
  static constexpr std::array edges = {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0};
  std::array<int64_t, edges.size() - 1> right{}, wrong{};
  std::array<ExactSum, edges.size() - 1> right_sum{}, wrong_sum{};  // of the confidences

  void add(double confidence, bool is_right);
  // Mean over the predictions of |share right - mean confidence| of their bin; 0 of none.
  double calibration_error() const;
};

// Breakdowns by the instruction that leads to a state, for machines of any instruction set.
struct InstructionScores {
  // States right as a whole, by the name and the group of the instruction before.
  std::map<std::string, Rate, std::less<>> by_operation, by_group;
  // After an instruction of the group "branch": the field PC right.
  Rate branches;
  // Where the true state shows a memory write, or the predicted one does: ACCESS_OFFSET and the fields WRITE_… right.
  Rate writes;

  // The true state and the predicted one; null where it is missing.
  // `instruction`: that of the true state before.
  void add(const Layout& layout, const Instruction& instruction, const uint8_t* truth,
           const uint8_t* predicted);
};

// Where a trace's end was predicted.
enum class End { right, early, late };
std::string_view to_string(End end);

// A trace with errors, kept for the report.
struct Example {
  int64_t trace = 0;  // number given to add()
  int64_t wrong_bytes = 0, first_error = 0;
  std::vector<uint8_t> truth;                   // memory image ‖ state 0 ‖ …
  std::vector<std::vector<uint8_t>> predicted;  // records from state 1 on; empty where missing or an end
  End end = End::right;
};

// Forms that breakdowns use where no instruction is executed.
inline constexpr std::string_view first_fetch_form = "(first fetch)";
inline constexpr std::string_view surplus_form = "(surplus)";

class Scores {
 public:
  // `machine` names the instructions and must outlive the scores; the `worst` traces with the most wrong
  // bytes are kept, of equal ones those with the lower numbers.
  Scores(Mode mode, const Machine& machine, size_t worst = 10);

  // `trace`: its number in the examples; a negative one is kept out of them.
  void add(int64_t trace, const Trace& truth, const StepPrediction& prediction);
  void add(int64_t trace, const Trace& truth, const Rollout& prediction);
  // Keeps it, if it is one of the worst.
  void add(Example example);

  Mode mode;
  Layout layout;
  Rate bytes, states, traces, ends;
  Rate changed, unchanged;                         // bytes
  int64_t missing_states = 0, surplus_states = 0;  // rollout
  int64_t early_ends = 0, late_ends = 0;           // of ends.wrong(): before the true end; after it or never
  ExactSum nats;                                   // of the true states 1 … n, their bytes being nats_bytes
  int64_t nats_bytes = 0;                          // 0: the predictor has no probabilities
  // By the instruction that leads to the state: held in the true record before it.
  std::map<std::string, Tally, std::less<>> by_form;
  std::vector<Rate> by_field;                // by layout.fields; a field is right or wrong as a whole
  std::vector<Tally> by_step;                // [t - 1] for state t
  std::map<int64_t, LengthTally> by_length;  // by n, the true states of the trace
  std::vector<int64_t>
      first_error;  // [t - 1]: traces whose first error is at state t; a wrong end counts at n + 1
  std::map<std::string, int64_t, std::less<>> first_error_by_form;  // the same by form; a wrong end not
  std::vector<Tally> after_error;  // [d]: states d after the first wrong one of their trace, 0: that one
  InstructionScores instructions;  // of the states 1 … n after the first
  ConfidenceHistogram confidence;
  std::vector<Example> worst;  // most wrong bytes first

  double bits_per_byte() const;

 private:
  // predicted[t - 1]: record t, null where it is missing or an end; confidences of the first records.
  void add(int64_t trace, const Trace& truth, std::span<const uint8_t* const> predicted, End end,
           std::span<const float> confidences);
  // A null prediction is a missing one; a null truth a surplus one.
  // Returns the number of wrong bytes.
  int add_state(std::string_view form, const uint8_t* before, const uint8_t* truth, const uint8_t* predicted);

  const Machine& machine_;
  size_t most_;
};

}  // namespace bytecpu
