// Exhaustive evaluation: every operation and form, each case in a program of its own, which halts after the
// instruction. The truth comes from Unicorn. Of toy8, every value of the operands; of the native machines, whose
// operands have too many, samples.
//
// The instruction stands at a random place in the program. So that any place costs the same, the trace begins
// there: state 0 is the state before the instruction's fetch, and the instructions before it are in memory only.
// A model that was trained on whole traces alone and reads earlier states may need places = 1.
//
// toy8: state 0 is the state after an instruction that changes nothing (MOV A A, AND A A, OR A A). A sweep covers
// the values that the instruction reads or replaces: ACC, R, n, or two of them. One: 256 values, each in all ten
// registers (or with ten random backgrounds). Two: 65,536 pairs in registers drawn at random, distinct; an
// instruction that names one register twice is a row of its own, 256 values in each of the ten. All else is random:
// the other registers' values, and which register a third operand is.
//
// Native machines: a row is a form, as Machine::describe() names them. Its cases are drawn by
// Machine::isolated_start(), so many of each. A form that is seldom drawn may have fewer.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "emulator/machine.hpp"
#include "eval/measures/metrics.hpp"
#include "eval/predictors/predictor.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {

struct WrongCase {
  int64_t number = 0;              // of the case, in its row
  std::string instruction;         // "ADD C F A"
  std::vector<uint8_t> before;     // the record that holds the instruction
  std::vector<uint8_t> expected;   // the record after it; empty where it halts or faults
  std::vector<uint8_t> predicted;  // empty: the end was predicted
};

struct ExhaustiveRow {
  std::string operation;       // of Machine::operations(); or HLT
  std::string form;            // as Machine::describe() has it
  bool same_register = false;  // both operands are one register
  std::vector<std::string>
      operands;       // what is swept: "ACC", "R", "S", "n"; the first is the high byte of an index
  int64_t cases = 0;  // that there are; 0: too many, those tested are samples
  Rate results;       // of those tested: the record after the instruction; the end where it halts or faults
  std::vector<uint8_t> wrong;       // 256^operands: wrong results by operand values; none of samples
  std::vector<WrongCase> examples;  // the first few
  static constexpr size_t most_examples = 16;

  std::string label() const;  // "ADD R R", "ADD R R (same)", "add r, r"
};

struct ExhaustiveOptions {
  std::vector<std::string> forms;  // only these labels, or these operations; empty: all
  // For each row, spread evenly over its cases; 0: all, or 1,000 samples.
  int64_t most_cases = 0;
  int64_t places = 0;    // the instruction is one of the program's first so many; 0: any
  uint64_t seed = 0;     // registers, places and backgrounds; samples
  int64_t chunk = 4096;  // cases predicted at once
};

struct ExhaustiveScores {
  std::vector<ExhaustiveRow> rows;
  Rate results;

  // Rows together, in their order.
  std::vector<std::pair<std::string, Rate>> by_operation() const;
};

struct Case {
  std::string instruction;
  size_t combination = 0;  // of operand values, in ExhaustiveRow::wrong
};

struct CasesOfRow {
  ExhaustiveRow row;   // without results
  int64_t tested = 0;  // cases that are to be
  // Writes memory image ‖ state 0 of case i, 0 … tested - 1, to `start`; called once for each, in order. State 1 has
  // fetched the instruction, and its result is state 2, or the end.
  std::function<Case(int64_t i, std::span<uint8_t> start)> make;
};

// The rows that the options ask for, in the table's order. Of a native machine to find them all takes seconds. The
// machine must outlive them. Throws UsageError where a form does not exist.
std::vector<CasesOfRow> exhaustive_cases(Machine& machine, const ExhaustiveOptions& options);
// Cases of all rows.
int64_t count_cases(std::span<const CasesOfRow> rows);

// Teacher-forced; only the record after the instruction is predicted, `chunk` cases at once. Of a part, its share of
// all rows' cases.
ExhaustiveScores evaluate_exhaustive(Predictor& predictor, Machine& machine, std::span<const CasesOfRow> rows,
                                     int64_t chunk, const OnProgress& progress = {}, const Part& part = {});
inline ExhaustiveScores evaluate_exhaustive(Predictor& predictor, Machine& machine,
                                            const ExhaustiveOptions& options) {
  return evaluate_exhaustive(predictor, machine, exhaustive_cases(machine, options), options.chunk);
}

}  // namespace bytecpu
