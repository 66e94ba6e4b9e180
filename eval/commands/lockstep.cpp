#include "eval/commands/lockstep.hpp"

#include <algorithm>
#include <array>

#include "datagen/programs/show.hpp"
#include "emulator/error.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {

namespace {

using Record = std::span<const uint8_t>;

constexpr const char *bold = "1", *red = "31", *green = "32";
constexpr int64_t first_chunk = 16;  // states predicted before the first are shown; then twice as many

bool same(const Field& field, Record a, Record b) {
  const auto at = static_cast<size_t>(field.offset), bytes = static_cast<size_t>(field.bytes);
  return std::ranges::equal(a.subspan(at, bytes), b.subspan(at, bytes));
}

// "ACC 13, A 12": the fields of `record` that differ from `other`.
std::string fields_unlike(const Layout& layout, Record record, Record other) {
  std::string text;
  for (const Field& field : layout.fields) {
    if (same(field, record, other)) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", field.name, field_text(record, field));
  }
  return text;
}

// A column for each field where all are bytes; of wider records only what changed.
bool in_columns(const Layout& layout) {
  return std::ranges::all_of(layout.fields, [](const Field& field) { return field.bytes == 1; });
}
size_t column(const Field& field) { return std::max<size_t>(field.name.size(), 3) + 1; }

// The predictor's records 1 … `most`, or fewer where it ended.
std::vector<std::vector<uint8_t>> predict(Predictor& predictor, const Lockstep& lockstep, int64_t most) {
  const Layout& layout = lockstep.machine->layout();
  const auto record = static_cast<size_t>(layout.record_bytes);
  std::vector<std::vector<uint8_t>> predicted;
  const auto add = [&](Record records, size_t i) {
    const auto bytes = records.subspan(i * record, record);
    predicted.emplace_back(bytes.begin(), bytes.end());
  };
  const Trace run = lockstep.run[0];
  if (lockstep.free) {
    const auto rollout = predictor.rollout(std::array{run}, std::array{most}).at(0);
    for (size_t i = 0; i < rollout.steps.size() / record; ++i) add(rollout.steps, i);
    if (rollout.ended) predicted.emplace_back();
  } else {
    const auto step = predictor.step(std::array{run.first(std::min(most, run.states()))}).at(0);
    for (size_t i = 0; i < static_cast<size_t>(most); ++i) {
      if (step.ended[i])
        predicted.emplace_back();
      else
        add(step.steps, i);
    }
  }
  return predicted;
}

}  // namespace

Record Lockstep::truth(int64_t t) const { return t > states() ? Record() : run[0].record(t); }

bool Lockstep::differs(int64_t t) const {
  return !std::ranges::equal(truth(t), predicted[static_cast<size_t>(t - 1)]);
}

std::optional<int64_t> Lockstep::first_difference() const {
  for (int64_t t = 1; t <= std::ssize(predicted); ++t) {
    if (differs(t)) return t;
  }
  return std::nullopt;
}

int64_t Lockstep::differences() const {
  int64_t count = 0;
  for (int64_t t = 1; t <= std::ssize(predicted); ++t) count += differs(t);
  return count;
}

Lockstep run_lockstep(Machine& machine, Predictor& predictor, std::span<const uint8_t> start, int64_t steps,
                      bool free, const OnStates& on_states) {
  Lockstep lockstep(machine);
  lockstep.free = free;
  machine.run(start, {.steps = static_cast<uint64_t>(steps)}, lockstep.run);
  // Places to predict: the states and, where the machine ends, the end.
  const int64_t places = lockstep.states() + (!lockstep.halted() ? 0 : free ? rollout_slack : 1);
  for (int64_t chunk = first_chunk; !lockstep.finished; chunk *= 2) {
    const int64_t known = std::ssize(lockstep.predicted), most = std::min(chunk, places);
    lockstep.predicted = predict(predictor, lockstep, most);
    const int64_t now = std::ssize(lockstep.predicted);
    // Free, the predictor may have ended; it then said so in the last place.
    const bool ended = free && now > 0 && lockstep.predicted.back().empty();
    lockstep.cut = now < most && !ended;
    lockstep.finished = most == places || ended || lockstep.cut;
    if (on_states && now > known && !on_states(lockstep, known + 1, now)) break;
  }
  return lockstep;
}

std::string lockstep_heading(const Lockstep& lockstep) {
  const Layout& layout = lockstep.machine->layout();
  std::string text = fmt::format("{:>6}  {:<14}", "state", "instruction");
  if (!in_columns(layout)) return text + " model, or same; what changed";
  for (const Field& field : layout.fields) text += fmt::format("{:>{}} ", field.name, column(field));
  return text + "  model";
}

std::string lockstep_row(const Lockstep& lockstep, int64_t t, bool colour) {
  const Layout& layout = lockstep.machine->layout();
  const auto paint = [&](const char* code, const std::string& text) {
    return colour ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
  };
  const Record truth = lockstep.truth(t);
  const Record predicted = t == 0 ? truth : Record(lockstep.predicted[static_cast<size_t>(t - 1)]);
  std::string verdict;
  if (t > 0 && !lockstep.differs(t))
    verdict = paint(green, "same");
  else if (t > 0 && predicted.empty())
    verdict = paint(red, "ended");
  else if (t > 0 && truth.empty())
    verdict = paint(red, "goes on: " + lockstep.machine->describe(predicted).text);
  else if (t > 0)
    verdict = paint(red, fields_unlike(layout, predicted, truth));

  const auto instruction = t == 0          ? "(start)"
                           : truth.empty() ? "(end)"
                                           : lockstep.machine->describe(truth).text;
  std::string text =
      fmt::format("{}{:>5}  {:<14}", lockstep.first_difference() == t ? '>' : ' ', t, instruction);
  if (!in_columns(layout)) {
    text += " " + verdict;
    if (t > 0 && !truth.empty()) text += "; " + fields_unlike(layout, truth, lockstep.truth(t - 1));
    return text;
  }
  for (const Field& field : layout.fields) {
    const bool changed = t > 0 && !truth.empty() && !same(field, truth, lockstep.truth(t - 1));
    const auto value = fmt::format("{:>{}}", truth.empty() ? "" : field_text(truth, field), column(field));
    text += changed && colour ? paint(bold, value) + " " : value + (changed ? "*" : " ");
  }
  text += "  " + verdict;
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string lockstep_verdict(const Lockstep& lockstep) {
  const int64_t n = lockstep.states();
  std::string text =
      fmt::format("{} after {} state{}; the model ", to_string(lockstep.run.stops[0]), n, n == 1 ? "" : "s");
  const auto first = lockstep.first_difference();
  if (!first && lockstep.cut)
    return text + fmt::format("agrees in the first {} and takes no more", lockstep.predicted.size());
  if (!first) return text + "agrees in every one" + (lockstep.halted() ? " and in the end" : "");
  const Record truth = lockstep.truth(*first);
  const Record predicted = lockstep.predicted[static_cast<size_t>(*first - 1)];
  const Layout& layout = lockstep.machine->layout();
  if (truth.empty()) return text + "agrees in every one, but does not end there";
  if (!lockstep.free)
    text +=
        fmt::format("differs {} time{}, ", lockstep.differences(), lockstep.differences() == 1 ? "" : "s");
  text += lockstep.free ? "parts" : "first";
  if (predicted.empty()) return text + fmt::format(" at state {}, before which it ends", *first);
  return text + fmt::format(" at state {}: {} where the machine has {}", *first,
                            fields_unlike(layout, predicted, truth), fields_unlike(layout, truth, predicted));
}

nlohmann::ordered_json lockstep_json(const Lockstep& lockstep) {
  auto json = trace_json(*lockstep.machine, lockstep.run[0]);
  json["free"] = lockstep.free;
  auto& predicted = json["predicted"] = nlohmann::ordered_json::array();
  for (const auto& record : lockstep.predicted) {
    std::string hex;
    for (const uint8_t byte : record) hex += fmt::format("{:02x}", byte);
    predicted.push_back(record.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(hex));
  }
  const auto first = lockstep.first_difference();
  json["first_difference"] = first ? nlohmann::ordered_json(*first) : nlohmann::ordered_json();
  json["differences"] = lockstep.differences();
  json["cut"] = lockstep.cut;
  return json;
}

}  // namespace bytecpu
