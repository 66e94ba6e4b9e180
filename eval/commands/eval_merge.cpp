// bytecpu-eval merge: parts of an evaluation that several processes made.
#include <algorithm>

#include "eval/commands/eval_commands.hpp"
#include "eval/documents/merge.hpp"

namespace bytecpu {
namespace {

struct Values {
  std::vector<std::string> parts;
  OutputOptions output;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.parts, "parts", text("FILE"), "JSON documents of all parts, in any order").required().positional();
  output_options(field, v.output);
  return field;
}

void run(Values& v, const OptionList&) {
  check_outputs(v.output);
  const std::vector<std::filesystem::path> files(v.parts.begin(), v.parts.end());
  write_results(v.output, merge_parts_of_evaluation(files));
}

}  // namespace

cli::Command merge_command() {
  return cli::command<Values>(
      "merge",
      "add up the parts of an evaluation, made with --part K/N --json FILE\n"
      "Counts are exact, and rates and intervals are those of one evaluation of everything.",
      "FILE... [--json FILE] [--report FILE]", options, run);
}

}  // namespace bytecpu
