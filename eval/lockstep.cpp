#include "eval/lockstep.hpp"

#include <algorithm>
#include <array>

#include "datagen/show.hpp"
#include "emulator/error.hpp"
#include "eval/evaluation.hpp"

namespace bytecpu {

namespace {

using Record = std::span<const uint8_t>;

constexpr const char *bold = "1", *red = "31", *green = "32";

bool same(const Field& field, Record a, Record b) {
  const auto at = static_cast<size_t>(field.offset), bytes = static_cast<size_t>(field.bytes);
  return std::ranges::equal(a.subspan(at, bytes), b.subspan(at, bytes));
}

// "ACC 13, A 12": the fields of `record` that differ from `other`.
std::string differences(const Layout& layout, Record record, Record other) {
  std::string text;
  for (const Field& field : layout.fields) {
    if (same(field, record, other)) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", field.name, field_text(record, field));
  }
  return text;
}

size_t column(const Field& field) { return std::max<size_t>(field.name.size(), 3) + 1; }

std::string verdict(const Lockstep& lockstep) {
  const int64_t n = lockstep.states();
  std::string text =
      fmt::format("{} after {} state{}", to_string(lockstep.run.stops[0]), n, n == 1 ? "" : "s");
  const auto parting = lockstep.parting();
  if (!parting)
    return text + "; the model agrees in every one" + (lockstep.halted() ? " and in the end" : "");
  const Record truth = lockstep.truth(*parting), predicted = lockstep.predicted(*parting);
  if (truth.empty()) return text + "; the model agrees in every one, but does not end there";
  if (predicted.empty()) return text + fmt::format("; the model ends before state {}", *parting);
  const Layout& layout = lockstep.machine->layout();
  return text + fmt::format("; the model parts at state {}: {} where the machine has {}", *parting,
                            differences(layout, predicted, truth), differences(layout, truth, predicted));
}

}  // namespace

int64_t Lockstep::states() const {
  const Layout& layout = machine->layout();
  return (static_cast<int64_t>(run.bytes.size()) - layout.start_bytes()) / layout.record_bytes;
}

int64_t Lockstep::predicted_states() const {
  return static_cast<int64_t>(prediction.records.size()) / machine->layout().record_bytes;
}

Record Lockstep::truth(int64_t t) const {
  const Layout& layout = machine->layout();
  if (t > states()) return {};
  return Record(run.bytes).subspan(static_cast<size_t>(layout.memory_bytes + t * layout.record_bytes),
                                   static_cast<size_t>(layout.record_bytes));
}

Record Lockstep::predicted(int64_t t) const {
  const auto record = static_cast<size_t>(machine->layout().record_bytes);
  if (t == 0) return truth(0);
  return t > predicted_states()
             ? Record()
             : Record(prediction.records).subspan(static_cast<size_t>(t - 1) * record, record);
}

std::optional<int64_t> Lockstep::parting() const {
  for (int64_t t = 1; t <= states(); ++t) {
    if (!std::ranges::equal(truth(t), predicted(t))) return t;
  }
  const bool ends = prediction.ended && predicted_states() == states();
  return halted() && !ends ? std::optional(states() + 1) : std::nullopt;
}

Lockstep run_lockstep(Machine& machine, Predictor& predictor, std::span<const uint8_t> start, int64_t steps) {
  Lockstep lockstep{&machine, {}, {}};
  machine.run(start, {.steps = static_cast<uint64_t>(steps)}, lockstep.run);
  const std::array starts = {start};
  const std::array most = {lockstep.states() + (lockstep.halted() ? rollout_slack : 0)};
  auto predictions = predictor.rollout(starts, most);
  BYTECPU_CHECK(predictions.size() == 1);
  lockstep.prediction = std::move(predictions[0]);
  return lockstep;
}

std::string lockstep_text(const Lockstep& lockstep, bool colour) {
  const Layout& layout = lockstep.machine->layout();
  const auto paint = [&](const char* code, const std::string& text) {
    return colour ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
  };
  // A column for each field where all are bytes; of wider records only what changed.
  const bool columns =
      std::ranges::all_of(layout.fields, [](const Field& field) { return field.bytes == 1; });
  const auto state_text = [&](int64_t t) {
    const Record record = lockstep.truth(t);
    if (!columns)
      return t == 0 ? std::string(" (start)")
                    : fmt::format(" {}", differences(layout, record, lockstep.truth(t - 1)));
    std::string text;
    for (const Field& field : layout.fields) {
      const auto cell = fmt::format("{:>{}}", field_text(record, field), column(field));
      text += t > 0 && !same(field, record, lockstep.truth(t - 1)) ? paint(bold, cell) : cell;
    }
    return text;
  };

  std::string heading = columns ? "" : " changed";
  for (const Field& field : layout.fields) {
    if (columns) heading += fmt::format("{:>{}}", field.name, column(field));
  }
  std::string text = fmt::format("{:>5}  {:<14}{}   model\n", "state", "instruction", heading);
  for (int64_t t = 0; t <= std::max(lockstep.states(), lockstep.predicted_states()); ++t) {
    const Record truth = lockstep.truth(t), predicted = lockstep.predicted(t);
    const auto instruction = t == 0          ? "(start)"
                             : truth.empty() ? ""
                                             : lockstep.machine->instruction_text(truth);
    text += fmt::format("{:>5}  {:<14}", t, instruction);
    text += truth.empty() ? fmt::format("{:<{}}", " (ended)", heading.size()) : state_text(t);
    if (predicted.empty())
      text += paint(red, "   ended");
    else if (truth.empty())
      text += paint(red, fmt::format("   {}", lockstep.machine->instruction_text(predicted)));
    else if (t > 0)
      text += std::ranges::equal(truth, predicted)
                  ? paint(green, "   same")
                  : paint(red, fmt::format("   {}", differences(layout, predicted, truth)));
    text += '\n';
  }
  return text + "\n" + verdict(lockstep) + "\n";
}

nlohmann::ordered_json lockstep_json(const Lockstep& lockstep) {
  auto json = trace_json(*lockstep.machine, lockstep.run.bytes, lockstep.run.stops[0]);
  auto& predicted = json["predicted"] = nlohmann::ordered_json::array();
  for (int64_t t = 1; t <= lockstep.predicted_states(); ++t) {
    std::string hex;
    for (const uint8_t byte : lockstep.predicted(t)) hex += fmt::format("{:02x}", byte);
    predicted.push_back(std::move(hex));
  }
  json["ended"] = lockstep.prediction.ended;
  const auto parting = lockstep.parting();
  json["parts_at"] = parting ? nlohmann::ordered_json(*parting) : nlohmann::ordered_json();
  return json;
}

}  // namespace bytecpu
