#include "emulator/native/listing.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "emulator/error.hpp"

namespace bytecpu::native {

Listing::Listing(const InstructionSet& set, const Layout& layout)
    : set_(set),
      about_(set.about()),
      layout_(layout),
      at_(about_),
      code_bytes_(static_cast<size_t>(code_region_bytes(about_, layout.memory_bytes))),
      disassembler_(about_.disassembler, about_.disassembler_mode, about_.rewrite) {
  for (const Operation& operation : set.operations()) {
    if (operation.uses) drawn_.push_back(operation.mnemonic);
    operations_.push_back(&operation);
  }
  std::ranges::sort(operations_, {}, &Operation::mnemonic);
}

const Operation* Listing::find_operation(std::string_view mnemonic) const {
  const auto found = std::ranges::lower_bound(operations_, mnemonic, {}, &Operation::mnemonic);
  return found != operations_.end() && (*found)->mnemonic == mnemonic ? *found : nullptr;
}

std::optional<InstructionText> Listing::decode_included(std::span<const uint8_t> code,
                                                        uint64_t address) const {
  const int size = set_.decode(code).bytes;
  if (size == 0) return std::nullopt;
  auto text = disassembler_.decode(code.first(size), address);
  if (!text || text->bytes != size || !find_operation(text->mnemonic)) return std::nullopt;
  return text;
}

std::array<uint8_t, 16> Listing::instruction_of(std::span<const uint8_t> record) const {
  BYTECPU_CHECK(record.size() == static_cast<size_t>(layout_.record_bytes));
  std::array<uint8_t, 16> bytes{};
  std::ranges::copy(record.subspan(at_.insn, about_.instruction_bytes), bytes.begin());
  return bytes;
}

std::string Listing::text_of_longer(const InstructionText& text) const {
  return fmt::format("{} …: {} bytes, of which a record holds {}", text.mnemonic, text.bytes,
                     about_.instruction_bytes);
}

std::string Listing::text_of_refused(std::span<const uint8_t> bytes, uint64_t address) const {
  const auto text = disassembler_.decode(bytes, address);
  if (std::ranges::equal(bytes.first(about_.filler.size()), about_.filler)) {
    return text ? to_string(*text) + ": what lies behind a program" : "what lies behind a program";
  }
  if (!text) return "???";
  if (text->bytes > about_.instruction_bytes) return text_of_longer(*text);
  const auto why = set_.why_left_out(to_string(*text), bytes);
  return fmt::format("{}: not in the table of {}{}{}", to_string(*text), about_.name, why.empty() ? "" : ": ",
                     why);
}

Instruction Listing::describe(std::span<const uint8_t> record) const {
  const auto bytes = instruction_of(record);
  const uint64_t pc = load(record.data() + at_.pc, about_.offset_bytes);
  const auto text = decode_included(bytes, pc);
  if (!text) return {.text = text_of_refused(bytes, pc)};
  const Operation* operation = find_operation(text->mnemonic);
  const bool has_operands = !text->operands.empty();
  const auto& group = operation->group;
  const bool loads_or_stores =
      (group == "move" || group == "extend") && text->operands.find('[') != text->operands.npos;
  const auto drawn = std::ranges::find(drawn_, operation->mnemonic);
  return {.operation = drawn == drawn_.end() ? -1 : static_cast<int>(drawn - drawn_.begin()),
          .name = operation->mnemonic,
          .group = loads_or_stores ? "memory" : group,
          .form = has_operands
                      ? fmt::format("{} {}", operation->mnemonic, disassembler_.kinds(text->operands))
                      : std::string(operation->mnemonic),
          .text = text->bytes > about_.instruction_bytes ? text_of_longer(*text) : to_string(*text)};
}

size_t Listing::listed_bytes(std::span<const uint8_t> image) const {
  const auto& [halt, filler] = std::tie(about_.halt, about_.filler);
  const auto ends_with = [&](size_t end, const std::vector<uint8_t>& unit) {
    return end >= unit.size() && std::ranges::equal(image.subspan(end - unit.size(), unit.size()), unit);
  };
  size_t end = code_bytes_;
  if (ends_with(end, halt) && ends_with(end - halt.size(), filler)) end -= halt.size();
  if (ends_with(end, filler)) {
    while (ends_with(end, filler)) end -= filler.size();
    return end;
  }
  while (ends_with(end, halt) && ends_with(end - halt.size(), halt)) end -= halt.size();
  return end;
}

// An instruction that is not included has a line of its length too, so that those after it are in step.
std::vector<Listing::Line> Listing::lines(std::span<const uint8_t> image) const {
  std::vector<Line> result;
  const auto code = image.first(code_bytes_);
  const auto& filler = about_.filler;
  const auto add = [&](size_t at) {
    const auto rest = code.subspan(at);
    if (const auto text = decode_included(rest, at)) {
      result.push_back({at, static_cast<size_t>(text->bytes), to_string(*text)});
    } else if (const auto other = disassembler_.decode(rest, at)) {
      result.push_back({at, static_cast<size_t>(other->bytes), to_string(*other) + "  ; not included"});
    } else {
      result.push_back({at, std::min<size_t>(about_.alignment, rest.size()), "???"});
    }
  };
  const size_t end = listed_bytes(image), halt = about_.halt.size();
  const auto halts = [&](size_t at) {
    return at + halt <= code.size() && std::ranges::equal(code.subspan(at, halt), about_.halt);
  };
  size_t at = 0;
  while (at < end) {
    // Between the parts of a large program.
    if (about_.full() && std::ranges::equal(image.subspan(at, filler.size()), filler)) {
      at += filler.size();
      continue;
    }
    add(at);
    at = result.back().at + result.back().bytes;
  }
  // Where the last instruction ends in bytes of the halting one, that is behind what is listed.
  if (!result.empty() && !halts(result.back().at) && halts(at)) add(at);
  const bool returns = end < code.size() && halts(code.size() - halt) && !halts(end);
  if (returns) add(code.size() - halt);
  return result;
}

std::optional<size_t> Listing::instruction_line(std::span<const uint8_t> image,
                                                std::span<const uint8_t> record) const {
  BYTECPU_CHECK(image.size() == static_cast<size_t>(layout_.memory_bytes));
  const size_t wanted = load(record.data() + at_.pc, about_.offset_bytes);
  const auto all = lines(image);
  const auto found = std::ranges::find(all, wanted, &Line::at);
  return found == all.end() ? std::nullopt : std::optional<size_t>(found - all.begin());
}

// A line for each instruction, and for each 16 bytes of data that are not all zero: offset, bytes, text.
std::string Listing::disassemble(std::span<const uint8_t> image) const {
  BYTECPU_CHECK(image.size() == static_cast<size_t>(layout_.memory_bytes));
  std::string result;
  for (const Line& line : lines(image)) {
    const int missing = about_.instruction_bytes - static_cast<int>(line.bytes);
    result +=
        fmt::format("{:04x}  {:02x}{:{}}{}\n", line.at, fmt::join(image.subspan(line.at, line.bytes), " "),
                    "", 2 + 3 * std::max(missing, 0), line.text);
  }
  constexpr size_t row = 16;
  for (size_t at = code_bytes_; at < image.size(); at += row) {
    const auto bytes = image.subspan(at, std::min(row, image.size() - at));
    if (std::ranges::any_of(bytes, [](uint8_t byte) { return byte != 0; })) {
      result += fmt::format("{:04x}  {:02x}\n", at, fmt::join(bytes, " "));
    }
  }
  return result;
}

bool Listing::includes(std::span<const uint8_t> instruction, uint64_t shape) {
  if (instruction.empty()) return false;
  if (shapes_.contains(shape)) return true;
  const auto text = disassembler_.decode(instruction, 0);
  if (!text || text->bytes != static_cast<int>(instruction.size()) || !find_operation(text->mnemonic))
    return false;
  shapes_.insert(shape);
  return true;
}

}  // namespace bytecpu::native
