#include "emulator/native/disassembler.hpp"

#include <array>
#include <cctype>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

bool is_number(std::string_view word) {
  if (word.starts_with('#')) word.remove_prefix(1);
  if (word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0]));
}

}  // namespace

std::string to_string(const InstructionText& text) {
  return fmt::format("{}{}{}", text.mnemonic, text.operands.empty() ? "" : " ", text.operands);
}

Disassembler::Disassembler(cs_arch arch, cs_mode mode, Rewrite rewrite)
    : thumb_(arch == CS_ARCH_ARM && (mode & CS_MODE_THUMB) != 0), rewrite_(rewrite) {
  const cs_err error = cs_open(arch, mode, &handle_);
  if (error != CS_ERR_OK) throw Error("Capstone: {}", cs_strerror(error));
  instruction_ = cs_malloc(handle_);
  constexpr unsigned most_registers = 1024;
  for (unsigned id = 1; id < most_registers; ++id) {
    if (const char* name = cs_reg_name(handle_, id)) registers_.insert(name);
  }
}

Disassembler::~Disassembler() {
  if (instruction_) cs_free(instruction_, 1);
  cs_close(&handle_);
}

std::optional<InstructionText> Disassembler::decode(std::span<const uint8_t> code, uint64_t address) const {
  const uint8_t* bytes = code.data();
  size_t size = code.size();
  if (!cs_disasm_iter(handle_, &bytes, &size, &address, instruction_)) return std::nullopt;
  InstructionText text{instruction_->size, instruction_->mnemonic, instruction_->op_str};
  if (thumb_ && text.mnemonic.starts_with("it")) forget_conditions();
  if (rewrite_) rewrite_(code.first(text.bytes), text);
  return text;
}

// Capstone keeps the conditions of an IT for the instructions that it decodes next, up to four, wherever they are from.
void Disassembler::forget_conditions() const {
  constexpr std::array<uint8_t, 8> nops = {0x00, 0xBF, 0x00, 0xBF, 0x00, 0xBF, 0x00, 0xBF};
  const uint8_t* bytes = nops.data();
  size_t size = nops.size();
  uint64_t address = 0;
  while (size > 0 && cs_disasm_iter(handle_, &bytes, &size, &address, instruction_)) {
  }
}

std::string Disassembler::kinds(std::string_view operands) const {
  std::string result;
  while (!operands.empty()) {
    // An operand ends at a comma outside of brackets.
    size_t end = 0;
    for (int depth = 0; end < operands.size() && (depth > 0 || operands[end] != ','); ++end) {
      const char c = operands[end];
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    }
    auto operand = operands.substr(0, end);
    operands.remove_prefix(std::min(end + 1, operands.size()));
    while (operand.starts_with(' ')) operand.remove_prefix(1);
    const auto word = operand.substr(0, operand.find_first_of(" !"));
    if (!result.empty()) result += ", ";
    if (operand.find('[') != operand.npos) {
      result += 'm';
    } else if (is_number(word)) {
      result += 'n';
    } else if (registers_.contains(word)) {
      result += 'r';
    } else if (word.size() < operand.size()) {
      result += fmt::format("{} n", word);
    } else {
      result += 'c';
    }
  }
  return result;
}

}  // namespace bytecpu::native
