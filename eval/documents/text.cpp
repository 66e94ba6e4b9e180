#include "eval/documents/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "eval/documents/numbers.hpp"

namespace bytecpu {

namespace {

using nlohmann::ordered_json;
using Pointer = ordered_json::json_pointer;

constexpr size_t most_lines = 12;        // of a table of errors
constexpr size_t most_cases_shown = 3;   // of each form
constexpr size_t most_forms_shown = 64;  // where there are more, only those with an error are

Rate rate_of(const ordered_json& json) { return {json.at("right"), json.at("total")}; }

void rate_line(std::string& text, std::string_view name, const Rate& rate) {
  if (rate.total == 0) return;
  text += fmt::format("  {:<16}{:>13} of {:<13}{:>14}   {}", name, grouped(rate.right), grouped(rate.total),
                      accuracy_text(rate), interval_text(rate));
  if (rate.wrong() == 0) text += "; error rate " + error_interval_text(rate);
  text += '\n';
}

using NamedRates = std::vector<std::pair<std::string, Rate>>;

// Lines "name  wrong of total  rate  interval", the highest rates first; nothing where nothing is wrong.
void error_lines(std::string& text, std::string_view title, NamedRates rows) {
  const size_t all = rows.size();
  std::erase_if(rows, [](const auto& row) { return row.second.wrong() == 0; });
  if (rows.empty()) return;
  std::ranges::stable_sort(
      rows, [](const auto& a, const auto& b) { return a.second.accuracy() < b.second.accuracy(); });
  text += fmt::format("  errors {} ({} of {} have any)\n", title, rows.size(), all);
  for (size_t i = 0; i < std::min(rows.size(), most_lines); ++i) {
    const auto& [name, rate] = rows[i];
    text += fmt::format("    {:<18}{:>13} of {:<13}{:>9}   {}\n", name, grouped(rate.wrong()),
                        grouped(rate.total), share_text(1 - rate.accuracy()), error_interval_text(rate));
  }
  if (rows.size() > most_lines) text += fmt::format("    and {} more\n", rows.size() - most_lines);
}

NamedRates named_rates(const ordered_json& rows, const char* name) {
  NamedRates rates;
  for (const auto& row : rows) rates.emplace_back(row.at(name), rate_of(row));
  return rates;
}

// "12 … 15", "12"
std::string range_text(const ordered_json& bin) {
  const int64_t first = bin.at("first"), last = bin.at("last");
  return first == last ? fmt::to_string(first) : fmt::format("{} … {}", first, last);
}

NamedRates binned_rates(const ordered_json& bins) {
  NamedRates rates;
  for (const auto& bin : bins) rates.emplace_back(range_text(bin), rate_of(bin.at("states")));
  return rates;
}

void rates_text(std::string& text, const ordered_json& mode) {
  for (const char* what :
       {"bytes", "changed", "unchanged", "states", "traces", "ends", "branches", "writes"}) {
    const bool part = what == std::string_view("changed") || what == std::string_view("unchanged");
    rate_line(text, part ? fmt::format("{} bytes", what) : what, rate_of(mode.at(what)));
  }
  if (!mode.contains("baselines")) return;
  for (const auto& [baseline, rates] : mode.at("baselines").items()) {
    for (const char* what : {"bytes", "states", "traces"})
      rate_line(text, fmt::format("{}: {}", baseline, what), rate_of(rates.at(what)));
  }
}

void probabilities_text(std::string& text, const ordered_json& mode) {
  if (!mode.at("bits_per_byte").is_null())
    text += fmt::format("  bits per byte {:.3g}\n", mode.at("bits_per_byte").get<double>());
  const auto& confidence = mode.at("confidence");
  if (confidence.is_null()) return;
  const auto mean = [&](const char* which) {
    const auto& value = confidence.at(which);
    return value.is_null() ? std::string("–") : fmt::format("{:.6g}", value.get<double>());
  };
  text +=
      fmt::format("  mean confidence of right states {}, of wrong ones {}; calibration error {:.2g}\n",
                  mean("mean_right"), mean("mean_wrong"), confidence.at("calibration_error").get<double>());
}

void ends_text(std::string& text, const ordered_json& mode) {
  const int64_t missing = mode.at("missing_states"), surplus = mode.at("surplus_states");
  const int64_t early = mode.at("early_ends"), late = mode.at("late_ends");
  if (missing + surplus + early + late == 0) return;
  text += fmt::format("  ended early {}, late or never {}; states missing {}, surplus {}\n", grouped(early),
                      grouped(late), grouped(missing), grouped(surplus));
}

void mode_text(std::string& text, const std::string& name, const ordered_json& mode) {
  text += fmt::format("\n{:<22}{:>14}{:>25}   95 % interval\n",
                      name == "step" ? "step, teacher-forced" : name, "right of total", "accuracy");
  rates_text(text, mode);
  probabilities_text(text, mode);
  ends_text(text, mode);
  error_lines(text, "by form", named_rates(mode.at("by_form"), "form"));
  error_lines(text, "by group", named_rates(mode.at("by_group"), "group"));
  error_lines(text, "by field", named_rates(mode.at("by_field"), "field"));
  error_lines(text, "by state, counted from 1", binned_rates(mode.at("by_step").at("bins")));
  error_lines(text, "by states of the program", binned_rates(mode.at("by_length")));
  if (mode.contains("after_error"))
    error_lines(text, "by states after the first error", binned_rates(mode.at("after_error").at("bins")));
}

void wrong_case_text(std::string& text, const ordered_json& wrong) {
  const auto record = [&](const char* name) {
    return wrong.at(name).is_null() ? std::string("the end") : wrong.at(name).get<std::string>();
  };
  text += fmt::format("      {} after {}: {}, predicted {}\n", wrong.at("instruction").get<std::string>(),
                      record("before"), record("expected"), record("predicted"));
}

// Every form with an error, the worst first, then those without, or how many they are.
void exhaustive_text(std::string& text, const ordered_json& mode) {
  std::vector<const ordered_json*> forms;
  for (const auto& form : mode.at("forms")) forms.push_back(&form);
  std::ranges::stable_sort(forms, {},
                           [](const ordered_json* form) { return rate_of(form->at("results")).accuracy(); });
  size_t widest = 20;
  for (const ordered_json* form : forms)
    widest = std::max(widest, form->at("form").get_ref<const std::string&>().size());
  text += fmt::format("\n{:<{}}{:>11}{:>12}{:>11}   95 % interval\n", "exhaustive", widest + 2, "cases",
                      "wrong", "share");
  for (size_t n = 0; n < forms.size(); ++n) {
    const ordered_json& form = *forms[n];
    const Rate rate = rate_of(form.at("results"));
    if (rate.wrong() == 0 && forms.size() > most_forms_shown) {
      text += fmt::format("  {} of {} forms are without an error\n",
                          grouped(std::ssize(forms) - static_cast<int64_t>(n)), grouped(std::ssize(forms)));
      break;
    }
    text += fmt::format("  {:<{}}{:>11}{:>12}{:>11}   {}\n", form.at("form").get<std::string>(), widest,
                        grouped(rate.total), rate.wrong() ? grouped(rate.wrong()) : "none",
                        rate.wrong() ? share_text(1 - rate.accuracy()) : "", error_interval_text(rate));
    const auto& examples = form.at("examples");
    for (size_t i = 0; i < std::min(examples.size(), most_cases_shown); ++i)
      wrong_case_text(text, examples.at(i));
  }
  error_lines(text, "by operation", named_rates(mode.at("by_operation"), "operation"));
  const Rate results = rate_of(mode.at("results"));
  text += fmt::format("\n{} of {} cases wrong\n", grouped(results.wrong()), grouped(results.total));
}

void files_text(std::string& text, const ordered_json& files) {
  const auto& problems = files.at("problems");
  if (!problems.empty()) text += fmt::format("\nfiles with a fault ({})\n", problems.size());
  for (const auto& problem : problems) {
    text += fmt::format("  {}: {}\n", problem.at("file").get<std::string>(),
                        problem.at("problem").get<std::string>());
  }
}

// "copy on fresh programs (toy8, 64 bytes of memory): 200 test traces, 1,693 states"
std::string subject_text(const ordered_json& document) {
  const auto& data = document.at("data");
  const auto& layout = data.at("layout");
  std::string text = fmt::format("{} on {}", document.at("predictor").at("name").get<std::string>(),
                                 data.at("source").get<std::string>());
  text += fmt::format(" ({}, {} bytes of memory)", layout.at("machine").get<std::string>(),
                      grouped(layout.at("memory_bytes")));
  if (data.contains("traces")) {
    text += fmt::format(": {} {} traces, {} states", grouped(data.at("traces")),
                        data.at("split").get<std::string>(), grouped(data.at("states")));
  }
  return text;
}

// "txt 2.412, abc to mid 0.178 bits a byte"; of a classifier "320 of 360 labels right"
std::string kinds_title(const ordered_json& document) {
  std::string text;
  if (document.at("kinds").empty() && document.contains("labels")) {
    const Rate right = rate_of(document.at("labels").at("right"));
    return fmt::format("{} of {} labels right", grouped(right.right), grouped(right.total));
  }
  for (const auto& kind : document.at("kinds")) {
    text += fmt::format("{}{} {:.3f}", text.empty() ? "" : ", ", kind.at("kind").get<std::string>(),
                        kind.at("bits_per_byte").get<double>());
  }
  return text + " bits a byte";
}

void labels_text(std::string& text, const ordered_json& labels) {
  text += "\nlabels\n";
  rate_line(text, "right", rate_of(labels.at("right")));
  NamedRates rates;
  const auto& names = labels.at("labels");
  for (size_t i = 0; i < names.size(); ++i) {
    const auto row = labels.at("confusion").at(i).get<std::vector<int64_t>>();
    const Rate rate{row[i], std::accumulate(row.begin(), row.end(), int64_t{0})};
    if (rate.total > 0) rates.emplace_back(names.at(i), rate);
  }
  error_lines(text, "by label", rates);
}

std::string kinds_text(const ordered_json& document) {
  const auto& data = document.at("data");
  std::string text = fmt::format("{}\n{} on {}: {} {} documents\n", kinds_title(document),
                                 document.at("predictor").at("name").get<std::string>(),
                                 data.at("source").get<std::string>(), grouped(data.at("documents")),
                                 data.at("split").get<std::string>());
  if (!document.at("kinds").empty()) {
    text += fmt::format("\n{:<22}{:>10}{:>14}{:>11}   {:<19}{:>8}{:>8}\n", "bits a byte", "documents",
                        "bytes", "model", "95 % interval", "xz", "zstd");
  }
  for (const auto& kind : document.at("kinds")) {
    const auto& interval = kind.at("interval");
    const auto range =
        fmt::format("{:.4f} … {:.4f}", interval.at(0).get<double>(), interval.at(1).get<double>());
    text += fmt::format("  {:<20}{:>10}{:>14}{:>11.4f}   {:<19}{:>8.3f}{:>8.3f}\n",
                        kind.at("kind").get<std::string>(), grouped(kind.at("documents")),
                        grouped(kind.at("bytes")), kind.at("bits_per_byte").get<double>(), range,
                        kind.at("compressors").at("xz").get<double>(),
                        kind.at("compressors").at("zstd").get<double>());
  }
  for (const auto& kind : document.at("kinds")) {
    if (!kind.contains("equal")) continue;
    text += fmt::format("\n{}, converted by the most probable bytes\n", kind.at("kind").get<std::string>());
    rate_line(text, "equal files", rate_of(kind.at("equal")));
    rate_line(text, "ended by itself", rate_of(kind.at("ended")));
  }
  if (document.contains("labels")) labels_text(text, document.at("labels"));
  return text;
}

// Whose predictions they are, where that is not a model: ", copy".
std::string predictor_title(const ordered_json& document) {
  if (document.contains("files")) return ", predicted files";
  if (document.contains(Pointer("/predictor/details/checkpoint"))) return "";
  const auto name = document.value(Pointer("/predictor/name"), std::string());
  return name.empty() ? "" : ", " + name;
}

// "1 of 665,632 bytes wrong"; empty where nothing of it was evaluated.
std::string result_title(const ordered_json& document) {
  struct Headline {
    const char *rate, *unit, *remark;
  };
  // Each kind of evaluation with its headline, in the order in which they are preferred.
  constexpr Headline headlines[] = {{"/modes/rollout/bytes", "bytes", ""},
                                    {"/modes/step/bytes", "bytes", ", teacher-forced"},
                                    {"/modes/exhaustive/results", "cases", ""}};
  for (const auto& [place, unit, remark] : headlines) {
    if (!document.contains(Pointer(place))) continue;
    const Rate rate = rate_of(document.at(Pointer(place)));
    if (rate.total == 0) return fmt::format("no {} to count", unit);
    return fmt::format("{} of {} {} wrong{}", grouped(rate.wrong()), grouped(rate.total), unit, remark);
  }
  return "";
}

}  // namespace

std::string title(const ordered_json& document) {
  if (document.contains("kinds")) return kinds_title(document);
  const auto machine = document.value(Pointer("/data/layout/machine"), std::string());
  const std::string result = machine.empty() ? "" : result_title(document);
  if (result.empty()) return "bytecpu evaluation";
  const auto memory = document.value(Pointer("/data/layout/memory_bytes"), int64_t{0});
  return fmt::format("{}, {} bytes{}: {}", machine, grouped(memory), predictor_title(document), result);
}

std::string summary(const ordered_json& document) {
  if (document.contains("kinds")) return kinds_text(document);
  std::string text = fmt::format("{}\n{}\n", title(document), subject_text(document));
  const auto& modes = document.at("modes");
  for (const auto& [name, mode] : modes.items()) {
    if (name != "exhaustive") mode_text(text, name, mode);
  }
  if (document.contains("files")) files_text(text, document.at("files"));
  if (modes.contains("exhaustive")) exhaustive_text(text, modes.at("exhaustive"));
  return text;
}

}  // namespace bytecpu
