#include "emulator/toy8/assembly.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "emulator/error.hpp"
#include "emulator/toy8/isa.h"

namespace bytecpu::toy8 {
namespace {

using Code = std::array<uint8_t, TOY8_INSTRUCTION_BYTES>;

constexpr std::string_view blanks = " \t\r\v\f";

struct Token {
  std::string_view text;
  size_t column;  // from 1
};

struct Place {
  std::string_view name;
  size_t line;  // from 1
};

template <typename... Args>
[[noreturn]] void fail(const Place& place, size_t column, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw Error("{}:{}:{}: {}", place.name, place.line, column,
              fmt::format(format, std::forward<Args>(args)...));
}

// For messages: the beginning of a token, on one line whatever the file holds.
std::string quoted(std::string_view text) {
  constexpr size_t longest = 24;
  std::string shown = "\"";
  for (const char c : text.substr(0, longest)) shown += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return shown + (text.size() > longest ? "…\"" : "\"");
}

std::vector<Token> tokens(std::string_view line) {
  line = line.substr(0, line.find_first_of(";#"));
  std::vector<Token> result;
  for (size_t begin = 0; (begin = line.find_first_not_of(blanks, begin)) != line.npos;) {
    const size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    result.push_back({line.substr(begin, end - begin), begin + 1});
    begin = end;
  }
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

uint8_t parse_number(const Place& place, const Token& token) {
  std::string_view digits = token.text;
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  if (hex) digits.remove_prefix(2);
  uint8_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    fail(place, token.column, "{} is not a number; use 0 … 255 or 0x00 … 0xff", quoted(token.text));
  }
  return value;
}

uint8_t parse_register(const Place& place, const Token& token) {
  const int number =
      token.text.size() == 1 ? std::toupper(static_cast<unsigned char>(token.text[0])) - 'A' + 1 : 0;
  if (number < 1 || number > TOY8_REGISTERS) {
    fail(place, token.column, "{} is not a register; use A … J, separated by blanks", quoted(token.text));
  }
  return static_cast<uint8_t>(number);
}

std::optional<uint8_t> find_opcode(std::string_view mnemonic) {
  const std::string name = upper(mnemonic);
  for (int opcode = 0; opcode < TOY8_OPCODES; ++opcode) {
    if (name == toy8_instructions[opcode].mnemonic) return static_cast<uint8_t>(opcode);
  }
  return std::nullopt;
}

std::string operand_count(size_t fewest, size_t most) {
  return fewest == most ? fmt::format("{} operand{}", most, most == 1 ? "" : "s")
                        : fmt::format("{} to {} operands", fewest, most);
}

Code assemble_line(const Place& place, std::span<const Token> line) {
  const Token& head = line.front();
  const std::span<const Token> operands = line.subspan(1);
  const auto check_count = [&](size_t fewest, size_t most) {
    if (operands.size() >= fewest && operands.size() <= most) return;
    const size_t column =
        operands.size() > most ? operands[most].column : line.back().column + line.back().text.size();
    fail(place, column, "{} takes {}, not {}", upper(head.text), operand_count(fewest, most),
         operands.size());
  };

  Code code{};
  if (upper(head.text) == ".BYTE") {
    check_count(code.size(), code.size());
    for (size_t i = 0; i < code.size(); ++i) code[i] = parse_number(place, operands[i]);
    return code;
  }
  const auto opcode = find_opcode(head.text);
  if (!opcode) fail(place, head.column, "there is no instruction {}", quoted(head.text));
  const toy8_instruction& instruction = toy8_instructions[*opcode];
  code[0] = *opcode;
  if (instruction.number) {
    check_count(1, 1);
    code[1] = parse_number(place, operands[0]);
  } else {
    check_count(instruction.fewest, instruction.most);
    for (size_t i = 0; i < operands.size(); ++i) code[1 + i] = parse_register(place, operands[i]);
  }
  return code;
}

// Appends the operands of a legal instruction to its mnemonic; `spell` gives a register's text.
template <typename Spell>
std::string spell_instruction(std::span<const uint8_t> code, std::string_view number, Spell spell) {
  const int operands = toy8_operands(code.data());
  if (operands < 0) return "???";
  const toy8_instruction& instruction = toy8_instructions[code[0]];
  std::string text = instruction.mnemonic;
  if (instruction.number) (text += ' ') += number;
  for (int i = 1; i <= operands; ++i) (text += ' ') += spell(code[i]);
  return text;
}

}  // namespace

std::vector<uint8_t> assemble(std::string_view text, std::string_view name, size_t memory_bytes) {
  std::vector<uint8_t> image;
  image.reserve(memory_bytes);
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size(); ++line_number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = tokens(text.substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    const Place place{name, line_number + 1};
    const Code code = assemble_line(place, line);
    if (image.size() == memory_bytes) {
      fail(place, line.front().column, "the program is longer than the memory, {} instructions in {} bytes",
           memory_bytes / TOY8_INSTRUCTION_BYTES, memory_bytes);
    }
    image.insert(image.end(), code.begin(), code.end());
  }
  if (image.empty()) throw Error("{}: holds no instruction", name);
  image.resize(memory_bytes);
  return image;
}

std::string instruction_text(std::span<const uint8_t> code) {
  return spell_instruction(code, fmt::format_int(code[1]).str(),
                           [](uint8_t number) { return static_cast<char>('A' + number - 1); });
}

std::string instruction_form(std::span<const uint8_t> code) {
  return spell_instruction(code, "n", [](uint8_t) { return 'R'; });
}

std::string disassemble(std::span<const uint8_t> image) {
  BYTECPU_CHECK(image.size() % TOY8_INSTRUCTION_BYTES == 0);
  const auto used = std::find_if(image.rbegin(), image.rend(), [](uint8_t byte) { return byte != 0; });
  const size_t used_bytes = image.rend() - used;
  std::string text;
  for (size_t at = 0; at < image.size(); at += TOY8_INSTRUCTION_BYTES) {
    const auto code = image.subspan(at, TOY8_INSTRUCTION_BYTES);
    const std::string instruction = instruction_text(code);
    // Operands that the instruction ignores are not in its text.
    const size_t spelled = toy8_operands(code.data()) + toy8_instructions[code[0] % TOY8_OPCODES].number + 1;
    const bool exact =
        instruction != "???" && std::all_of(code.begin() + spelled, code.end(), std::logical_not{});
    text += exact ? instruction
                  : fmt::format(".byte {} {} {} {}  ; {}", code[0], code[1], code[2], code[3], instruction);
    text += '\n';
    if (at >= used_bytes) break;
  }
  return text;
}

}  // namespace bytecpu::toy8
