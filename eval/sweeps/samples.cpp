// Machines whose operands have too many values to sweep: samples of every operation and form that random programs
// have, as the machine draws them.
#include <algorithm>
#include <map>
#include <set>

#include "emulator/error.hpp"
#include "emulator/random.hpp"
#include "eval/sweeps/cases.hpp"

namespace bytecpu {
namespace {

constexpr int64_t default_cases = 1000;
// Draws of an operation: so many at least, to see all its forms; and at most so many for each case that a form is
// to have, so that seldom ones may have fewer.
constexpr int64_t fewest_draws = 1000, most_draws_a_case = 512;
constexpr int64_t most_numbered = 1 << 22;  // of cases, that draws are numbers of 32 bits

// A case is drawn again from where its random numbers begin.
struct Sample {
  uint32_t operation, draw;
};
Instruction draw_sample(Machine& machine, const ExhaustiveOptions& options, Sample sample,
                        std::span<uint8_t> start) {
  NativeRandom random(options.seed, uint64_t{sample.operation} << 32 | sample.draw);
  const auto places = static_cast<int>(std::min<int64_t>(options.places, machine.most_instructions()));
  auto instruction = machine.isolated_start(random, sample.operation, places, start);
  if (!instruction) throw UsageError("{} tries no operation alone", machine.layout().machine);
  BYTECPU_CHECK(instruction->operation >= 0);
  return *std::move(instruction);
}

// Of all forms, in the order of their operations.
using Forms = std::map<std::pair<int, std::string>, std::vector<Sample>>;

Forms find_forms(Machine& machine, const ExhaustiveOptions& options, int64_t most_cases) {
  Forms forms;
  std::vector<uint8_t> start(static_cast<size_t>(machine.layout().start_bytes()));
  const int64_t most_draws = std::max(fewest_draws, std::min(most_cases, most_numbered) * most_draws_a_case);
  for (uint32_t operation = 0; operation < machine.operations().size(); ++operation) {
    std::set<const std::vector<Sample>*> lacking;  // the forms drawn here that have too few
    for (uint32_t draw = 0; draw < most_draws && (draw < fewest_draws || !lacking.empty()); ++draw) {
      const auto instruction = draw_sample(machine, options, {operation, draw}, start);
      auto& form = forms[{instruction.operation, instruction.form}];
      if (std::ssize(form) < most_cases) form.push_back({operation, draw});
      if (std::ssize(form) < most_cases) {
        lacking.insert(&form);
      } else {
        lacking.erase(&form);
      }
    }
  }
  return forms;
}

}  // namespace

std::vector<CasesOfRow> samples(Machine& machine, const ExhaustiveOptions& options) {
  const int64_t most_cases = options.most_cases > 0 ? options.most_cases : default_cases;
  std::vector<CasesOfRow> all;
  for (auto& [name, drawn] : find_forms(machine, options, most_cases)) {
    CasesOfRow& cases = all.emplace_back();
    cases.row.operation = machine.operations()[static_cast<size_t>(name.first)];
    cases.row.form = name.second;
    cases.tested = std::ssize(drawn);
    cases.make = [&machine, options, drawn = std::move(drawn)](int64_t i, std::span<uint8_t> start) -> Case {
      return {draw_sample(machine, options, drawn[static_cast<size_t>(i)], start).text};
    };
  }
  return all;
}

}  // namespace bytecpu
