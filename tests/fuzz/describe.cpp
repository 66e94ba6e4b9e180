// Machines' texts of any bytes: a byte for which machine, a record, then a memory image.
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  fuzz::Input input(data, size);
  const Machine& machine = fuzz::machine(input.byte());
  std::vector<uint8_t> record(static_cast<size_t>(machine.layout().record_bytes)),
      image(static_cast<size_t>(machine.layout().memory_bytes));
  std::ranges::copy(input.take(record.size()), record.begin());
  std::ranges::copy(input.take(image.size()), image.begin());

  const auto instruction = machine.describe(record);
  const bool none = instruction.name == "???";
  fuzz::expect((instruction.form == "???") == none && (instruction.group == "???") == none,
               "an instruction has a name, a form and a group, or none of them");
  fuzz::expect(none || instruction.text != "???", "an instruction that has a name has a text");
  fuzz::expect(instruction.operation >= -1 && instruction.operation < std::ssize(machine.operations()),
               "its operation is one of the machine's");
  const auto text = machine.disassemble(image);
  const auto lines = static_cast<size_t>(std::ranges::count(text, '\n'));
  const auto line = machine.instruction_line(image, record);
  // toy8's listing ends where nothing but HLT follows.
  fuzz::expect(!line || *line < lines || machine.layout().data_offset == 0, "a line is one of the listing");
  return 0;
}
