#include "datagen/programs/start.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <charconv>
#include <iostream>
#include <iterator>
#include <optional>

#include "datagen/io/files.hpp"

namespace bytecpu {
namespace {

// A whole number, decimal or 0x….
std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, hexadecimal ? 16 : 10);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

// The field's bytes: little-endian, a negative number as two's complement. Nothing where it does not fit.
std::optional<std::vector<uint8_t>> field_bytes(std::string_view text, int bytes) {
  const bool negative = text.starts_with('-');
  const auto size = parse_number(text.substr(negative));
  if (!size) return std::nullopt;
  const int bits = 8 * std::min(bytes, 8);
  const uint64_t most = negative     ? uint64_t{1} << (bits - 1)
                        : bits == 64 ? ~uint64_t{0}
                                     : (uint64_t{1} << bits) - 1;
  if (*size > most && (bytes <= 8 || negative)) return std::nullopt;
  const uint64_t number = negative ? -*size : *size;
  std::vector<uint8_t> result(static_cast<size_t>(bytes), negative && *size > 0 ? 0xFF : 0);
  for (size_t i = 0; i < std::min<size_t>(result.size(), 8); ++i)
    result[i] = static_cast<uint8_t>(number >> (8 * i));
  return result;
}

// A field's name in upper or lower case. A 32-bit register may have its 64-bit name, too: RDI for EDI, R8 for
// R8D, X0 for W0.
bool is_named(const Field& field, std::string_view name) {
  if (boost::iequals(field.name, name)) return true;
  if (field.bytes != 4) return false;
  const auto rest = std::string_view(field.name).substr(1);
  for (const auto& [of_32_bits, of_64_bits] : {std::pair("E", "R"), {"W", "X"}}) {
    if (field.name.starts_with(of_32_bits)) {
      return boost::istarts_with(name, of_64_bits) && boost::iequals(name.substr(1), rest);
    }
  }
  return field.name.ends_with('D') && boost::iequals(field.name.substr(0, field.name.size() - 1), name);
}

void set_field(const std::string& assignment, const Layout& layout, std::span<uint8_t> record) {
  const auto equals = std::min(assignment.find('='), assignment.size());
  const auto name = std::string_view(assignment).substr(0, equals);
  const auto field = std::ranges::find_if(layout.fields, [&](const auto& f) { return is_named(f, name); });
  if (field == layout.fields.end() || equals == assignment.size()) {
    std::vector<std::string> names;
    for (const auto& f : layout.fields) names.push_back(f.name);
    throw UsageError("--set {}: use FIELD=VALUE with one of {}", assignment, fmt::join(names, ", "));
  }
  const auto bytes = field_bytes(std::string_view(assignment).substr(equals + 1), field->bytes);
  if (!bytes) {
    throw UsageError("--set {}: use a number that fits {} byte{}, decimal or 0x…", assignment, field->bytes,
                     field->bytes == 1 ? "" : "s");
  }
  std::ranges::copy(*bytes, record.begin() + field->offset);
}

std::vector<uint8_t> hex_bytes(const std::string& text, std::string_view digits) {
  std::vector<uint8_t> bytes(digits.size() / 2);
  bool good = digits.size() % 2 == 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto* first = digits.data() + 2 * i;
    good = good && std::from_chars(first, first + 2, bytes[i], 16).ptr == first + 2;
  }
  if (!good) throw UsageError("--data {}: use pairs of hex digits, or @FILE", text);
  return bytes;
}

// The program's stack, its return address or its own data would be lost under the data without a word.
void refuse_covered(const std::string& text, const Machine& machine, const Program& program, size_t offset,
                    size_t bytes, const StartOptions& options) {
  const auto& layout = machine.layout();
  for (const Program::Part& part : program.parts) {
    const size_t from = offset + static_cast<size_t>(layout.data_offset);
    const bool covers =
        static_cast<int>(from + bytes) > part.offset && static_cast<int>(from) < part.offset + part.bytes;
    if (bytes == 0 || !covers) continue;
    throw UsageError(
        "--data {}: from offset {} on lies the program's {}; use another offset, or more --memory", text,
        part.offset - layout.data_offset, part.name);
  }
  const auto moved = [&](const Region& region) {
    return std::ranges::any_of(options.set, [&](const std::string& set) {
      const auto field = std::ranges::find(layout.fields, region.pointer, &Field::name);
      return field != layout.fields.end() && is_named(*field, std::string_view(set).substr(0, set.find('=')));
    });
  };
  for (const Region& region : machine.regions()) {
    const size_t from = offset + static_cast<size_t>(layout.data_offset);
    const bool covers = static_cast<int>(from + bytes) > region.offset &&
                        static_cast<int>(from) < region.offset + region.bytes;
    if (region.pointer.empty() || bytes == 0 || !covers || moved(region)) continue;
    throw UsageError(
        "--data {}: from offset {} on lies the program's {}; use less data, more --memory, or --set {}=… to "
        "put the stack elsewhere",
        text, region.offset - layout.data_offset, region.name, region.pointer);
  }
}

// "16=0a0b" puts two bytes at offset 16 of the data, "0x10=@FILE" a file's.
void set_data(const std::string& text, const Machine& machine, const Program& program,
              const StartOptions& options, std::span<uint8_t> image) {
  const auto& layout = machine.layout();
  if (layout.data_offset == 0) throw UsageError("--data {}: {} has no data", text, layout.machine);
  const auto data = image.subspan(static_cast<size_t>(layout.data_offset));
  const auto equals = std::min(text.find('='), text.size());
  const auto offset = parse_number(std::string_view(text).substr(0, equals));
  if (equals == text.size() || !offset) {
    throw UsageError("--data {}: use OFFSET=HEX or OFFSET=@FILE, the offset decimal or 0x…", text);
  }
  const auto value = std::string_view(text).substr(equals + 1);
  std::vector<uint8_t> bytes;
  if (value.starts_with('@')) {
    const auto contents = read_file(std::string(value.substr(1)));
    bytes.assign(contents.begin(), contents.end());
  } else {
    bytes = hex_bytes(text, value);
  }
  if (*offset > data.size() || bytes.size() > data.size() - *offset) {
    throw UsageError("--data {}: {} bytes at {} are more than the {} of data", text, bytes.size(), *offset,
                     data.size());
  }
  refuse_covered(text.substr(0, equals), machine, program, *offset, bytes.size(), options);
  std::ranges::copy(bytes, data.begin() + static_cast<std::ptrdiff_t>(*offset));
}

std::string read_program(const std::string& file) {
  if (file != "-") return read_file(file);
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

std::string program_name(const StartOptions& options) {
  return options.program == "-" ? "standard input" : options.program;
}

std::string_view explain(StopReason reason) {
  switch (reason) {
    case StopReason::illegal_instruction:
      return "what it came to is no instruction that the machine runs";
    case StopReason::memory_fault:
      return "it went to an address that it has no memory at";
    case StopReason::code_write:
      return "it wrote to its own code";
    case StopReason::divide_error:
      return "it divided by zero, or by so little that the quotient does not fit";
    default:
      return "it did not come to its end";
  }
}

}  // namespace

void start_options(OptionList& field, StartOptions& start) {
  field(start.program, "program", text("PROGRAM"),
        "toy8: assembly; native machines: flat binary, or ELF object; -: standard input")
      .required()
      .positional();
  field(start.function, "function", text("NAME"), "function of an ELF object; where it has one, that one");
  field(
      start.set, "set", text("FIELD=VALUE"),
      "value of a field of state 0, else 0, or what the machine needs; decimal or 0x…, may be negative; may be "
      "repeated");
  field(start.data, "data", text("OFFSET=HEX|@FILE"),
        "bytes of the data, from an offset in it on, decimal or 0x…, else 0; may be repeated");
}

std::vector<uint8_t> make_start(const Machine& machine, const StartOptions& options) {
  const auto& layout = machine.layout();
  const auto program = machine.load(read_program(options.program), program_name(options), options.function);
  auto start = program.image;
  auto state = machine.first_state();
  set_field(fmt::format("PC={}", program.entry), layout, state);
  start.insert(start.end(), state.begin(), state.end());
  const auto memory_bytes = static_cast<size_t>(layout.memory_bytes);
  for (const auto& text : options.data)
    set_data(text, machine, program, options, std::span(start).first(memory_bytes));
  for (const auto& text : options.set) set_field(text, layout, std::span(start).subspan(memory_bytes));
  return start;
}

void refuse_fault(const StartOptions& options, const Machine& machine, const Trace& trace) {
  if (trace.stop == StopReason::halted || trace.stop == StopReason::step_limit) return;
  const auto states = trace.states();
  std::string why(explain(trace.stop));
  if (trace.stop == StopReason::illegal_instruction && states > 0) {
    why = machine.describe(trace.record(states)).text;
  } else if (trace.stop == StopReason::memory_fault && states > 0) {
    why += fmt::format(", by {}", machine.describe(trace.record(states)).text);
  }
  throw Error("{}: {} after {} step{} on {}: {}", program_name(options), to_string(trace.stop), states,
              states == 1 ? "" : "s", machine.layout().machine, why);
}

}  // namespace bytecpu
