#include "datagen/programs/program_options.hpp"

#include <algorithm>

namespace bytecpu {

void machine_options(OptionList& field, std::string& machine, int& memory_bytes) {
  field(machine, "machine", one_of(machine_names()), "machine");
  field(memory_bytes, "memory", at_least(1),
        "length of the memory image, in bytes; of -full machines 65536 where it is not given");
}

void fit_memory(const OptionList& given, const std::string& machine, int& memory_bytes) {
  if (!given.given(memory_bytes)) memory_bytes = usual_memory(machine);
}

void length_options(OptionList& field, ProgramOptions& programs) {
  field(programs.min_instructions, "min-instructions", at_least(1), "shortest program, the halt included");
  field(programs.max_instructions, "max-instructions", at_least(1),
        "longest program; the default is less where the memory holds fewer");
}

void program_options(OptionList& field, ProgramOptions& programs) {
  length_options(field, programs);
  field(programs.small_operands, "small-operands", in(0, 1),
        "probability that a register starts with few significant bits");
  field(programs.window_steps, "window-steps", at_least(0),
        "traces are windows of this many steps, from a random instruction on; 0: whole programs");
  field(programs.memory_share, "memory-share", in(0, 1),
        "share of instructions that access memory, where the machine has them");
  field(programs.branch_share, "branch-share", in(0, 1),
        "share of instructions that branch or call, where the machine has them");
  field(programs.loop_share, "loop-share", in(0, 1),
        "probability that an instruction begins a loop, where the machine has them");
  field(programs.anywhere_share, "anywhere-share", in(0, 1),
        "share of programs that begin at any place of the code, behind some that does not run");
}

void fit_length(const Machine& machine, ProgramOptions& programs) {
  programs.max_instructions = std::min(programs.max_instructions, machine.most_instructions());
}

void fit_length(const OptionList& given, const Machine& machine, ProgramOptions& programs) {
  if (!given.given(programs.max_instructions)) fit_length(machine, programs);
}

}  // namespace bytecpu
