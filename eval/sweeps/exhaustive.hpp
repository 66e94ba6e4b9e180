// Exhaustive evaluation of toy8: every operation and form, every value of its operands, each in a program of
// its own, which halts after it. The truth comes from Unicorn.
//
// The instruction stands at a random place in the program. So that any place costs the same, the trace begins
// there: state 0 is the state before the instruction's fetch, after one that changes nothing (MOV A A, AND A
// A, OR A A), and the instructions before it are in memory only. A model that was trained on whole traces
// alone and reads earlier states may need places = 1.
//
// A sweep covers the values that the instruction reads or replaces: ACC, R, n, or two of them. One: 256 values,
// each in all ten registers (or with ten random backgrounds). Two: 65,536 pairs in registers drawn at random,
// distinct; an instruction that names one register twice is a row of its own, 256 values in each of the ten.
// All else is random: the other registers' values, and which register a third operand is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/machine.hpp"
#include "eval/measures/metrics.hpp"
#include "eval/predictors/predictor.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {

struct WrongCase {
  std::string instruction;         // "ADD C F A"
  std::vector<uint8_t> before;     // the record that holds the instruction
  std::vector<uint8_t> expected;   // the record after it; empty for HLT
  std::vector<uint8_t> predicted;  // empty: the end was predicted
};

struct ExhaustiveRow {
  std::string form;            // as in Machine::instruction_form
  bool same_register = false;  // both operands are one register
  std::vector<std::string>
      operands;                // what is swept: "ACC", "R", "S", "n"; the first is the high byte of an index
  int64_t cases = 0;           // that there are
  Rate results;                // of those tested: the record after the instruction; of HLT, the end
  std::vector<uint8_t> wrong;  // 256^operands: wrong results by operand values
  std::vector<WrongCase> examples;  // the first few

  std::string label() const;  // "ADD R R", "ADD R R (same)"
};

struct ExhaustiveOptions {
  std::vector<std::string> forms;  // only these labels, or these operations; empty: all
  int64_t most_cases = 0;          // for each row, spread evenly over its cases; 0: all
  int64_t places = 0;              // the instruction is one of the program's first so many; 0: any
  uint64_t seed = 0;               // registers, places and backgrounds
  int64_t chunk = 4096;            // cases predicted at once
};

struct ExhaustiveScores {
  std::vector<ExhaustiveRow> rows;
  Rate results;
};

// Cases that evaluate_exhaustive() will go through.
int64_t exhaustive_cases(const Machine& machine, const ExhaustiveOptions& options);

// Teacher-forced; only the record after the instruction is predicted. Throws UsageError where the machine is
// not toy8 or a form does not exist.
ExhaustiveScores evaluate_exhaustive(Predictor& predictor, Machine& machine, const ExhaustiveOptions& options,
                                     const OnProgress& progress = {});

}  // namespace bytecpu
