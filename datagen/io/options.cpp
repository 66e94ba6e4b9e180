#include "datagen/io/options.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/algorithm/string.hpp>
#include <charconv>
#include <cmath>

namespace bytecpu {
namespace {

using nlohmann::ordered_json;
using Kind = FieldAccess::Kind;

std::string join_or(const std::vector<std::string>& names) {
  if (names.size() < 2) return names.empty() ? std::string() : names[0];
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

bool contains(const Range& range, double number) {
  return (range.least_is_out ? number > range.least : number >= range.least) &&
         (range.most_is_out ? number < range.most : number <= range.most);
}

std::string range_text(const Range& r) {
  const bool bounded = std::isfinite(r.most);
  if (!std::isfinite(r.least)) return bounded ? fmt::format("at most {}", r.most) : std::string();
  if (!bounded)
    return fmt::format("{}{}", r.least_is_out ? "above " : "", r.least) + (r.least_is_out ? "" : " or more");
  if (r.least_is_out)
    return fmt::format("above {} and {} {}", r.least, r.most_is_out ? "below" : "at most", r.most);
  return fmt::format("from {} to {}{}", r.least, r.most_is_out ? "below " : "", r.most);
}

// Reads the whole text as a number; says what to use where it is none, or out of range.
template <typename Number>
std::string read_number(const std::string& text, const Range& range, Number& number) {
  Number parsed = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, parsed);
  bool good = error == std::errc() && stopped == end && contains(range, static_cast<double>(parsed));
  if constexpr (std::is_floating_point_v<Number>) good = good && std::isfinite(parsed);
  if (good) {
    number = parsed;
    return {};
  }
  auto most = range;
  if (std::is_unsigned_v<Number> && !std::isfinite(range.least)) most.least = 0;
  if (error == std::errc::result_out_of_range && stopped == end) {
    most.most = std::min(most.most, static_cast<double>(std::numeric_limits<Number>::max()));
  }
  auto bounds = range_text(most);
  if (!bounds.empty()) bounds = (bounds.ends_with("more") ? ", " : " ") + bounds;
  return fmt::format("use a {}number{}", std::is_floating_point_v<Number> ? "" : "whole ", bounds);
}

template <typename Number>
FieldAccess number_access(Number& value, const Range& range) {
  FieldAccess field;
  field.read = [&value, range](const std::string& text) { return read_number(text, range, value); };
  field.texts = [&value] { return std::vector{fmt::to_string(value)}; };
  field.kind = std::is_floating_point_v<Number> ? Kind::real : Kind::whole;
  field.argument = std::is_floating_point_v<Number> ? "X" : "N";
  field.may_be = range_text(range);
  return field;
}

// Of a field that may stay unset.
template <typename Value, typename MayBe>
FieldAccess optional_access(std::optional<Value>& value, const MayBe& may_be) {
  Value unset{};
  FieldAccess field = access(unset, may_be);  // for what it is; what reads and writes is replaced
  field.read = [&value, may_be](const std::string& text) {
    Value parsed{};
    auto wrong = access(parsed, may_be).read(text);
    if (wrong.empty()) value = std::move(parsed);
    return wrong;
  };
  field.texts = [&value, may_be] {
    if (!value) return std::vector<std::string>();
    Value copy = *value;
    return access(copy, may_be).texts();
  };
  return field;
}

std::string read_choice(const std::string& text, const Choices& choices, std::string& value) {
  if (std::ranges::find(choices.names, text) == choices.names.end()) {
    return "use " + join_or(choices.names);
  }
  value = text;
  return {};
}

std::string quoted(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\n\"") == std::string::npos;
  return plain ? value : fmt::format("\"{}\"", value);
}

// As parse_ini() reads it.
std::string ini_value(const std::string& name, const std::string& value) {
  const bool plain = value.find_first_of("#;\"'") == std::string::npos && boost::trim_copy(value) == value;
  if (plain && value.find('\n') == std::string::npos) return value;
  const char quote = value.find('"') == std::string::npos ? '"' : '\'';
  if (value.find('\n') != std::string::npos || value.find(quote) != std::string::npos) {
    throw UsageError("--{}: an INI file cannot hold a line break or both kinds of quotes", name);
  }
  return quote + value + quote;
}

ordered_json json_value(const std::string& text, Kind kind) {
  switch (kind) {
    case Kind::text:
      return text;
    case Kind::whole:
      return ordered_json::parse(text);
    case Kind::real:
      return std::strtod(text.c_str(), nullptr);
    case Kind::toggle:
      return text == "true";
  }
  return {};
}

// A JSON value as text, where it is of the field's kind.
std::optional<std::string> text_of(const ordered_json& json, Kind kind) {
  if (kind == Kind::text) return json.is_string() ? std::optional(json.get<std::string>()) : std::nullopt;
  if (kind == Kind::toggle) return json.is_boolean() ? std::optional(json.dump()) : std::nullopt;
  return json.is_number() ? std::optional(json.dump()) : std::nullopt;
}

}  // namespace

FieldAccess access(std::string& value, const Text& text) {
  FieldAccess field;
  field.read = [&value](const std::string& given) { return value = given, std::string(); };
  field.texts = [&value] { return std::vector{value}; };
  field.argument = text.argument;
  return field;
}

FieldAccess access(std::filesystem::path& value, const Text& text) {
  FieldAccess field;
  field.read = [&value](const std::string& given) { return value = given, std::string(); };
  field.texts = [&value] { return std::vector{value.string()}; };
  field.argument = text.argument;
  return field;
}

FieldAccess access(std::vector<std::string>& values, const Text& text) {
  FieldAccess field;
  field.read = [&values](const std::string& given) { return values.push_back(given), std::string(); };
  field.texts = [&values] { return values; };
  field.repeated = true;
  field.argument = text.argument;
  return field;
}

FieldAccess access(std::string& value, const Choices& choices) {
  FieldAccess field;
  field.read = [&value, choices](const std::string& given) { return read_choice(given, choices, value); };
  field.texts = [&value] { return std::vector{value}; };
  field.argument = fmt::format("{}", fmt::join(choices.names, "|"));
  return field;
}

FieldAccess access(std::vector<std::string>& values, const Choices& choices) {
  FieldAccess field;
  field.read = [&values, choices](const std::string& given) {
    std::vector<std::string> parts;
    boost::split(parts, given, boost::is_any_of(","));
    for (auto& part : parts) {
      boost::trim(part);
      const auto wrong = read_choice(part, choices, part);
      if (!wrong.empty()) return wrong + ", with commas between several";
    }
    values = std::move(parts);
    return std::string();
  };
  field.texts = [&values] { return std::vector{fmt::format("{}", fmt::join(values, ","))}; };
  field.argument = "LIST";
  field.may_be = join_or(choices.names) + ", with commas between several";
  return field;
}

FieldAccess access(int& value, const Range& range) { return number_access(value, range); }
FieldAccess access(int64_t& value, const Range& range) { return number_access(value, range); }
FieldAccess access(uint64_t& value, const Range& range) { return number_access(value, range); }
FieldAccess access(double& value, const Range& range) { return number_access(value, range); }
FieldAccess access(std::optional<int>& value, const Range& range) { return optional_access(value, range); }
FieldAccess access(std::optional<int64_t>& value, const Range& range) {
  return optional_access(value, range);
}
FieldAccess access(std::optional<double>& value, const Range& range) { return optional_access(value, range); }
FieldAccess access(std::optional<std::string>& value, const Text& text) {
  return optional_access(value, text);
}

FieldAccess access(bool& value) {
  FieldAccess field;
  field.read = [&value](const std::string& given) -> std::string {
    const auto word = boost::to_lower_copy(given);
    const bool yes = word == "true" || word == "yes" || word == "on" || word == "1";
    if (!yes && word != "false" && word != "no" && word != "off" && word != "0") return "use true or false";
    value = yes;
    return {};
  };
  field.texts = [&value] { return std::vector<std::string>{value ? "true" : "false"}; };
  field.kind = Kind::toggle;
  return field;
}

void Option::set(const std::string& value, std::string source) {
  const auto wrong = access.read(value);
  if (!wrong.empty()) throw UsageError("{} {}: {}", source, quoted(value), wrong);
  given_by = std::move(source);
}

Option& OptionList::add(const void* field, FieldAccess access, std::string name, std::string help) {
  BYTECPU_CHECK(!find(name));
  Option option{.name = std::move(name),
                .group = group_,
                .help = std::move(help),
                .field = field,
                .access = std::move(access),
                .default_text = {},
                .given_by = {}};
  const auto texts = option.access.texts();
  const bool shown = option.access.kind != Kind::toggle && !option.access.repeated && !texts.empty();
  if (shown) option.default_text = texts[0];
  return options_.emplace_back(std::move(option));
}

OptionList& OptionList::add(const OptionList& other) {
  for (const Option& option : other.options_) {
    BYTECPU_CHECK(!find(option.name));
    options_.push_back(option);
  }
  return *this;
}

Option* OptionList::find(std::string_view name) {
  const auto found = std::ranges::find(options_, name, &Option::name);
  return found == options_.end() ? nullptr : &*found;
}

const Option& OptionList::option_of(const void* field) const {
  const auto found = std::ranges::find(options_, field, &Option::field);
  BYTECPU_CHECK(found != options_.end());
  return *found;
}

void OptionList::refuse_field(std::string_view why, const void* field) const {
  const Option& option = option_of(field);
  if (!option.given_by.empty()) throw UsageError("{}: {}", option.given_by, why);
}

std::string OptionList::ini(const OptionList& but) const {
  std::string text;
  for (const Option& option : options_) {
    if (std::ranges::find(but.options_, option.field, &Option::field) != but.options_.end()) continue;
    for (const auto& value : option.access.texts()) {
      if (!value.empty()) text += fmt::format("{} = {}\n", option.name, ini_value(option.name, value));
    }
  }
  return text;
}

ordered_json OptionList::json() const {
  auto object = ordered_json::object();
  for (const Option& option : options_) {
    const auto texts = option.access.texts();
    if (option.access.repeated) {
      object[option.name] = texts;
    } else if (!texts.empty()) {
      object[option.name] = json_value(texts[0], option.access.kind);
    }
  }
  return object;
}

void OptionList::from_json(const ordered_json& object, std::initializer_list<std::string_view> others) const {
  if (!object.is_object()) throw Error("settings are an object, not {}", json_text(object));
  for (const auto& [name, value] : object.items()) {
    const auto option = std::ranges::find(options_, name, &Option::name);
    if (option == options_.end()) {
      if (std::ranges::find(others, name) != others.end()) continue;
      throw Error("there is no setting \"{}\": it was written by another version", name);
    }
    const auto items = option->access.repeated && value.is_array() ? value : ordered_json::array({value});
    for (const auto& item : items) {
      const auto text = text_of(item, option->access.kind);
      const auto wrong = text ? option->access.read(*text) : "another type of value is needed";
      if (!wrong.empty()) throw Error("the setting {} is {}: {}", name, json_text(item), wrong);
    }
  }
}

void OptionList::check() const {
  for (const Option& option : options_) {
    if (option.access.repeated) continue;
    for (const auto& value : option.access.texts()) {
      const auto wrong = option.access.read(value);
      if (!wrong.empty()) throw Error("{} {}: {}", option.name, quoted(value), wrong);
    }
  }
}

std::vector<IniLine> parse_ini(std::string_view contents, std::string_view file) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (contents.starts_with(byte_order_mark)) contents.remove_prefix(byte_order_mark.size());
  std::vector<IniLine> lines;
  for (int number = 1; !contents.empty(); ++number) {
    const auto length = std::min(contents.find('\n'), contents.size());
    const auto line = boost::trim_copy(std::string(contents.substr(0, length)));
    contents.remove_prefix(std::min(length + 1, contents.size()));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const auto equals = line.find('=');
    auto name = boost::trim_copy(line.substr(0, equals));
    if (equals == line.npos || name.empty() || name.find_first_of("#[") != name.npos) {
      throw UsageError("{}:{}: \"{}\" is neither NAME = VALUE nor a comment", file, number, line);
    }
    auto value = boost::trim_copy(line.substr(equals + 1));
    const auto closing = value.empty() ? value.npos : value.find(value[0], 1);
    const auto rest = closing == value.npos ? std::string() : boost::trim_copy(value.substr(closing + 1));
    if ((value.starts_with('"') || value.starts_with('\'')) && closing != value.npos &&
        (rest.empty() || rest[0] == '#' || rest[0] == ';')) {
      value = value.substr(1, closing - 1);
    } else {
      value = value.substr(0, value.find('#'));
      for (const char* comment : {" ;", "\t;"}) value = value.substr(0, value.find(comment));
      if (value.starts_with(';')) value.clear();
      boost::trim(value);
    }
    lines.push_back({std::move(name), std::move(value), number});
  }
  return lines;
}

std::string json_text(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace bytecpu
