// The options of programs: tables of typed fields. A struct holds the values with their defaults, and one list
// names each field once, with what it may be. Flags, INI files, --help and JSON all come from that list:
//
//   OptionList options(TrainConfig& c) {
//     OptionList field("Training");
//     field(c.steps, "steps", at_least(0), "optimiser steps");
//     field(c.precision, "precision", one_of({"fp32", "bf16"}), "of products");
//     field(c.out, "out", text("DIR"), "folder to write").required();
//     return field;
//   }
//
// Rules between fields are in the struct's check().
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/error.hpp"

namespace bytecpu {

// What a number may be.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_is_out = false, most_is_out = false;
};
constexpr Range any_number() { return {}; }
constexpr Range at_least(double least) { return {.least = least}; }
constexpr Range above(double least) { return {.least = least, .least_is_out = true}; }
constexpr Range in(double least, double most) { return {.least = least, .most = most}; }
constexpr Range in_below(double least, double most) {
  return {.least = least, .most = most, .most_is_out = true};
}
constexpr Range above_to(double least, double most) {
  return {.least = least, .most = most, .least_is_out = true};
}

// What a text may be.
struct Choices {
  std::vector<std::string> names;
};
template <typename Names = std::initializer_list<const char*>>
Choices one_of(const Names& names) {
  return {{names.begin(), names.end()}};
}

// Any text, a path for example; `argument` stands for it in --help.
struct Text {
  std::string argument;
};
inline Text text(std::string argument) { return {std::move(argument)}; }

// The names of an enumeration's values.
template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

// What an option's field needs to know of itself, whatever its type.
struct FieldAccess {
  // Sets the field. Returns what is wrong, as in "use a number from 0 to 1", or nothing.
  std::function<std::string(const std::string&)> read;
  // Its value as read() takes it; several where the option may be repeated; none where it is not set.
  std::function<std::vector<std::string>()> texts;
  enum class Kind { text, whole, real, toggle } kind = Kind::text;
  bool repeated = false;
  std::string argument;  // what stands for the value in --help
  std::string may_be;    // for --help: "from 0 to 1"; empty where all is said
};

struct Option {
  std::string name, group, help;
  const void* field = nullptr;
  FieldAccess access;
  std::string default_text;  // for --help; empty: none
  bool is_required = false, is_positional = false;
  // Where its value was given: "--seed", or "FILE:3: seed"; empty: nowhere, it is the default.
  std::string given_by;

  Option& required() { return is_required = true, *this; }
  // May be given without its name, several times where it is repeated; there is one such option at most.
  Option& positional() { return is_positional = true, *this; }
  // Sets the field to a text. Throws UsageError that says what it may be.
  void set(const std::string& value, std::string source);
};

FieldAccess access(std::string& value, const Text& text);
FieldAccess access(std::filesystem::path& value, const Text& text);
FieldAccess access(std::vector<std::string>& values, const Text& text);
FieldAccess access(std::optional<std::string>& value, const Text& text);
FieldAccess access(std::string& value, const Choices& choices);
FieldAccess access(std::vector<std::string>& values, const Choices& choices);  // with commas between
FieldAccess access(int& value, const Range& range);
FieldAccess access(int64_t& value, const Range& range);
FieldAccess access(uint64_t& value, const Range& range);
FieldAccess access(double& value, const Range& range);
FieldAccess access(std::optional<int>& value, const Range& range);
FieldAccess access(std::optional<int64_t>& value, const Range& range);
FieldAccess access(std::optional<double>& value, const Range& range);
FieldAccess access(bool& value);

template <typename Enum>
FieldAccess access(Enum& value, const Names<Enum>& names) {
  auto name = std::make_shared<std::string>();
  Choices choices;
  for (const auto& [known, its_value] : names) {
    choices.names.push_back(known);
    if (its_value == value) *name = known;
  }
  auto field = access(*name, choices);
  field.read = [read = field.read, name, names, &value](const std::string& given) {
    auto wrong = read(given);
    for (const auto& [known, its_value] : names) {
      if (wrong.empty() && known == given) value = its_value;
    }
    return wrong;
  };
  field.texts = [names, &value] {
    for (const auto& [known, its_value] : names) {
      if (its_value == value) return std::vector{known};
    }
    BYTECPU_CHECK(!"an enumeration's value with a name");
    return std::vector<std::string>();
  };
  return field;
}

// The options of one command. It refers to the struct's fields, which must outlive it.
class OptionList {
 public:
  explicit OptionList(std::string group = "Options") : group_(std::move(group)) {}

  template <typename Value, typename MayBe>
  Option& operator()(Value& value, std::string name, const MayBe& may_be, std::string help) {
    return add(&value, access(value, may_be), std::move(name), std::move(help));
  }
  Option& operator()(bool& value, std::string name, std::string help) {
    return add(&value, access(value), std::move(name), std::move(help));
  }
  // Takes in the options of another list; no name may be in both.
  OptionList& add(const OptionList& other);

  std::vector<Option>& all() { return options_; }
  const std::vector<Option>& all() const { return options_; }
  Option* find(std::string_view name);

  // Whether the field was given, on the command line or in an INI file.
  template <typename Value>
  bool given(const Value& value) const {
    return !option_of(&value).given_by.empty();
  }
  // An option that would change nothing is an error, as an unknown one is. Throws UsageError with the reason
  // where one of the fields was given.
  template <typename... Values>
  void refuse(std::string_view why, const Values&... values) const {
    for (const void* field : {static_cast<const void*>(&values)...}) refuse_field(why, field);
  }
  // Of all fields of another list.
  void refuse(std::string_view why, const OptionList& others) const {
    for (const Option& other : others.all()) refuse_field(why, other.field);
  }
  // Only on the command line: an INI file may serve several runs, and have settings for what one leaves out.
  void refuse_flags(std::string_view why, const OptionList& others) const {
    for (const Option& other : others.all()) refuse_flag(why, other.field);
  }
  template <typename... Values>
  void refuse_flags(std::string_view why, const Values&... values) const {
    for (const void* field : {static_cast<const void*>(&values)...}) refuse_flag(why, field);
  }

  // All values as INI text, so that a run can be repeated with --config; without the options of `but`.
  std::string ini(const OptionList& but = OptionList()) const;
  // An object with each option's value by its name. Those that are not set are left out.
  nlohmann::ordered_json json() const;
  // Sets the fields that the object names, the others keep their values, so that what was written before a
  // setting came has its default. Throws Error for a value that a field cannot have, and for a name that is
  // neither an option's nor one of `others`.
  void from_json(const nlohmann::ordered_json& object,
                 std::initializer_list<std::string_view> others = {}) const;
  // Throws Error naming the first field whose value is not what it may be, as a program may have set it.
  void check() const;

 private:
  Option& add(const void* field, FieldAccess access, std::string name, std::string help);
  const Option& option_of(const void* field) const;
  void refuse_field(std::string_view why, const void* field) const;
  void refuse_flag(std::string_view why, const void* field) const {
    if (option_of(field).given_by.starts_with("--")) refuse_field(why, field);
  }

  std::string group_;
  std::vector<Option> options_;
};

// Calls what throws Error for bad values, where the values are options: throws UsageError instead.
template <typename Function>
auto as_usage(Function function) {
  try {
    return function();
  } catch (const Error& e) {
    throw UsageError("{}", e.what());
  }
}

// Calls what throws Error for bad settings that were read from a file: the Error names it.
template <typename Function>
void as_error_of(const std::filesystem::path& file, Function function) {
  try {
    function();
  } catch (const Error& e) {
    throw Error("{}: {}", file.string(), e.what());
  }
}

// One "name = value" of an INI file.
struct IniLine {
  std::string name, value;
  int line = 0;  // from 1
};

// Lines "name = value"; blank ones, and comments from # or ; on. A value may stand in quotes, single or double,
// which keep blanks at its ends and # and ;. A byte-order mark and carriage returns are ignored. Throws
// UsageError that names file and line.
std::vector<IniLine> parse_ini(std::string_view contents, std::string_view file);

// JSON as text. Bytes that are not UTF-8, which names of files and command lines may hold, are replaced.
// `indent` -1: on one line.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace bytecpu
