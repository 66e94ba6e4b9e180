// toy8: every value of the operands of every form.
#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "emulator/error.hpp"
#include "emulator/random.hpp"
#include "eval/sweeps/cases.hpp"

namespace bytecpu {
namespace {

constexpr int64_t registers = 10, values = 256, instruction_bytes = 4;

struct Sweep {
  std::string operation;
  std::string slots;                  // the instruction's operands: R, S, T for registers, n for a number
  std::vector<std::string> operands;  // what is swept
  uint64_t stream = 0;                // of the random generator: the place in the table

  bool same_register() const { return slots.starts_with("RR"); }
  std::string form() const {
    std::string text = operation;
    for (const char slot : slots) (text += ' ') += slot == 'n' ? 'n' : 'R';
    return text;
  }
  int64_t combinations() const {
    return operands.empty() ? 1 : operands.size() == 1 ? values : values * values;
  }
  // Where one operand is swept, each of its values comes with each register.
  int64_t cases() const { return operands.size() == 2 ? combinations() : combinations() * registers; }
};

std::vector<Sweep> all_sweeps() {
  std::vector<Sweep> all = {{"HLT", "", {}}};
  for (const char* unary : {"CLR", "INC", "DEC", "SHL", "SHR", "ROL", "ROR", "NOT"}) {
    all.push_back({unary, "", {"ACC"}});
    all.push_back({unary, "R", {"R"}});
  }
  all.push_back({"PUSH", "R", {"R"}});
  all.push_back({"POP", "R", {"ACC"}});
  all.push_back({"LOADI", "n", {"n"}});
  all.push_back({"SWAP", "R", {"ACC", "R"}});
  all.push_back({"SWAP", "RS", {"R", "S"}});
  all.push_back({"SWAP", "RR", {"R"}});
  for (const char* binary : {"ADD", "SUB", "MUL", "DIV", "AND", "OR", "XOR"}) {
    all.push_back({binary, "R", {"ACC", "R"}});
    for (const char* distinct : {"RS", "RST"}) all.push_back({binary, distinct, {"R", "S"}});
    for (const char* same : {"RR", "RRT"}) all.push_back({binary, same, {"R"}});
  }
  all.push_back({"MOV", "RS", {"R", "S"}});
  all.push_back({"MOV", "RR", {"R"}});
  for (size_t i = 0; i < all.size(); ++i) all[i].stream = i;
  return all;
}

int64_t cases_of(const Sweep& sweep, const ExhaustiveOptions& options) {
  return options.most_cases > 0 ? std::min(options.most_cases, sweep.cases()) : sweep.cases();
}

// Which case of a sweep is the i-th to be tested: all in order, or some, spread over both operands by a
// stride near the golden section.
int64_t case_index(int64_t i, int64_t tested, int64_t cases) {
  if (tested == cases) return i;
  int64_t stride = static_cast<int64_t>(0.618 * static_cast<double>(cases)) | 1;
  while (std::gcd(stride, cases) != 1) stride += 2;
  return i * stride % cases;
}

// Places that the instruction may have: programs as long as published ones may be fill the memory but for one
// instruction, so that PC never saturates.
int64_t places(const Machine& machine, const ExhaustiveOptions& options) {
  const int64_t all = std::max<int64_t>(1, machine.layout().memory_bytes / instruction_bytes - 2);
  return options.places > 0 ? std::min(options.places, all) : all;
}

// Writes memory image ‖ state 0 of case `index` of the sweep to `start`.
Case make_case(const Sweep& sweep, int64_t index, int64_t place, const Machine& machine, RandomSource& random,
               std::span<uint8_t> start) {
  const Layout& layout = machine.layout();
  const auto field = [&](const std::string& name) -> uint8_t& {
    const auto found = std::find_if(layout.fields.begin(), layout.fields.end(),
                                    [&](const Field& f) { return f.name == name; });
    BYTECPU_CHECK(found != layout.fields.end() && found->bytes == 1);
    return start[static_cast<size_t>(layout.memory_bytes + found->offset)];
  };
  const auto put = [&](int64_t at, const std::string& instruction) {
    const auto image = machine.load_program(instruction, instruction);
    std::copy_n(image.begin(), instruction_bytes, start.begin() + at * instruction_bytes);
  };
  std::array<char, registers> names;
  std::iota(names.begin(), names.end(), 'A');

  // A random program that halts after the instruction, and random registers.
  const auto length = static_cast<int>(place + 2);
  machine.random_start(random, {.min_instructions = length, .max_instructions = length}, start);
  if (place > 0) {
    const char name = names[random.below(registers)];
    put(place - 1, fmt::format("{} {} {}", std::array{"MOV", "AND", "OR"}[random.below(3)], name, name));
    std::copy_n(start.begin() + (place - 1) * instruction_bytes, instruction_bytes, &field("OP"));
  }
  field("PC") = static_cast<uint8_t>(place);

  // Slots to registers: R and S distinct, T any.
  std::map<char, char> slots;
  const auto r =
      sweep.operands.size() == 2 ? random.below(registers) : static_cast<uint32_t>(index % registers);
  slots['R'] = names[r];
  slots['S'] = names[(r + 1 + random.below(registers - 1)) % registers];
  slots['T'] = names[random.below(registers)];

  const int64_t combination = sweep.operands.size() == 2 ? index : index / registers;
  Case result{sweep.operation, static_cast<size_t>(combination)};
  int64_t rest = combination, number = 0;
  for (auto operand = sweep.operands.rbegin(); operand != sweep.operands.rend(); ++operand, rest /= values) {
    const auto value = static_cast<uint8_t>(rest % values);
    if (*operand == "n")
      number = value;
    else
      field(*operand == "ACC" ? *operand : std::string(1, slots.at(operand->front()))) = value;
  }
  for (const char slot : sweep.slots) {
    (result.instruction += ' ') += slot == 'n' ? fmt::to_string(number) : std::string(1, slots.at(slot));
  }
  put(place, result.instruction);
  return result;
}

}  // namespace

std::vector<CasesOfRow> toy8_sweeps(Machine& machine, const ExhaustiveOptions& options) {
  std::vector<CasesOfRow> all;
  for (const Sweep& sweep : all_sweeps()) {
    CasesOfRow& cases = all.emplace_back();
    cases.row.operation = sweep.operation;
    cases.row.form = sweep.form();
    cases.row.same_register = sweep.same_register();
    cases.row.operands = sweep.operands;
    cases.row.cases = sweep.cases();
    cases.row.wrong.resize(static_cast<size_t>(sweep.combinations()));
    cases.tested = cases_of(sweep, options);
    cases.make = [sweep, tested = cases.tested, most_places = places(machine, options), &machine,
                  random = NativeRandom(options.seed, sweep.stream)](int64_t i,
                                                                     std::span<uint8_t> start) mutable {
      const auto place = random.below(static_cast<uint32_t>(most_places));
      return make_case(sweep, case_index(i, tested, sweep.cases()), place, machine, random, start);
    };
  }
  return all;
}

}  // namespace bytecpu
